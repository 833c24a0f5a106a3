"""A model without memory for its parameters, but with the buffers that its constructors compute."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.nn.parameter import is_lazy
from torch.utils.weak import WeakTensorKeyDictionary

__all__ = ["like", "on_meta", "skeleton"]

T = TypeVar("T", bound=Tensor)


@contextmanager
def skeleton() -> Iterator[None]:
    """Build modules in the block with parameters on the meta device and buffers as they are.

    Unlike ``torch.device('meta')`` it leaves tables that constructors compute (rotary angles,
    masks) with their values. A parameter loses its memory when a module takes it, so that at most
    one layer has any; what it held is lost, and what constructors draw costs nothing. Tied
    parameters stay tied, lazy ones lazy. Only modules that this thread builds are concerned.
    Constructors that start the model and note that they did (transformers) find themselves
    undone: those models belong under ``torch.device('meta')``.

    >>> with skeleton():
    ...     layer = nn.BatchNorm2d(8)
    >>> layer.weight.is_meta, layer.running_var.sum()
    (True, tensor(8.))
    """
    thread = threading.get_ident()
    twins = WeakTensorKeyDictionary()  # a parameter that is taken twice has one twin

    def take(module: nn.Module, name: str, parameter: nn.Parameter) -> nn.Parameter | None:
        if threading.get_ident() != thread or parameter.is_meta or is_lazy(parameter):
            return None
        twin = twins.get(parameter)
        if twin is None:
            twin = twins[parameter] = on_meta(parameter)
        return twin

    handle = register_module_parameter_registration_hook(take)  # pyright: ignore[reportArgumentType] - may return one
    try:
        yield
    finally:
        handle.remove()


def on_meta(parameter: nn.Parameter) -> nn.Parameter:
    """Return a parameter of the same kind, with the same attributes, on the meta device."""
    with torch.no_grad():
        twin = nn.Parameter(torch.empty_like(parameter, device="meta"), parameter.requires_grad)
    return like(twin, parameter)


def like(new: T, old: Tensor) -> T:
    """Give a tensor the class and the Python attributes of another."""
    if type(new) is not type(old):
        new.__class__ = type(old)  # pyright: ignore[reportAttributeAccessIssue]
    vars(new).update(vars(old))
    return new
