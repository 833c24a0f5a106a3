"""Weights of another size: positions, input channels, classes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from itertools import groupby
from math import isqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.nn.parameter import is_lazy

from brickbook.checkpoint.match import Adapted, Reshaped, match, named_tensors
from brickbook.checkpoint.state_dict import State, with_metadata
from brickbook.errors import BadArgumentError, BadValueError, Sentence, format_value, nearest

__all__ = ["adapt_state", "check_adapt"]

ADAPTATIONS = ("positions", "channels", "classes")

PREFIX_TOKENS = (
    0,
    1,
    2,
)  # that stand before a grid of positions: none, a class, a class and a teacher


def adapt_state(
    state: State, model: nn.Module, adapt: str | Collection[str]
) -> tuple[State, tuple[Adapted, ...]]:
    """Return a state dict with the changes that ``adapt`` names, and a list of them.

    ``"positions"``: embeddings of positions on a square grid, or the table of a shifted window's
    biases, are interpolated (bicubic) to the model's grid; tokens before the grid stay.
    ``"channels"``: the first convolution gets the model's number of input channels, its sum over
    the channels stays what it was. ``"classes"``: a layer of which only the number of outputs
    differs is left out, if no other shape does.

    Raises:
        ValueError: ``adapt`` has any other word.
    """
    requested = check_adapt(adapt)
    if not requested:
        return state, ()
    changed: State = OrderedDict(state)
    notes: list[Adapted] = []
    first = first_convolution(model)
    for item in match(state, model).reshaped:
        found = None
        if not item.file or not item.model or 0 in item.file or 0 in item.model:
            continue  # a scalar, or no values
        if "positions" in requested:
            found = resize_positions(item, state[item.name])
        if found is None and "channels" in requested and item.name == first:
            found = adapt_channels(item, state[item.name])
        if found is not None:
            changed[item.name], how = found
            notes.append(Adapted(item.name, how))
    if "classes" in requested:
        for item in classifier_tensors(match(changed, model).reshaped):
            del changed[item.name]
            note = f"left out: file {item.file[0]} classes, model {item.model[0]}"
            notes.append(Adapted(item.name, note, left_out=True))
    return with_metadata(changed, getattr(state, "_metadata", {})), tuple(notes)


def check_adapt(adapt: object) -> list[str]:
    """Return the words of ``adapt``, refused if one is unknown."""
    if not isinstance(adapt, Collection) or hasattr(adapt, "ndim"):  # an array is no list of words
        raise BadArgumentError(
            "adapt",
            Sentence("expected a str or a list of them, got {value}.", value=format_value(adapt)),
        )
    requested = [adapt] if isinstance(adapt, str) else list(adapt)
    for word in requested:
        if not isinstance(word, str):
            raise BadArgumentError(
                "adapt", Sentence("expected a str, got {value}.", value=format_value(word))
            )
        if word not in ADAPTATIONS:
            raise BadValueError(
                "adapt",
                Sentence("{value} is unknown.", value=format_value(word)),
                nearest(word, ADAPTATIONS),
            )
    return requested


def resize_positions(item: Reshaped, value: Tensor) -> tuple[Tensor, str] | None:
    """Interpolate an embedding of positions, if it is one."""
    if "relative_position_bias_table" in item.name:
        grids = square_grids(item.file[0], item.model[0], (0,))
        rows = value
    elif "pos" not in item.name:
        return None
    elif len(item.file) == 4 and item.file[:2] == item.model[:2]:
        there = f"{item.file[2]}×{item.file[3]} to {item.model[2]}×{item.model[3]}"
        return resize_grid(value, item.model[2:]), f"interpolated from {there}"
    elif len(item.file) == 3 and item.file[0] == 1:
        grids, rows = square_grids(item.file[1], item.model[1], PREFIX_TOKENS), value[0]
    else:
        grids, rows = square_grids(item.file[0], item.model[0], PREFIX_TOKENS), value
    if grids is None or item.file[-1] != item.model[-1] or len(item.file) != len(item.model):
        return None
    tokens, old, new = grids
    grid = rows[tokens:].T.reshape(1, -1, old, old)
    grid = resize_grid(grid, (new, new)).reshape(rows.shape[1], -1).T
    found = torch.cat([rows[:tokens], grid]).reshape(item.model)
    more = f", {tokens} before them kept" if tokens else ""
    return found, f"interpolated from {old}×{old} to {new}×{new}{more}"


def square_grids(old: int, new: int, tokens: Collection[int]) -> tuple[int, int, int] | None:
    """Return how many tokens stand before two square grids, and the sides of these."""
    for count in tokens:
        sides = isqrt(max(old - count, 0)), isqrt(max(new - count, 0))
        if all(sides) and (sides[0] ** 2, sides[1] ** 2) == (old - count, new - count):
            return count, *sides
    return None


def resize_grid(grid: Tensor, size: tuple[int, ...]) -> Tensor:
    """Interpolate a grid of shape (1, C, H, W) in float32."""
    found = interpolate(grid.float(), size=size, mode="bicubic", align_corners=False)
    return found.to(grid.dtype)


def first_convolution(model: nn.Module) -> str:
    """Return the name of the first weight that can be a convolution's."""
    for name, tensor in named_tensors(model).items():
        if name.endswith("weight") and not is_lazy(tensor) and tensor.ndim > 2:
            return name
    return ""


def adapt_channels(item: Reshaped, value: Tensor) -> tuple[Tensor, str] | None:
    """Give a convolution another number of input channels, and keep its sum over them.

    More channels than the file has repeat its own and share their weight; fewer take it together.
    """
    (out, old, *kernel), (wanted, new, *size) = item.file, item.model
    if (out, kernel) != (wanted, size):
        return None
    found = value.new_zeros(item.model, dtype=torch.float32)
    for at in range(max(old, new)):
        copies = len(range(at % old, new, old)) if new > old else 1
        found[:, at % new] += value[:, at % old].float() / copies
    return found.to(value.dtype), f"{old} channels summed to {new}"


def classifier_tensors(items: Collection[Reshaped]) -> Collection[Reshaped]:
    """Return tensors of another shape if all are of layers that differ in outputs only."""
    for _, group in groupby(items, lambda item: item.name.rpartition(".")[0]):
        layer = list(group)
        counts = {(item.file[:1], item.model[:1]) for item in layer}
        same = all(item.file[1:] == item.model[1:] for item in layer)
        if not (same and len(counts) == 1 and any(len(item.file) > 1 for item in layer)):
            return ()
    return items
