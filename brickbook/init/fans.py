"""Fans: how many inputs and outputs meet in a weight, for any order of its axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Integral

from brickbook.errors import BadArgumentError, BadValueError

__all__ = ["AXES", "Axes", "Fanned", "fans"]

Axes = int | Sequence[int]
AXES = ("in_axis", "out_axis", "batch_axis")


def fans(
    shape: Sequence[int], in_axis: Axes = 1, out_axis: Axes = 0, batch_axis: Axes = ()
) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight; by default (out, in, *kernel), as torch counts them.

    Each fan is the product of its axes and of the axes that none of the three names, the receptive
    field. Batch axes are in neither. Source: the axes are those of ``jax.nn.initializers``.

    >>> fans((64, 3, 7, 7)), fans((10, 512))
    ((147, 3136), (512, 10))
    >>> fans((8, 16, 32), in_axis=1, out_axis=2, batch_axis=0)
    (16, 32)
    """
    if (in_axis, out_axis, batch_axis) == (1, 0, ()):
        field = math.prod(shape[2:])
        return shape[1] * field, shape[0] * field
    ins, outs, batch = axes_of(shape, in_axis, out_axis, batch_axis)
    field = math.prod(size for axis, size in enumerate(shape) if axis not in {*ins, *outs, *batch})
    return (
        field * math.prod(shape[axis] for axis in ins),
        field * math.prod(shape[axis] for axis in outs),
    )


def axes_of(shape: Sequence[int], *named: Axes) -> list[tuple[int, ...]]:
    """Return in, out and batch axes counted from 0; raises BadValueError where there is none."""
    found: dict[int, str] = {}
    for key, axes in zip(AXES, named, strict=True):
        for axis in (axes,) if isinstance(axes, int) else axes:
            of = f"of a weight of shape {tuple(shape)}"
            if not -len(shape) <= axis < len(shape):
                raise BadValueError(key, f"there is no axis {axis} {of}.")
            claim(found, key, axis % len(shape), f"axis {axis} {of}")
    return [tuple(place for place, key in found.items() if key == wanted) for wanted in AXES]


def claim(found: dict[int, str], key: str, place: int, words: str) -> None:
    """Note which key names an axis; raises BadValueError if one has done so before."""
    if place in found:
        other = f"in {found[place]} too" if found[place] != key else "there twice"
        raise BadValueError(key, f"{words} is {other}.")
    found[place] = key


@dataclass(frozen=True)
class Fanned:
    """What needs the fans of a weight: which axes are its inputs, outputs and batches.

    The axes that are not named are the receptive field; see `fans`.
    """

    _: KW_ONLY
    in_axis: Axes = 1
    out_axis: Axes = 0
    batch_axis: Axes = ()

    def __post_init__(self) -> None:
        """Refuse what is no axis, and axes that are named twice."""
        seen: dict[int, str] = {}
        for key in AXES:
            axes = checked_axes(key, getattr(self, key))
            object.__setattr__(self, key, axes)
            for axis in (axes,) if isinstance(axes, int) else axes:
                claim(seen, key, axis, f"axis {axis}")

    @property
    def least_dims(self) -> int:
        """As many dimensions as the axes ask for; 2 by default."""
        named = (getattr(self, key) for key in AXES)
        axes = [axis for part in named for axis in ((part,) if isinstance(part, int) else part)]
        return max((axis + 1 if axis >= 0 else -axis for axis in axes), default=0)

    def fans(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return (fan_in, fan_out) of a weight of this shape."""
        return fans(shape, self.in_axis, self.out_axis, self.batch_axis)


def checked_axes(key: str, axes: object) -> int | tuple[int, ...]:
    """Return an axis or a tuple of them; raises BadArgumentError for anything else."""
    several = isinstance(axes, (list, tuple))
    for axis in axes if several else (axes,):
        if isinstance(axis, bool) or not isinstance(axis, Integral):
            raise BadArgumentError(key, f"expected an int or a list of them, got {axes!r}.")
    return tuple(int(axis) for axis in axes) if several else int(axes)  # pyright: ignore[reportArgumentType]
