"""What a race can be run on: built-in tasks that fit a model, and the user's variables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from brickbook.measure.race import TASKS

__all__ = ["OPTIMIZERS", "data_names", "own_tasks"]

HIDDEN_NAMES = frozenset({"In", "Out"})

# By name: what makes one of parameters and a learning rate.
OPTIMIZERS: Mapping[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": torch.optim.SGD,
    "SGD, momentum 0.9": partial(torch.optim.SGD, momentum=0.9),
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
}


def own_tasks() -> dict[str, Callable[[], Any]]:
    """Return the built-in tasks, each of which has a model of its own."""
    lacks = () if find_spec("sklearn") else ("digits",)
    return {name: make for name, make in TASKS.items() if name not in lacks}


def data_names(namespace: Mapping[str, Any]) -> list[str]:
    """Return the variables that may be meant as data: a pair of tensors, or a DataLoader.

    >>> data_names({"xy": (torch.ones(2, 3), torch.ones(2)), "x": torch.ones(2), "_": 1})
    ['xy']
    """
    return sorted(find_data(namespace))


def find_data(namespace: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of data."""
    for name, value in tuple(namespace.items()):
        pair = type(value) in (tuple, list) and len(value) == 2
        pair = pair and all(isinstance(each, Tensor) and each.dim() for each in value)
        pair = pair and len(value[0]) == len(value[1])
        shown = not name.startswith("_") and name not in HIDDEN_NAMES
        if shown and (pair or isinstance(value, DataLoader)):
            yield name
