"""A class's own ways to start again, found and called: parameters, buffers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.callables import needs_nothing
from brickbook.init.allocating import tensors_in
from brickbook.init.defaults import defaults_of, is_torchs
from brickbook.init.matching import post_order
from brickbook.init.rows import Run
from brickbook.init.rules import Rule
from brickbook.init.shards import is_sharded

__all__ = ["Blank", "blank", "is_blank", "resets_of"]

METHODS = ("reset_parameters", "reset_buffers", "init_non_persistent_buffers")
FIRST = -(1 << 20)  # after torch's own laws, before rules


def resets_of(model: nn.Module, open_tensors: Collection[int]) -> list[Run]:
    """Return the calls of modules' own resets that may fill any of the open tensors, by id.

    A ``reset_parameters()``, ``reset_buffers()`` or (timm's) ``init_non_persistent_buffers()`` that
    takes no argument and that torch did not write; children before parents, as in construction.
    """
    found: list[Run] = []
    for name, part in post_order(model):
        methods = [method for method in METHODS if is_own(part, method)]
        if not methods or not any(id(tensor) in open_tensors for _, tensor in tensors_in(part)):
            continue
        for method in methods:
            path = f"{name}.{method}" if name else method
            rule = Rule(path, method, Reset(method))
            found.append(Run(path, name, FIRST + len(found), rule))
    return found


class Reset:
    """A method to call on a module."""

    def __init__(self, method: str) -> None:
        self.method = method

    def __call__(self, module: nn.Module) -> None:
        getattr(module, self.method)()


def is_own(part: nn.Module, method: str) -> bool:
    """Whether a module has a method of its own of this name, to be called with no argument."""
    function = getattr(type(part), method, None)
    if not callable(function):
        return False
    if is_torchs(part, method) and (defaults_of(part) or not part._parameters):
        return False
    return needs_nothing(function)


class Blank(NamedTuple):
    """What a tensor was made before anybody filled it."""

    words: str
    tensor: Tensor | None = None
    version: int = 0

    def __str__(self) -> str:
        return self.words


@torch.no_grad()
def blank(tensor: Tensor | None) -> Blank:
    """Make memory that nothing has filled show: NaN, or 0 where there is no NaN."""
    if tensor is None:
        return Blank("it stays on the meta device")
    if is_lazy(tensor):
        return Blank("it stays as it is")
    number = torch.nan if tensor.is_floating_point() or tensor.is_complex() else 0
    tensor.fill_(number)
    return Blank(f"it is {'NaN' if number else 0}", tensor, tensor._version)


@torch.no_grad()
def is_blank(tensor: Tensor, was: Blank) -> bool:
    """Whether a tensor that was made blank still is, in any place.

    Numbers without NaN count as filled once torch has counted a write, or if any is not 0.
    """
    if not tensor.numel():
        return False
    if tensor.is_floating_point() or tensor.is_complex():
        found: Any = torch.isnan(tensor).any()
        return bool(found.full_tensor() if is_sharded(found) else found)
    return tensor is was.tensor and tensor._version == was.version and not bool(tensor.any())
