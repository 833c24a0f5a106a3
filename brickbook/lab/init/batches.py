"""What of a user's variables a model can be run on: batches, and loaders of them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from brickbook.errors import BadArgumentError, Sentence, UnknownNameError, nearest
from brickbook.measure.probe import is_batch

__all__ = ["batch_names", "find_batch", "first_batch"]

HIDDEN_NAMES = frozenset({"In", "Out"})
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def batch_names(namespace: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the variables that may be meant as a batch, in order.

    >>> batch_names({"y": torch.ones(2), "x": (torch.ones(2), 3), "_": torch.ones(1), "n": 3})
    ('x', 'y')
    """
    return tuple(
        sorted(
            name
            for name, value in tuple(namespace.items())
            if not name.startswith("_")
            and name not in HIDDEN_NAMES
            and (isinstance(value, DataLoader) or is_batch(value))
        )
    )


def find_batch(namespace: Mapping[str, Any], name: str, model: nn.Module) -> Any:
    """Return the batch of that name; of a DataLoader the first one, see `first_batch`.

    Raises:
        KeyError: there is no such variable.
        TypeError: it holds no tensor.
    """
    if name not in namespace:
        known = batch_names(namespace)
        hint = nearest(name, known) if known else "No variable holds a batch yet."
        problem = Sentence("there is no variable {name}.", name=repr(name))
        raise UnknownNameError("input", problem, hint)
    value = namespace[name]
    if isinstance(value, DataLoader):
        value = first_batch(value, model)
    if not is_batch(value):
        kind = type(value).__name__
        problem = "{name} holds no tensor: it is of the type {type}."
        raise BadArgumentError("input", Sentence(problem, name=name, type=kind))
    return value


def first_batch(loader: DataLoader, model: nn.Module) -> Any:
    """Return what a model takes of a loader's first batch: labels stand behind its arguments.

    torch's random numbers go on as if nothing had been loaded.
    """
    with torch.random.fork_rng(devices=[]):
        found = next(iter(loader), None)
    if found is None or type(found) not in (list, tuple):
        return found
    kinds = [parameter.kind for parameter in inspect.signature(model.forward).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return found
    return tuple(found[: sum(kind in POSITIONAL for kind in kinds)])
