"""Never half: what is kept while a model is written, and how an interrupt waits."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

__all__ = ["put_back_on_error", "uninterrupted"]


@contextmanager
def put_back_on_error(model: nn.Module) -> Iterator[None]:
    """Put parameters, buffers and ``is_init`` back as they were if the block raises."""
    kept = [(part, dict(part._parameters), dict(part._buffers)) for part in model.modules()]
    started = [(part, part._is_init) for part in model.modules() if hasattr(part, "_is_init")]
    values = [
        (tensor, tensor.detach().clone())
        for tensor in (*model.parameters(), *model.buffers())
        if not is_lazy(tensor)
    ]
    try:
        yield
    except BaseException:
        for part, parameters, buffers in kept:
            put_back(part._parameters, parameters)
            put_back(part._buffers, buffers)
        for part, value in started:
            part._is_init = value
        with torch.no_grad():
            for tensor, value in values:
                tensor.copy_(value)
        raise


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
