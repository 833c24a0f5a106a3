"""What a forward does by functions: watched while a probe runs, for no module tells of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from brickbook.measure.probe.batch import collect_tensors

__all__ = ["AppliedFunction", "CrossEntropy", "FunctionCalls", "saturated_share"]

SET_REQUIRES_GRAD = Tensor.requires_grad.__set__  # pyright: ignore[reportAttributeAccessIssue]
SATURATION_BOUND = 0.97  # of a tanh's bound: as in Karpathy's makemore, part 3

# By the function's name, so that ``x.relu()``, ``torch.relu`` and ``F.relu`` are one.
RECTIFYING = {"relu", "relu_", "relu6", "threshold", "_threshold", "threshold_"}
CLAMPING = {"clamp", "clamp_", "clip", "clip_", "clamp_min", "clamp_min_"}
BOUNDS = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "hardsigmoid": (0.0, 1.0)}
HARDTANHS = {"hardtanh", "hardtanh_"}
# What may stand between such a function and the next layer, and keeps its zeros.
CARRYING = {
    "__getitem__", "avg_pool1d", "avg_pool2d", "avg_pool3d", "bfloat16", "cat", "chunk", "clone",
    "concat", "contiguous", "double", "dropout", "dropout1d", "dropout2d", "dropout3d", "expand",
    "flatten", "float", "half", "interpolate", "max", "mean", "movedim", "narrow", "pad", "permute",
    "pixel_shuffle", "reshape", "select", "split", "square", "squeeze", "stack", "sum", "swapaxes",
    "to", "transpose", "type_as", "unflatten", "unsqueeze", "view",
    *(
        f"{kind}_pool{axes}d{how}"
        for kind in ("max", "adaptive_avg", "adaptive_max")
        for axes in (1, 2, 3)
        for how in ("", "_with_indices")
    ),
}  # fmt: skip


@dataclass(frozen=True)
class AppliedFunction:
    """The activation function that made a tensor.

    ``live`` says whether anything but zeros went in, ``saturated`` is the share of the outputs near
    the bounds; None where the function is a rectifier.
    """

    name: str
    live: bool
    saturated: float | None = None


class CrossEntropy(NamedTuple):
    """A cross entropy: its value, of how many classes, and the std of what went in."""

    value: float
    classes: int
    logits_std: float


class FunctionCalls(TorchFunctionMode):
    """Watches torch's functions in a forward, and knows which tensors an activation has made.

    The inputs that a probe hands on are no leaves. Where a model sets their ``requires_grad``,
    which torch allows of leaves alone, it gets what it would get in training.

    Once left it does nothing: of an interrupt while torch hands a call to its modes, torch's stack
    of modes may keep one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.entered = 0
        self.made: Any = WeakTensorKeyDictionary()
        self.cross_entropy: CrossEntropy | None = None

    def __enter__(self) -> FunctionCalls:
        self.entered += 1
        return super().__enter__()

    def __exit__(self, *exception: Any) -> None:
        self.entered -= 1
        super().__exit__(*exception)

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a function and remember what an activation has made."""
        if not self.entered:
            return func(*args, **(kwargs or {}))
        if func == SET_REQUIRES_GRAD and not args[0].is_leaf:
            return args[0].requires_grad_() if args[1] else args[0].detach_()
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        kind = activation_kind(name, args, kwargs)
        live = kind is not None and is_live([*args, *kwargs.values()][0])
        carried = self.carried(name, args, kwargs)
        output = func(*args, **kwargs)
        if name == "cross_entropy":
            self.record_cross_entropy(args, kwargs, output)
        if kind is not None and isinstance(output, Tensor):
            bounds = activation_bounds(kind, args, kwargs)
            share = saturated_share(output, *bounds) if bounds else None
            self.made[output] = AppliedFunction(kind, live, share)
        elif carried is not None:
            for value in collect_tensors(output):
                self.made[value] = carried
        elif overwrites(name):
            for value in collect_tensors(list(args[:1])):
                self.made.pop(value, None)
        return output

    @torch.no_grad()
    def record_cross_entropy(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any
    ) -> None:
        """Remember a mean cross entropy, if it is further above ln(classes) than others."""
        logits = [*args, *kwargs.values()][0]
        is_mean = [*args, *("mean",) * 7][6] == "mean" == kwargs.get("reduction", "mean")
        if not is_mean or not isinstance(output, Tensor) or not logits.numel():
            return
        value, classes = float(output.detach()), logits.shape[1 if logits.dim() > 1 else 0]
        before = self.cross_entropy
        ratio = value / math.log(classes) if classes > 1 else math.nan
        if ratio >= (before.value / math.log(before.classes) if before is not None else 0.0):
            std = float(logits.detach().float().std(correction=0))
            self.cross_entropy = CrossEntropy(value, classes, std)

    def carried(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> AppliedFunction | None:
        """Return what has made the inputs of a function that keeps their zeros, if it is one."""
        if name not in CARRYING:
            return None
        found = [self.made.get(value) for value in collect_tensors((list(args), dict(kwargs)))]
        return found[0] if found and found.count(found[0]) == len(found) else None


def overwrites(name: str) -> bool:
    """Whether a function changes its first argument.

    >>> [overwrites(name) for name in ("add_", "__iadd__", "__get__", "add", "requires_grad_")]
    [True, True, False, False, False]
    """
    if name.endswith("__"):
        return name == "__setitem__" or bool(re.fullmatch("__i[a-z]+__", name))
    return name.endswith("_") and name != "requires_grad_"


def activation_kind(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    """Return "rectified" or the name of a bounded activation; None for another function."""
    if name in RECTIFYING:
        return "rectified"
    if name in CLAMPING:
        low = args[1] if len(args) > 1 else kwargs.get("min")
        return "rectified" if type(low) in (int, float) and low == 0 else None
    if name in HARDTANHS:
        low, high = hardtanh_bounds(args, kwargs)
        return "rectified" if low == 0 else "hardtanh" if low < high else None
    plain = name.removesuffix("_")
    return plain if plain in BOUNDS else None


def activation_bounds(
    kind: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[float, float] | None:
    """Return the bounds of a function's outputs; None for a rectifier."""
    return hardtanh_bounds(args, kwargs) if kind == "hardtanh" else BOUNDS.get(kind)


def hardtanh_bounds(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[float, float]:
    """Return the bounds that a hardtanh is called with."""
    low, high = [*args[1:3], *(-1.0, 1.0)[len(args[1:3]) :]]
    return float(kwargs.get("min_val", low)), float(kwargs.get("max_val", high))


@torch.no_grad()
def is_live(value: Any) -> bool:
    """Whether a tensor has anything but zeros."""
    if not isinstance(value, Tensor) or not value.numel():
        return False
    if not value.is_floating_point():
        return bool((value.detach() != 0).any())
    low, high = value.detach().aminmax()
    return bool((low != 0) | (high != 0))


@torch.no_grad()
def saturated_share(value: Tensor, low: float, high: float) -> float | None:
    """Return the share of an activation's outputs that are near its bounds."""
    if not value.numel():
        return None
    x = (2 * value.detach() - (low + high)) / (high - low)
    return float((x.abs() > SATURATION_BOUND).double().mean())
