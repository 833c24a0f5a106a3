"""The memory of tensors: which storages arguments have, and what an operation writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

from torch import Tensor, UntypedStorage

__all__ = ["covers_storage", "storages_in", "tensors_in_values", "written_arguments"]


def tensors_in_values(value: object) -> list[Tensor]:
    """Return the tensors in arguments, in lists and dicts too."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [tensor for part in value for tensor in tensors_in_values(part)]
    if isinstance(value, dict):
        return [tensor for part in value.values() for tensor in tensors_in_values(part)]
    return []


def storages_in(value: object) -> Iterator[UntypedStorage]:
    """Yield the storages of the tensors in arguments; some kinds of tensors have none."""
    for tensor in tensors_in_values(value):
        with suppress(NotImplementedError, RuntimeError, ValueError):
            yield tensor.untyped_storage()


def covers_storage(tensor: Tensor) -> bool:
    """Whether a tensor is all of its storage."""
    return tensor.numel() * tensor.element_size() == tensor.untyped_storage().nbytes()


@lru_cache(maxsize=4096)
def written_arguments(func: Any) -> tuple[tuple[int, str], ...]:
    """Return the places and names of the arguments that an operation of ATen's changes."""
    return tuple(
        (at, argument.name)
        for at, argument in enumerate(func._schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    )
