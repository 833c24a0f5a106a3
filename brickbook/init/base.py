"""The shapes of a base model, by name: what muP holds a wider model against."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn
from torch.nn.parameter import is_lazy

from brickbook.errors import BadArgumentError, BadValueError, MissingFileError
from brickbook.init.matching import plain_name

__all__ = ["Shapes", "base_shapes", "read_shapes"]

Shapes = Mapping[str, tuple[int, ...]]


def base_shapes(model: nn.Module) -> dict[str, list[int]]:
    """Return the shape of every parameter by name, ready for ``json.dump``.

    The model may be on the meta device. Names are without the prefixes of wrappers; a tied tensor
    stands under each of its names. Raises ValueError for a parameter without a shape yet.

    >>> base_shapes(nn.Linear(8, 2))
    {'weight': [2, 8], 'bias': [2]}
    """
    found: dict[str, list[int]] = {}
    for name, tensor in model.named_parameters(remove_duplicate=False):
        if is_lazy(tensor):
            raise BadValueError(
                name, "it has no shape yet.", "Run one batch through the lazy module."
            )
        found[plain_name(name)] = list(tensor.shape)
    return found


def read_shapes(
    base: nn.Module | Mapping[str, Sequence[int]] | str | os.PathLike[str], key: str = "base"
) -> Shapes:
    """Return base shapes from a model, a dict of them, or a JSON file that holds one.

    Raises TypeError for anything else, FileNotFoundError if there is no such file, ValueError if
    it holds no JSON; all are ConfigErrors whose path starts with ``key``.
    """
    if isinstance(base, nn.Module):
        base = base_shapes(base)
    elif isinstance(base, (str, os.PathLike)):
        base = from_file(Path(base), key)
    if not isinstance(base, Mapping):
        raise BadArgumentError(
            key,
            f"expected a model, a dict from names to shapes or the path of a JSON file, "
            f"got {base!r}.",
        )
    return {plain_name(name): shape_of(value, name, key) for name, value in base.items()}


def from_file(path: Path, key: str) -> Mapping[str, Sequence[int]]:
    """Read a JSON file of shapes."""
    try:
        shapes = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingFileError(key, f"there is no file {str(path)!r}.") from None
    except ValueError as error:  # no JSON, or no text
        raise BadValueError(key, f"{str(path)!r} holds no JSON: {error}.") from None
    if not isinstance(shapes, Mapping):
        raise BadValueError(key, f"{str(path)!r} holds no dict from names to shapes.")
    return shapes


def shape_of(value: object, name: object, key: str) -> tuple[int, ...]:
    """Return one shape as a tuple."""
    if not isinstance(value, (list, tuple)) or not all(
        type(size) is int and size >= 0 for size in value
    ):
        raise BadArgumentError(f"{key}[{name!r}]", f"expected a list of sizes, got {value!r}.")
    return tuple(value)
