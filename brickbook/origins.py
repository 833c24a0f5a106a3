"""Where the values of a tensor were loaded from: a note beside the tensor, not on it."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

__all__ = ["forget_origins", "note_origin", "origin_of"]

ORIGINS = WeakTensorKeyDictionary()


def note_origin(tensors: Iterable[Tensor], origin: str) -> None:
    """Note that tensors hold what was loaded from ``origin``; forgotten with the tensor."""
    for tensor in tensors:
        ORIGINS[tensor] = origin


def origin_of(tensor: Tensor) -> str:
    """Return what a tensor was loaded from; "" if nothing is known."""
    return ORIGINS.get(tensor) or ""


def forget_origins(tensors: Iterable[Tensor]) -> None:
    """Tensors hold numbers of another origin now."""
    if len(ORIGINS):
        for tensor in tensors:
            ORIGINS.pop(tensor, None)
