"""Where loaded values came from."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

__all__ = ["clear_origins", "origin_of", "record_origin"]

ORIGINS = WeakTensorKeyDictionary()


def record_origin(tensors: Iterable[Tensor], origin: str) -> None:
    """Note that tensors hold what was loaded from ``origin``; forgotten with the tensor."""
    for tensor in tensors:
        ORIGINS[tensor] = origin


def origin_of(tensor: Tensor) -> str:
    """Return what a tensor was loaded from; "" if nothing is known."""
    return ORIGINS.get(tensor) or ""


def clear_origins(tensors: Iterable[Tensor]) -> None:
    """Tensors hold numbers of another origin now."""
    if len(ORIGINS):
        for tensor in tensors:
            ORIGINS.pop(tensor, None)
