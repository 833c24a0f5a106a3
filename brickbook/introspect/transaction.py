"""Roll back on an error, defer signals, pin tensors, give process-wide settings back."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.introspect.model_state import TensorState, keep_model, keep_plain_values

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

        def restore() -> None:
            if torch.is_grad_enabled() != before:
                with torch._C.DisableTorchFunction():  # a mode would see it, and may raise
                    torch._C._set_grad_enabled(before)

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

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Let the block be interrupted, and hold signals back again after it."""
        try:
            self.deferring = False
            yield
        finally:
            self.deferring = True

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
    model: nn.Module, tensors: Iterable[Tensor] | None = None, *, plain: bool = False
) -> Iterator[SignalDeferral]:
    """Put the model back as it was if the block raises, whatever that is.

    Its modules, parameters and buffers, torch's generators and the notes of loading; see
    `keep_model`. The values of ``tensors`` are copied before (default: of all parameters and
    buffers). An interrupt is an exception as any other; a second one waits until everything is put
    back. A block that has done its work may set ``deferring`` of what it gets: then an interrupt
    comes too late.

    ``plain`` says that nothing but torch's kernels write, and to ``tensors`` alone, all of them
    `is_plain`: then an interrupt waits, and only small tensors are copied.
    """
    state = keep_plain_values(tensors or ()) if plain else keep_model(model, tensors)
    try:
        with SignalDeferral() as signals:
            try:
                try:
                    signals.deferring = plain
                    yield signals
                finally:
                    signals.deferring = True
            except BaseException:
                state.restore()
                raise
    finally:
        state.close()


@contextmanager
def pinned(tensors: Iterable[Tensor], model: nn.Module | None = None) -> Iterator[None]:
    """Undo whatever the block does to the values of some tensors, or to their place in a model."""
    kept = [TensorState(tensor, with_values=True) for tensor in tensors if not is_lazy(tensor)]
    ids = {id(each.tensor) for each in kept}
    places = [
        (part._parameters, key, tensor)
        for part in (model.modules() if model is not None else ())
        for key, tensor in part._parameters.items()
        if id(tensor) in ids
    ]
    yield
    for parameters, key, tensor in places:
        parameters[key] = tensor
    for each in kept:
        each.restore_values()


def restore_dict(now: dict[str, Any], before: dict[str, Any]) -> None:
    """Make a dict what it was, in place."""
    now.clear()
    now.update(before)


@contextmanager
def deferred_signals() -> Iterator[SignalDeferral]:
    """Hold an interrupt (Ctrl-C, or a SIGTERM that Python handles) back until the block is done."""
    with SignalDeferral() as signals:
        yield signals
