"""Roll back on an error, defer signals, pin tensors, give process-wide settings back."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial, wraps
from types import FrameType
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

__all__ = [
    "SignalDeferral",
    "call_and_restore",
    "deferred_signals",
    "keeps_grad_mode",
    "pauses_collection",
    "pinned",
    "restore_dict",
    "rollback_on_error",
]

SIGNALS: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)
Handlers = Mapping[int, Callable[[int, FrameType | None], Any]]
P = ParamSpec("P")
T = TypeVar("T")


def call_and_restore(action: Callable[[], T], restore: Callable[[], object]) -> T:
    """Return what ``action`` returns, and call ``restore`` after it, wherever an interrupt comes.

    ``restore`` is called twice: one interrupt, at whatever line, cannot skip both calls. A ``with``
    statement does not give that, as an interrupt can come between its block and ``__exit__``.
    """
    try:
        try:
            return action()
        finally:
            restore()
    finally:
        restore()


def keeps_grad_mode(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function leave torch's grad mode as it was, also if an interrupt ends a `no_grad`."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        before = torch.is_grad_enabled()
        # The function of C: an interrupt cannot come before it has done its work.
        restore = partial(torch._C._set_grad_enabled, before)
        return call_and_restore(lambda: function(*args, **kwargs), restore)

    return call


def pauses_collection(function: Callable[P, T]) -> Callable[P, T]:
    """Let Python's garbage collector rest in a function that makes much and throws nothing away.

    Else it walks all objects of the process again and again, in which torch has many.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        if not gc.isenabled():
            return function(*args, **kwargs)

        def run() -> T:
            gc.disable()
            return function(*args, **kwargs)

        return call_and_restore(run, gc.enable)

    return call


class SignalDeferral:
    """Holds Python's own handlers of Ctrl-C and SIGTERM back while it is ``deferring``.

    What comes then waits until the block is done. Otherwise a signal is handled at once, and one
    that raises turns ``deferring`` on: a second one cannot disturb the cleaning up. Only the main
    thread gets signals; in others there is nothing to hold back.
    """

    def __init__(self) -> None:
        self.deferring = True
        self.pending: dict[int, FrameType | None] = {}
        main = threading.current_thread() is threading.main_thread()
        found = [(number, signal.getsignal(number)) for number in SIGNALS if main]
        self.handlers: Handlers = {n: handler for n, handler in found if callable(handler)}

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Let a signal wait, or hand it on."""
        if self.deferring:
            self.pending.setdefault(number, frame)
            return
        self.deferring = True
        self.handlers[number](number, frame)
        self.deferring = False

    def __enter__(self) -> SignalDeferral:
        try:
            for number in self.handlers:
                signal.signal(number, self.handle)
        except BaseException:
            install_handlers(self.handlers)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.deferring = True
        try:
            install_handlers(self.handlers)
        finally:
            deliver_pending(self.handlers, self.pending)


def install_handlers(handlers: Handlers) -> None:
    """Set the handlers of signals; all of them, even if one that comes meanwhile raises."""
    if handlers:
        (number, handler), *rest = handlers.items()
        try:
            signal.signal(number, handler)
        finally:
            install_handlers(dict(rest))


def deliver_pending(handlers: Handlers, pending: Mapping[int, FrameType | None]) -> None:
    """Handle the signals that have waited; all of them, even if one raises."""
    if pending:
        (number, frame), *rest = pending.items()
        try:
            handlers[number](number, frame)
        finally:
            deliver_pending(handlers, dict(rest))


@contextmanager
def rollback_on_error(
    model: nn.Module, tensors: Iterable[Tensor] | None = None
) -> Iterator[SignalDeferral]:
    """Put the model back as it was if the block raises.

    Its modules, parameters and buffers, their values, ``requires_grad`` and ``is_init``. The values
    of ``tensors`` are copied before (default: of all parameters and buffers). An interrupt is an
    exception as any other; a second one waits until everything is put back. A block that has done
    its work may set ``deferring`` of what it gets: then an interrupt comes too late.
    """
    every = (*model.parameters(), *model.buffers()) if tensors is None else tensors
    members = [(now, dict(now)) for part in model.modules()
               for now in (part._parameters, part._buffers, part._modules)]  # fmt: skip
    flags = [(tensor, tensor.requires_grad) for tensor in model.parameters()]
    initialized = [(part, part._is_init) for part in model.modules() if hasattr(part, "_is_init")]
    values = [(tensor, tensor.detach().clone()) for tensor in every if not is_lazy(tensor)]
    with SignalDeferral() as signals:
        try:
            try:
                signals.deferring = False
                yield signals
            finally:
                signals.deferring = True
        except BaseException:
            for now, before in members:
                restore_dict(now, before)
            for part, value in initialized:
                part._is_init = value
            restore_values(values)
            for tensor, flag in flags:
                if tensor.requires_grad != flag:
                    tensor.requires_grad_(flag)
            raise


@torch.no_grad()
def restore_values(values: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Copy kept values into their tensors, whatever these have become."""
    for tensor, value in values:
        if is_lazy(tensor) or (tensor.shape, tensor.dtype) != (value.shape, value.dtype):
            tensor.data = value
        else:
            tensor.copy_(value)


@contextmanager
def pinned(tensors: Iterable[Tensor], model: nn.Module | None = None) -> Iterator[None]:
    """Undo whatever the block does to the values of some tensors, or to their place in a model."""
    values = [(tensor, tensor.detach().clone()) for tensor in tensors if not is_lazy(tensor)]
    ids = {id(tensor) for tensor, _ in values}
    places = [
        (part._parameters, key, tensor)
        for part in (model.modules() if model is not None else ())
        for key, tensor in part._parameters.items()
        if id(tensor) in ids
    ]
    yield
    for parameters, key, tensor in places:
        parameters[key] = tensor
    restore_values(values)


def restore_dict(now: dict[str, Any], before: dict[str, Any]) -> None:
    """Make a dict what it was, in place."""
    now.clear()
    now.update(before)


@contextmanager
def deferred_signals() -> Iterator[SignalDeferral]:
    """Hold an interrupt (Ctrl-C, or a SIGTERM that Python handles) back until the block is done."""
    with SignalDeferral() as signals:
        yield signals
