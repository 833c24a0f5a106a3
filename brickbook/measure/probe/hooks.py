"""Statistics of signals in forward and backward hooks."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from weakref import ref

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from brickbook.bricks.registry import ACTIVATION_LAYERS
from brickbook.introspect import (
    class_name,
    is_norm_layer,
    is_weight_layer,
    local_tensor,
    plain_module_name,
)
from brickbook.measure.probe.batch import Shape, collect_tensors
from brickbook.measure.probe.distribution import UnitStats, flat_view, histogram, unit_stats
from brickbook.measure.probe.functions import FunctionCalls, saturated_share
from brickbook.measure.probe.records import Part, Signal

__all__ = [
    "ActivationHooks",
    "find_leaves",
    "first_float_tensor",
    "mean_square_tensor",
    "real_numbers",
    "tensor_stats",
]


def first_float_tensor(tensors: Sequence[Tensor]) -> Tensor | None:
    """Return the first tensor that has numbers to look at."""
    for value in tensors:
        plain = value.layout == torch.strided and not value.is_meta
        if plain and (value.is_floating_point() or value.is_complex()):
            return value
    return None


@torch.no_grad()
def tensor_stats(value: Tensor, by_batch: bool = False) -> dict[str, Any]:
    """Return mean, std, largest |x|, share of zeros, and how many elements are not finite.

    Of a DTensor, those of the part that is on this rank. With ``by_batch`` also ``batch_std``, the
    std over the first axis.
    """
    x = real_numbers(local_tensor(value.detach()))
    found: dict[str, Any] = dict.fromkeys(("mean", "std", "max"))
    found |= {"zeros": 0.0, "nan": 0, "inf": 0}
    found |= {"batch_std": None} if by_batch else {}
    if not x.numel():
        return found
    low, high = map(float, x.aminmax())
    found["zeros"] = share_of_zeros(x, low, high)
    if not math.isfinite(high - low):
        found |= {"nan": int(x.isnan().sum()), "inf": int(x.isinf().sum())}
        x = x[x.isfinite()]
        if not x.numel():
            return found
        low, high = map(float, x.aminmax())
    top = max(-low, high)
    unit = measuring_unit(top)
    x = x / unit if unit != 1 else x
    means = x.mean(0) if by_batch and value.dim() > 1 and len(x) > 1 else None
    mean, square = float((x if means is None else means).mean()), mean_square(x)
    if means is not None and not found["nan"] + found["inf"]:
        found["batch_std"] = batch_std(x, means, square) * unit
    return found | {"mean": mean * unit, "std": std_of(x, mean, square) * unit, "max": top}


@torch.no_grad()
def gradient_stats(grad: Tensor) -> tuple[float, float] | None:
    """Return the std and the length of a gradient, None where nothing of it is finite."""
    x = real_numbers(local_tensor(grad.detach()))
    if x.numel():
        mean, square = float(x.mean()), mean_square(x)
        if SMALL_SQUARE < square < LARGE_SQUARE and square - mean * mean >= CANCELLATION * square:
            return math.sqrt(square - mean * mean), math.sqrt(square * x.numel())
    seen = tensor_stats(grad)
    if seen["mean"] is None:
        return None
    return seen["std"], math.hypot(seen["mean"], seen["std"]) * math.sqrt(grad.numel())


def real_numbers(x: Tensor) -> Tensor:
    """Return a tensor as float32 or float64, complex numbers as two real ones."""
    x = torch.view_as_real(x.resolve_conj()) if x.is_complex() else x
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def share_of_zeros(x: Tensor, low: float, high: float) -> float:
    """Return the share of zeros of numbers between ``low`` and ``high``; NaN is none."""
    if low > 0 or high < 0:
        return 0.0
    if x.numel() > MAX_COUNTED or x.device.type != "cpu" or low != low:
        return 1 - int(x.count_nonzero()) / x.numel()
    signs = x.sign()  # their sum is exact, and several times faster than torch's count
    return 1 - float((signs if low == 0 else signs.abs_()).sum()) / x.numel()


def std_of(x: Tensor, mean: float, square: float) -> float:
    """Return the std, many times faster than torch's: of the mean and the mean square.

    Where the mean is far larger than the std, it is subtracted first.
    """
    variance = square - mean * mean
    if variance < CANCELLATION * square:
        apart = x - mean
        variance = mean_square(apart) - float(apart.mean()) ** 2
    return math.sqrt(max(0.0, variance))


def batch_std(x: Tensor, means: Tensor, square: float) -> float:
    """Return the std over the first axis, whose means are ``means``; 0 if all samples are alike."""
    variance = square - mean_square(means)
    if variance < CANCELLATION * square:
        apart = x - x[:1]
        variance = mean_square(apart) - mean_square(apart.mean(0))
    return math.sqrt(max(0.0, variance))


def mean_square(x: Tensor) -> float:
    """Return the mean of the squares."""
    return float(mean_square_tensor(x))


def mean_square_tensor(x: Tensor) -> Tensor:
    """Return the mean of the squares as float64, summed up in float32 over short stretches only."""
    flat = flat_view(x)
    whole = len(flat) - len(flat) % STRETCH
    norms = torch.linalg.vector_norm(flat[:whole].view(-1, STRETCH), dim=1).double()
    rest = torch.linalg.vector_norm(flat[whole:]).double()
    return (norms.dot(norms) + rest * rest) / max(1, len(flat))


def measuring_unit(top: float) -> float:
    """Return the unit in which the squares of numbers up to ``top`` are float32."""
    return 1.0 if not top or 1e-12 < top < 1e12 else top


@torch.no_grad()
def nonzero_units(value: Tensor, axis: int) -> Tensor:
    """Return which units are anywhere other than 0."""
    others = [at for at in range(value.dim()) if at != axis]
    value = value.detach()
    if value.is_complex() or not others:
        return (value.abs().amax(others) if others else value) != 0
    found = value.amax(others) != 0
    return found if bool(found.all()) else found | (value.amin(others) != 0)


@torch.no_grad()
def dead_share(value: Tensor, axis: int, arriving: Tensor | None = None) -> float | None:
    """Return the share of the units that are 0 everywhere, though something arrives at them.

    ``arriving`` says at which; None where nothing arrives at all.
    """
    if not value.numel() or not (arriving is None or bool(arriving.any())):
        return None
    dead = ~nonzero_units(value, axis)
    return float((dead if arriving is None else dead & arriving).double().mean())


def module_bounds(module: nn.Module) -> tuple[float, float] | None:
    """Return the bounds of an activation that has two; None for a rectifier and others."""
    if isinstance(module, nn.Hardtanh) and not isinstance(module, RECTIFIERS):
        low, high = module.min_val, module.max_val
        return (low, high) if low < high and low != 0 else None
    return next((bounds for kind, bounds in BOUNDED if isinstance(module, kind)), None)


RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.Threshold)
BOUNDED = ((nn.Tanh, (-1.0, 1.0)), (nn.Sigmoid, (0.0, 1.0)), (nn.Hardsigmoid, (0.0, 1.0)))
NOT_ACTIVATIONS = (nn.Softmax, nn.LogSoftmax, nn.Softmin, nn.Softmax2d, nn.MultiheadAttention)
PASS_THROUGH = (nn.Identity, nn.Sequential)  # what has no children and hands on what it gets

# By class name, so that layers of one's own count: but not the Conv1D of transformers, a Linear.
CHANNELS_SECOND = re.compile("Conv(?!1D)|(Batch|Group|Instance)Norm|Norm[123]d")
ACTIVATION_NAME = re.compile("relu|gelu|silu|swish|mish|sigmoid|tanh|activation", re.IGNORECASE)
MAX_COUNTED = 1 << 24  # up to here float32 counts exactly
STRETCH = 4096
SMALL_SQUARE, LARGE_SQUARE = 1e-24, 1e24  # between them the squares are float32
CANCELLATION = 0.05  # so much of a variance must be left of a mean square
MAX_CALLS = 8  # of one module: a cell in a loop may run a thousand times


class RunningModule(NamedTuple):
    """A module that is running, to be named in an error, and which units reach a rectifier."""

    part: nn.Module
    name: str
    shapes: tuple[Shape, ...]
    arriving: Tensor | None = None


class ActivationHooks:
    """Hooks on every module of a model that record the statistics of each leaf's output.

    With ``bins`` there are histograms of outputs and gradients, with ``per_unit`` the units' own
    numbers; each tensor is looked at when it is made, and is not kept.
    """

    def __init__(
        self, model: nn.Module, gradients: bool, bins: int = 0, per_unit: bool = False
    ) -> None:
        self.model, self.gradients = model, gradients
        self.bins, self.per_unit = bins, per_unit
        self.rows: list[Signal] = []
        self.stack: list[RunningModule] = []
        self.edges: list[GradientEdge] = []
        self.calls: Counter[str] = Counter()
        self.active = False
        self.handles: list[Any] = []
        self.functions = FunctionCalls()
        self.last_layer: tuple[int, Any] | None = None  # its row, and its output as a weakref

    def __enter__(self) -> ActivationHooks:
        parts = find_leaves(self.model)
        for name, module in self.model.named_modules():
            item, plain = parts.get(id(module)), plain_module_name(name)
            entering = module.register_forward_pre_hook(
                self.on_enter(plain, item), with_kwargs=True
            )
            self.handles += [entering, module.register_forward_hook(self.on_exit(plain, item))]
        self.active = True
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()
        self.active = False

    def on_enter(self, name: str, part: Part | None) -> Callable[..., None]:
        """Return a hook for the time before a module runs."""

        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            if not self.active:
                return
            given = collect_tensors((args, kwargs))
            value = first_float_tensor(given) if isinstance(module, RECTIFIERS) else None
            arriving = None
            if value is not None and value.numel():
                value = local_tensor(value.detach())
                arriving = nonzero_units(value, self.count_units(value)[1])
            shapes = tuple(tuple(x.shape) for x in given)
            self.stack.append(RunningModule(module, name, shapes, arriving))
            if part == "layer":
                self.record_input(name, module, given)
            elif part == "norm":
                self.mark_normed(given)

        return hook

    def on_exit(self, name: str, part: Part | None) -> Callable[..., None]:
        """Return a hook for the time after a module has run."""

        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if not self.active:
                return
            running = None
            # More than one where the model has caught an error of its own.
            while self.stack and (running is None or running.part is not module):
                running = self.stack.pop()
            if part is not None:
                arriving = running.arriving if running is not None else None
                self.record_output(name, module, part, args, output, arriving)

        return hook

    def record_output(
        self,
        name: str,
        module: nn.Module,
        part: Part,
        args: Any,
        output: Any,
        arriving: Tensor | None,
    ) -> None:
        """Record the statistics of an output, and hook its gradient."""
        value = first_float_tensor(collect_tensors(output))
        self.calls[name] += 1
        if value is None or self.calls[name] > MAX_CALLS:
            return
        here = local_tensor(value.detach())
        units, axis = self.count_units(here, module if part in ("layer", "norm") else None)
        seen = tensor_stats(here, by_batch=True)
        rectifies, bounds = isinstance(module, RECTIFIERS), module_bounds(module)
        row = Signal(
            name, class_name(module), part, tuple(here.shape), here.numel(),
            **seen, units=units, call=self.calls[name],
            dead=dead_share(here, axis, arriving) if rectifies else None,
            saturated=saturated_share(here, *bounds) if bounds else None,
            silent=rectifies and arriving is not None and not bool(arriving.any()),
        )  # fmt: skip
        at = len(self.rows)
        self.rows.append(self.with_distribution(row, here, axis))
        if part == "layer":
            self.last_layer = at, ref(value)
        if part != "other":  # pooling and dropout may stand between a function and the next layer
            self.mark_recorded(value)
        if self.gradients and value.requires_grad:
            if not any(given.requires_grad for given in collect_tensors(args)):
                self.edges.append(get_gradient_edge(value))
            value.register_hook(lambda grad: self.record_gradient(at, grad, axis))

    def with_distribution(self, row: Signal, value: Tensor, axis: int) -> Signal:
        """Return a row with what is asked for beyond its numbers."""
        if not value.numel() or not (self.bins or self.per_unit):
            return row
        x = real_numbers(value)
        lies = histogram(x, self.bins) if self.bins else None
        units = None
        if self.per_unit and not value.is_complex():
            units = UnitStats(*unit_stats(x, axis))
        return replace(row, histogram=lies, by_unit=units)

    def record_gradient(self, at: int, grad: Tensor, axis: int) -> None:
        """Record the statistics of a gradient."""
        row, found = self.rows[at], gradient_stats(grad)
        if found is not None:
            row = replace(row, grad=found[0], grad_norm=found[1])
        if grad.numel() and (self.bins or row.by_unit is not None):
            x = real_numbers(local_tensor(grad.detach()))
            if self.bins:
                row = replace(row, grad_histogram=histogram(x, self.bins))
            if row.by_unit is not None:
                row = replace(row, by_unit=replace(row.by_unit, grads=unit_stats(x, axis)[1]))
        self.rows[at] = row

    def record_input(self, name: str, module: nn.Module, inputs: Sequence[Tensor]) -> None:
        """Record the input of a layer where a function, not a module, is the activation."""
        value = first_float_tensor(inputs)
        since = [row.part for row in self.rows]
        if value is None or "layer" not in since or self.calls[name] >= MAX_CALLS:
            return
        since = since[len(since) - since[::-1].index("layer") :]
        if "activation" in since:
            return
        made = self.functions.made.get(value)
        rectified = made is not None and made.saturated is None
        here = local_tensor(value.detach())
        if made is None or (rectified and float(here.amin()) != 0):
            return
        self.mark_recorded(value)
        units, axis = self.count_units(here, module)
        seen = tensor_stats(here, by_batch=True)
        row = Signal(
            f"input of {name}", f"{made.name} input", "activation", tuple(here.shape),
            here.numel(), **seen, units=units, call=self.calls[name] + 1,
            dead=dead_share(here, axis) if rectified and made.live else None,
            saturated=made.saturated, silent=rectified and not made.live,
        )  # fmt: skip
        self.rows.append(self.with_distribution(row, here, axis))

    def mark_normed(self, inputs: Sequence[Tensor]) -> None:
        """Note of the last layer that a norm takes its output as it is."""
        if self.last_layer is not None:
            at, output = self.last_layer
            if any(value is output() for value in inputs):
                self.rows[at] = replace(self.rows[at], normed=True)

    def mark_recorded(self, value: Tensor) -> None:
        """Forget which function made a tensor: it has been recorded."""
        self.functions.made.pop(value, None)

    def count_units(self, value: Tensor, module: nn.Module | None = None) -> tuple[int, int]:
        """Return how many units a tensor has, and along which axis.

        Convolutions and batch norms have their channels second, other layers last; what comes
        after them keeps that order as long as it has as many axes.
        """
        if value.dim() < 2:
            return max(1, value.numel()), 0
        last = next((row for row in reversed(self.rows) if row.part in ("layer", "norm")), None)
        if module is not None:
            second = bool(CHANNELS_SECOND.search(type(module).__name__))
        elif last is not None and len(last.shape) == value.dim():
            second = bool(CHANNELS_SECOND.search(last.kind))
        else:
            second = value.dim() > 3
        axis = 1 if second else value.dim() - 1
        return value.shape[axis], axis


def find_leaves(model: nn.Module) -> dict[int, Part | None]:
    """Return, by id, the kind of every module that is recorded: those without parts of their own.

    None: the parts of such a module, and what hands on its input.
    """
    own = tuple(
        kind for kind in list(ACTIVATION_LAYERS.module_dict.values()) if isinstance(kind, type)
    )
    found: dict[int, Part | None] = {}
    for module in model.modules():
        whole = isinstance(module, (nn.MultiheadAttention, *own))
        closed = whole or module._modules.keys() <= {"parametrizations"}
        if id(module) in found or not closed:
            continue
        found.update((id(part), None) for part in module.modules())
        found[id(module)] = None if type(module) in PASS_THROUGH else classify_leaf(module, own)
    return found


def classify_leaf(module: nn.Module, own: tuple[type, ...]) -> Part:
    """Return what kind of module a leaf is."""
    if is_norm_layer(module) or "norm" in type(module).__name__.lower():
        return "norm"
    if is_weight_layer(module):
        return "layer"
    kind = type(module)
    known = kind.__module__ == "torch.nn.modules.activation" or isinstance(module, own)
    if (known or ACTIVATION_NAME.search(kind.__name__)) and not isinstance(module, NOT_ACTIVATIONS):
        return "activation"
    return "other"
