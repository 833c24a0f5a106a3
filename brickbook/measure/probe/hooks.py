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
from brickbook.measure.probe.functions import FunctionCalls, saturated_share
from brickbook.measure.probe.records import Part, Signal

__all__ = ["ActivationHooks", "find_leaves", "first_float_tensor", "tensor_stats"]


def first_float_tensor(tensors: Sequence[Tensor]) -> Tensor | None:
    """Return the first tensor that has numbers to look at."""
    for value in tensors:
        plain = value.layout == torch.strided and not value.is_meta
        if plain and (value.is_floating_point() or value.is_complex()):
            return value
    return None


@torch.no_grad()
def tensor_stats(value: Tensor) -> dict[str, Any]:
    """Return mean, std, largest |x|, share of zeros, and how many elements are not finite.

    Of a DTensor, those of the part that is on this rank.
    """
    x = local_tensor(value.detach())
    x = torch.view_as_real(x.resolve_conj()) if x.is_complex() else x
    x = x if x.dtype in (torch.float32, torch.float64) else x.float()
    found: dict[str, Any] = dict.fromkeys(("mean", "std", "max"))
    found |= {"zeros": 0.0, "nan": 0, "inf": 0}
    if not x.numel():
        return found
    found["zeros"] = 1 - int(x.count_nonzero()) / x.numel()
    top = largest_magnitude(x)
    if not math.isfinite(top):
        found |= {"nan": int(x.isnan().sum()), "inf": int(x.isinf().sum())}
        x = x[x.isfinite()]
        if not x.numel():
            return found
        top = largest_magnitude(x)
    unit = measuring_unit(top)
    std, mean = torch.std_mean(x / unit if unit != 1 else x, correction=0)
    return found | {"mean": float(mean) * unit, "std": float(std) * unit, "max": top}


@torch.no_grad()
def batch_std(value: Tensor, top: float | None) -> float | None:
    """Return the std over the first axis, of numbers of at most ``top``; None for one sample."""
    if value.dim() < 2 or len(value) < 2 or not value.numel() or top is None:
        return None
    x = torch.view_as_real(value.resolve_conj()) if value.is_complex() else value
    x = x if x.dtype in (torch.float32, torch.float64) else x.float()
    unit = measuring_unit(top)
    found = float((x / unit if unit != 1 else x).var(0, correction=0).double().mean().sqrt()) * unit
    return found if math.isfinite(found) else None


def measuring_unit(top: float) -> float:
    """Return the unit in which the squares of numbers up to ``top`` are float32."""
    return 1.0 if not top or 1e-12 < top < 1e12 else top


def largest_magnitude(x: Tensor) -> float:
    """Return the largest absolute value; NaN if any is."""
    low, high = x.aminmax()
    return max(-float(low), float(high)) if low == low else math.nan


@torch.no_grad()
def nonzero_units(value: Tensor, axis: int) -> Tensor:
    """Return which units are anywhere other than 0."""
    others = [at for at in range(value.dim()) if at != axis]
    most = value.detach().abs().amax(others) if others else value.detach().abs()
    return most != 0


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
MAX_CALLS = 8  # of one module: a cell in a loop may run a thousand times


class RunningModule(NamedTuple):
    """A module that is running, to be named in an error, and which units reach a rectifier."""

    part: nn.Module
    name: str
    shapes: tuple[Shape, ...]
    arriving: Tensor | None = None


class ActivationHooks:
    """Hooks on every module of a model that record the statistics of each leaf's output."""

    def __init__(self, model: nn.Module, gradients: bool) -> None:
        self.model, self.gradients = model, gradients
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
        seen = tensor_stats(here)
        rectifies, bounds = isinstance(module, RECTIFIERS), module_bounds(module)
        row = Signal(
            name, class_name(module), part, tuple(here.shape), here.numel(),
            **seen, units=units, call=self.calls[name], batch_std=batch_std(here, seen["max"]),
            dead=dead_share(here, axis, arriving) if rectifies else None,
            saturated=saturated_share(here, *bounds) if bounds else None,
            silent=rectifies and arriving is not None and not bool(arriving.any()),
        )  # fmt: skip
        at = len(self.rows)
        self.rows.append(row)
        if part == "layer":
            self.last_layer = at, ref(value)
        if part != "other":  # pooling and dropout may stand between a function and the next layer
            self.mark_recorded(value)
        if self.gradients and value.requires_grad:
            if not any(given.requires_grad for given in collect_tensors(args)):
                self.edges.append(get_gradient_edge(value))
            value.register_hook(lambda grad: self.record_gradient(at, grad))

    def record_gradient(self, at: int, grad: Tensor) -> None:
        """Record the statistics of a gradient."""
        found = tensor_stats(grad)
        mean, std = found["mean"], found["std"]
        if mean is not None and std is not None:
            norm = math.hypot(mean, std) * math.sqrt(grad.numel())
            self.rows[at] = replace(self.rows[at], grad=std, grad_norm=norm)

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
        seen = tensor_stats(here)
        self.rows.append(Signal(
            f"input of {name}", f"{made.name} input", "activation", tuple(here.shape),
            here.numel(), **seen, units=units, call=self.calls[name] + 1,
            batch_std=batch_std(here, seen["max"]),
            dead=dead_share(here, axis) if rectified and made.live else None,
            saturated=made.saturated, silent=rectified and not made.live,
        ))  # fmt: skip

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
