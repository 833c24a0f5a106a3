"""Fans: how many inputs and outputs meet in a weight, for any layer and any order of its axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd

from brickbook.errors import BadArgumentError, BadValueError, Sentence, format_value, wrong_value

__all__ = [
    "AXIS_KEYS",
    "AxisSpec",
    "FanAxes",
    "fans",
    "fans_as_computed",
    "fans_of_weight",
    "stored_axes",
]

AxisSpec = int | Sequence[int]
MAX_AXES = 64  # of a tensor
AXIS_KEYS = ("in_axis", "out_axis", "batch_axis")


def fans(
    shape: Sequence[int], in_axis: AxisSpec = 1, out_axis: AxisSpec = 0, batch_axis: AxisSpec = ()
) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight; by default (out, in, *kernel), as torch counts them.

    Each fan is the product of its axes and of the axes that none of the three names, the receptive
    field. Batch axes are in neither. Source: the axes are those of ``jax.nn.initializers``.

    Args:
        shape: That of the weight, 2 dimensions or more.
        in_axis: The axis (or axes) that are inputs, counted from 0, or from the end if negative.
        out_axis: Those that are outputs.
        batch_axis: Those that are neither.

    Raises:
        BadValueError: There is no such axis, or it is named twice.

    >>> fans((64, 3, 7, 7)), fans((10, 512))
    ((147, 3136), (512, 10))
    >>> fans((8, 16, 32), in_axis=1, out_axis=2, batch_axis=0)
    (16, 32)
    """
    if (in_axis, out_axis, batch_axis) == (1, 0, ()):
        field = math.prod(shape[2:])
        return shape[1] * field, shape[0] * field
    ins, outs, batch = resolve_axes(shape, in_axis, out_axis, batch_axis)
    field = math.prod(size for axis, size in enumerate(shape) if axis not in {*ins, *outs, *batch})
    return (
        field * math.prod(shape[axis] for axis in ins),
        field * math.prod(shape[axis] for axis in outs),
    )


def resolve_axes(shape: Sequence[int], *specs: AxisSpec) -> list[tuple[int, ...]]:
    """Return in, out and batch axes counted from 0; raises BadValueError where there is none."""
    owners: dict[int, str] = {}
    for key, axes in zip(AXIS_KEYS, specs, strict=True):
        for axis in (axes,) if isinstance(axes, int) else axes:
            place = {"axis": axis, "shape": tuple(shape)}
            if not -len(shape) <= axis < len(shape):
                problem = "there is no axis {axis} of a weight of shape {shape}."
                raise BadValueError(key, Sentence(problem, **place))
            subject = Sentence("axis {axis} of a weight of shape {shape}", **place)
            record_axis(owners, key, axis % len(shape), subject)
    return [tuple(axis for axis, key in owners.items() if key == wanted) for wanted in AXIS_KEYS]


def record_axis(owners: dict[int, str], key: str, axis: int, subject: str) -> None:
    """Note which key names an axis; raises BadValueError if one has done so before."""
    if axis in owners:
        twice = Sentence("{axis} is there twice.", axis=subject)
        too = Sentence("{axis} is in {key} too.", axis=subject, key=owners[axis])
        raise BadValueError(key, too if owners[axis] != key else twice)
    owners[axis] = key


@dataclass(frozen=True)
class FanAxes:
    """Which axes of a weight are its inputs, its outputs and neither (one weight for each).

    The axes that are not named are the receptive field; see `fans`. The defaults, (out, in,
    *kernel), stand for whatever the layer says of its weight: see `fans_of_weight`.

    Raises:
        ConfigError: What is given is no axis, or an axis is named twice.
    """

    in_axis: AxisSpec = 1
    out_axis: AxisSpec = 0
    batch_axis: AxisSpec = ()

    def __post_init__(self) -> None:
        """Refuse what is no axis, and axes that are named twice."""
        owners: dict[int, str] = {}
        for key in AXIS_KEYS:
            axes = check_axes(key, getattr(self, key))
            object.__setattr__(self, key, axes)
            for axis in (axes,) if isinstance(axes, int) else axes:
                record_axis(owners, key, axis, Sentence("axis {axis}", axis=axis))

    @property
    def min_dims(self) -> int:
        """As many dimensions as the axes ask for; 2 by default."""
        specs = (self.in_axis, self.out_axis, self.batch_axis)
        axes = [axis for spec in specs for axis in ((spec,) if isinstance(spec, int) else spec)]
        return max((axis + 1 if axis >= 0 else -axis for axis in axes), default=0)

    def fans(
        self, shape: tuple[int, ...], module: nn.Module | None = None, key: str = "weight"
    ) -> tuple[int, int]:
        """Return (fan_in, fan_out) of the parameter ``key`` of a layer."""
        if (self.in_axis, self.out_axis, self.batch_axis) == (1, 0, ()):
            return fans_of_weight(shape, module, key)
        return fans(shape, self.in_axis, self.out_axis, self.batch_axis)


def check_axes(key: str, axes: object) -> int | tuple[int, ...]:
    """Return an axis or a tuple of them; raises BadArgumentError for anything else."""
    several = isinstance(axes, (list, tuple))
    for axis in axes if several else (axes,):
        if isinstance(axis, bool) or not isinstance(axis, Integral):
            raise BadArgumentError(key, wrong_value("an int or a list of them", axes))
        if not -MAX_AXES <= int(axis) < MAX_AXES:
            raise BadValueError(key, Sentence("there is no axis {axis}.", axis=format_value(axis)))
    return tuple(int(axis) for axis in axes) if several else int(axes)  # pyright: ignore[reportArgumentType]


def fans_of_weight(
    shape: Sequence[int], module: nn.Module | None = None, key: str = "weight"
) -> tuple[int, int]:
    """Return the (fan_in, fan_out) that laws count for the parameter ``key`` of a layer.

    For torch's own layers they are the numbers of torch and mmcv: a transposed convolution is
    counted as if it were none, and the fan_out of a grouped one is that of all groups together,
    ``out · kernel``, where one input reaches ``out / groups · kernel`` outputs only. For others
    they are those of what the layer computes.

    >>> fans_of_weight((3, 8, 2, 2), nn.ConvTranspose2d(3, 8, 2))
    (32, 12)
    """
    if isinstance(module, _ConvTransposeNd):
        return fans(shape)
    return fans_as_computed(shape, module, key)


def fans_as_computed(
    shape: Sequence[int], module: nn.Module | None = None, key: str = "weight"
) -> tuple[int, int]:
    """Return (fan_in, fan_out) by the axes in which the layer stores the parameter ``key``.

    Signals are to be judged by these: they differ from `fans_of_weight` for torch's transposed
    convolutions (their stride is not counted).

    >>> fans_as_computed((3, 8, 2, 2), nn.ConvTranspose2d(3, 8, 2))
    (12, 32)
    """
    return fans(shape, *stored_axes(module, key))


def stored_axes(module: nn.Module | None, key: str = "weight") -> tuple[int, int, int | tuple[()]]:
    """Return the (in, out, batch) axes in which a layer stores a weight.

    Torch's layers have (out, in, *kernel), its transposed convolutions (in, out, *kernel), the
    ``Conv1D`` of Hugging Face's GPT-2 (in, out). Experts that are stacked in one tensor of three
    axes have those of one expert after the first: (out, in), or (in, out) if the module says so by
    ``is_transposed``, or by its ``hidden_size``.
    """
    if isinstance(module, _ConvTransposeNd):
        return 0, 1, ()
    if module is None or type(module).__module__.startswith("torch.nn."):
        return 1, 0, ()
    names = {kind.__name__ for kind in type(module).__mro__}
    if "Conv1D" in names and hasattr(module, "nf"):
        return 0, 1, ()
    weight = getattr(module, key, None)
    if (
        isinstance(weight, Tensor)
        and weight.dim() == 3
        and any(name.endswith(("Experts", "NaiveMoe")) for name in names)
    ):
        return (1, 2, 0) if are_experts_transposed(module, key, weight) else (2, 1, 0)
    return 1, 0, ()


def are_experts_transposed(module: nn.Module, key: str, weight: Tensor) -> bool:
    """Whether stacked experts are stored as (experts, in, out)."""
    transposed = getattr(module, "is_transposed", None)
    if isinstance(transposed, bool):
        return transposed
    _, first, second = weight.shape
    hidden = getattr(module, "hidden_size", getattr(module, "hidden_dim", None))
    if first == second or hidden not in (first, second):
        return False
    into_hidden = "down" in key  # down projections end in the hidden size, others begin with it
    return (second == hidden) == into_hidden
