"""Never half: what is kept while a model is written, and how an interrupt waits."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

__all__ = ["held", "put_back_on_error", "uninterrupted"]


@contextmanager
def put_back_on_error(model: nn.Module, tensors: Iterable[Tensor] | None = None) -> Iterator[None]:
    """Put the model back as it was if the block raises: values, parameters, buffers, ``is_init``.

    The values of ``tensors`` are copied before (default: of all parameters and buffers). An
    interrupt while they are put back waits until that is done.
    """
    every = (*model.parameters(), *model.buffers()) if tensors is None else tensors
    kept = [(part, dict(part._parameters), dict(part._buffers)) for part in model.modules()]
    started = [(part, part._is_init) for part in model.modules() if hasattr(part, "_is_init")]
    values = [(tensor, tensor.detach().clone()) for tensor in every if not is_lazy(tensor)]
    try:
        yield
    except BaseException:
        with uninterrupted():
            for part, parameters, buffers in kept:
                put_back(part._parameters, parameters)
                put_back(part._buffers, buffers)
            for part, value in started:
                part._is_init = value
            copy_back(values)
        raise


@torch.no_grad()
def copy_back(values: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Copy kept values into their tensors."""
    for tensor, value in values:
        tensor.copy_(value)


@contextmanager
def held(tensors: Iterable[Tensor]) -> Iterator[None]:
    """Undo whatever the block does to the values of some tensors."""
    values = [(tensor, tensor.detach().clone()) for tensor in tensors if not is_lazy(tensor)]
    yield
    copy_back(values)


def put_back(now: dict[str, Any], before: dict[str, Any]) -> None:
    """Make a dict what it was, in place."""
    now.clear()
    now.update(before)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold an interrupt (Ctrl-C) back until the block is done, then let it happen.

    Only the main thread gets interrupts; elsewhere there is nothing to hold back.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    waiting: list[tuple[int, Any]] = []
    signal.signal(signal.SIGINT, lambda number, frame: waiting.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if waiting:
            handler(*waiting[0])
