"""What the diagnosis runs a model on, by the names that the user's variables have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brickbook.errors import BadArgumentError, UnknownNameError, nearest
from brickbook.measure.batches import is_batch

__all__ = ["batches_in", "named_batch"]

HIDDEN = frozenset({"In", "Out"})


def batches_in(namespace: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the variables that may be meant as a batch, in order.

    >>> import torch
    >>> batches_in({"y": torch.ones(2), "x": (torch.ones(2), 3), "_": torch.ones(1), "n": 3})
    ('x', 'y')
    """
    return tuple(
        sorted(
            name
            for name, value in tuple(namespace.items())
            if not name.startswith("_") and name not in HIDDEN and is_batch(value)
        )
    )


def named_batch(namespace: Mapping[str, Any], name: str) -> Any:
    """Return the batch of that name.

    Raises KeyError if there is no such variable, TypeError for one that holds no tensor.
    """
    if name not in namespace:
        known = batches_in(namespace)
        hint = nearest(name, known) if known else "No variable holds a batch yet."
        raise UnknownNameError("input", f"there is no variable {name!r}.", hint)
    value = namespace[name]
    if not is_batch(value):
        kind = type(value).__name__
        raise BadArgumentError("input", f"{name} holds no tensor: it is of the type {kind}.")
    return value
