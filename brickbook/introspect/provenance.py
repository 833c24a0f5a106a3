"""Where loaded values came from."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

__all__ = ["clear_origins", "origin_of", "origins_of", "record_origin"]

ORIGINS = WeakTensorKeyDictionary()


def record_origin(tensors: Iterable[Tensor], origin: str) -> None:
    """Note that tensors hold what was loaded from ``origin``; forgotten with the tensor."""
    for tensor in tensors:
        ORIGINS[tensor] = origin


def origin_of(tensor: Tensor) -> str:
    """Return what a tensor was loaded from; "" if nothing is known."""
    return ORIGINS.get(tensor) or ""


def origins_of(tensors: Iterable[Tensor]) -> dict[int, str]:
    """Return what tensors were loaded from, by their ids; without those of which nothing is known.

    To ask one tensor takes much longer than to go through the notes, of which there are few.
    """
    wanted = {id(tensor) for tensor in tensors} if len(ORIGINS) else ()
    noted = [(id(key()), origin) for key, origin in list(ORIGINS.data.items())]
    return {key: origin for key, origin in noted if key in wanted}


def clear_origins(tensors: Iterable[Tensor]) -> None:
    """Tensors hold numbers of another origin now."""
    if len(ORIGINS):
        for tensor in tensors:
            ORIGINS.pop(tensor, None)
