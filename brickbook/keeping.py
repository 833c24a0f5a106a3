"""Never half: what is kept while a model is written, and how an interrupt waits."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

__all__ = ["Gate", "held", "no_collection", "put_back_on_error", "uninterrupted"]

SIGNALS: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)
Handlers = Mapping[int, Callable[[int, FrameType | None], Any]]


class Gate:
    """Python's own handlers of Ctrl-C and SIGTERM, held back while the gate is closed.

    What comes then waits until the block is done. While it is open a signal is handled at once, and
    one that raises closes the gate: a second one cannot disturb the cleaning up. Only the main
    thread gets signals; in others there is nothing to hold back.
    """

    def __init__(self) -> None:
        self.closed = True
        self.waiting: dict[int, FrameType | None] = {}
        main = threading.current_thread() is threading.main_thread()
        found = [(number, signal.getsignal(number)) for number in SIGNALS if main]
        self.handlers: Handlers = {n: handler for n, handler in found if callable(handler)}

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Let a signal wait, or hand it on."""
        if self.closed:
            self.waiting.setdefault(number, frame)
            return
        self.closed = True
        self.handlers[number](number, frame)
        self.closed = False

    def __enter__(self) -> Gate:
        try:
            for number in self.handlers:
                signal.signal(number, self.receive)
        except BaseException:
            put_handlers(self.handlers)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True
        try:
            put_handlers(self.handlers)
        finally:
            deliver(self.handlers, self.waiting)


def put_handlers(handlers: Handlers) -> None:
    """Set the handlers of signals; all of them, even if one that comes meanwhile raises."""
    if handlers:
        (number, handler), *rest = handlers.items()
        try:
            signal.signal(number, handler)
        finally:
            put_handlers(dict(rest))


def deliver(handlers: Handlers, waiting: Mapping[int, FrameType | None]) -> None:
    """Handle the signals that have waited; all of them, even if one raises."""
    if waiting:
        (number, frame), *rest = waiting.items()
        try:
            handlers[number](number, frame)
        finally:
            deliver(handlers, dict(rest))


@contextmanager
def put_back_on_error(model: nn.Module, tensors: Iterable[Tensor] | None = None) -> Iterator[Gate]:
    """Put the model back as it was if the block raises.

    Its modules, parameters and buffers, their values, ``requires_grad`` and ``is_init``. The values
    of ``tensors`` are copied before (default: of all parameters and buffers). An interrupt is an
    exception as any other; a second one waits until everything is put back. A block that has done
    its work may close the gate that it gets: then an interrupt comes too late.
    """
    every = (*model.parameters(), *model.buffers()) if tensors is None else tensors
    kept = [(held, dict(held)) for part in model.modules()
            for held in (part._parameters, part._buffers, part._modules)]  # fmt: skip
    flags = [(tensor, tensor.requires_grad) for tensor in model.parameters()]
    started = [(part, part._is_init) for part in model.modules() if hasattr(part, "_is_init")]
    values = [(tensor, tensor.detach().clone()) for tensor in every if not is_lazy(tensor)]
    with Gate() as gate:
        try:
            try:
                gate.closed = False
                yield gate
            finally:
                gate.closed = True
        except BaseException:
            for now, before in kept:
                put_back(now, before)
            for part, value in started:
                part._is_init = value
            copy_back(values)
            for tensor, flag in flags:
                if tensor.requires_grad != flag:
                    tensor.requires_grad_(flag)
            raise


@torch.no_grad()
def copy_back(values: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Copy kept values into their tensors, whatever these have become."""
    for tensor, value in values:
        if is_lazy(tensor) or (tensor.shape, tensor.dtype) != (value.shape, value.dtype):
            tensor.data = value
        else:
            tensor.copy_(value)


@contextmanager
def held(tensors: Iterable[Tensor], model: nn.Module | None = None) -> Iterator[None]:
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
    copy_back(values)


def put_back(now: dict[str, Any], before: dict[str, Any]) -> None:
    """Make a dict what it was, in place."""
    now.clear()
    now.update(before)


@contextmanager
def uninterrupted() -> Iterator[Gate]:
    """Hold an interrupt (Ctrl-C, or a SIGTERM that Python handles) back until the block is done."""
    with Gate() as gate:
        yield gate


@contextmanager
def no_collection() -> Iterator[None]:
    """Let Python's garbage collector rest, where much is made and nothing is thrown away.

    Else it looks through the whole process every few thousand objects, which in a large one takes
    longer than to make them.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
