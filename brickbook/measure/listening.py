"""Listening to a model while it runs: statistics in hooks, and no activation is kept."""

from __future__ import annotations

import math
import re
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from brickbook.bricks.registry import ACTIVATION_LAYERS
from brickbook.init.following import is_layer
from brickbook.init.matching import is_norm_layer
from brickbook.init.walking import plain_module_name
from brickbook.measure.batches import each_tensor
from brickbook.measure.outputs import dead_share, first_of, numbers, saturated_share
from brickbook.measure.signals import Part, Signal
from brickbook.measure.tracing import Shape

__all__ = ["Listener", "Running", "leaves"]

RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.Threshold)
NO_ACTIVATIONS = (nn.Softmax, nn.LogSoftmax, nn.Softmin, nn.Softmax2d, nn.MultiheadAttention)
SILENT = (nn.Identity, nn.Sequential)  # what has no children and hands on what it gets
# By class name, so that layers of one's own count: but not the Conv1D of transformers, a Linear.
CHANNELS_SECOND = re.compile("Conv(?!1D)|(Batch|Group|Instance)Norm|Norm[123]d")
ACTIVATES = re.compile("relu|gelu|silu|swish|mish|sigmoid|tanh|activation", re.IGNORECASE)
MOST_CALLS = 8  # of one module: a cell in a loop may run a thousand times


class Running(NamedTuple):
    """A module that is running, for the words of an error."""

    part: nn.Module
    name: str
    shapes: tuple[Shape, ...]


class Listener:
    """Hooks on every module of a model that note the numbers of each leaf's output."""

    def __init__(self, model: nn.Module, gradients: bool) -> None:
        self.model, self.gradients = model, gradients
        self.rows: list[Signal] = []
        self.stack: list[Running] = []
        self.edges: list[GradientEdge] = []
        self.calls: Counter[str] = Counter()
        self.active = False
        self.handles: list[Any] = []
        self.seen: list[weakref.ref[Tensor]] = []

    def __enter__(self) -> Listener:
        parts = leaves(self.model)
        for name, module in self.model.named_modules():
            item, plain = parts.get(id(module)), plain_module_name(name)
            entering = module.register_forward_pre_hook(
                self.entering(plain, item), with_kwargs=True
            )
            self.handles += [entering, module.register_forward_hook(self.leaving(plain, item))]
        self.active = True
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()
        self.active = False

    def entering(self, name: str, part: Part | None) -> Callable[..., None]:
        """Return a hook for the time before a module runs."""

        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            if not self.active:
                return
            given = each_tensor((args, kwargs))
            self.stack.append(Running(module, name, tuple(tuple(x.shape) for x in given)))
            if part == "layer":
                self.look_before(name, module, given)

        return hook

    def leaving(self, name: str, part: Part | None) -> Callable[..., None]:
        """Return a hook for the time after a module has run."""

        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if not self.active:
                return
            # More than one where the model has caught an error of its own.
            while self.stack and self.stack.pop().part is not module:
                pass
            if part is not None:
                self.note(name, module, part, args, output)

        return hook

    def note(self, name: str, module: nn.Module, part: Part, args: Any, output: Any) -> None:
        """Take the numbers of an output, and ask for those of its gradient."""
        value = first_of(each_tensor(output))
        self.calls[name] += 1
        if value is None or self.calls[name] > MOST_CALLS:
            return
        units, axis = self.units(value, module if part in ("layer", "norm") else None)
        row = Signal(
            name, type(module).__name__, part, tuple(value.shape), value.numel(),
            **numbers(value), units=units, call=self.calls[name],
            dead=dead_share(value, axis) if isinstance(module, RECTIFIERS) else None,
            saturated=saturated_share(module, value),
        )  # fmt: skip
        at = len(self.rows)
        self.rows.append(row)
        if part != "other":  # pooling and dropout may stand between a function and the next layer
            self.remember(value)
        if self.gradients and value.requires_grad:
            if not any(given.requires_grad for given in each_tensor(args)):
                self.edges.append(get_gradient_edge(value))
            value.register_hook(lambda grad: self.note_gradient(at, grad))

    def note_gradient(self, at: int, grad: Tensor) -> None:
        """Take the numbers of a gradient."""
        found = numbers(grad)
        mean, std = found["mean"], found["std"]
        if mean is not None and std is not None:
            norm = math.hypot(mean, std) * math.sqrt(grad.numel())
            self.rows[at] = replace(self.rows[at], grad=std, grad_norm=norm)

    def look_before(self, name: str, module: nn.Module, given: Sequence[Tensor]) -> None:
        """Note the input of a layer where a function, not a module, has rectified it."""
        value = first_of(given)
        since = [row.part for row in self.rows]
        if value is None or "layer" not in since or self.calls[name] >= MOST_CALLS:
            return
        since = since[len(since) - since[::-1].index("layer") :]
        if "activation" in since or any(ref() is value for ref in self.seen):
            return
        if float(value.detach().amin() if value.numel() else 1) != 0:
            return
        self.remember(value)
        units, axis = self.units(value, module)
        self.rows.append(Signal(
            f"input of {name}", "rectified input", "activation", tuple(value.shape),
            value.numel(), **numbers(value), units=units, dead=dead_share(value, axis),
            call=self.calls[name] + 1,
        ))  # fmt: skip

    def remember(self, value: Tensor) -> None:
        """Keep in mind, as long as it lives, that a tensor has been looked at."""
        self.seen = [ref for ref in self.seen if ref() is not None] + [weakref.ref(value)]

    def units(self, value: Tensor, module: nn.Module | None = None) -> tuple[int, int]:
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


def leaves(model: nn.Module) -> dict[int, Part | None]:
    """Return, by id, what the modules are whose outputs count: those without parts of their own.

    None: what is inside of such a module, or has nothing to say.
    """
    own = tuple(kind for kind in ACTIVATION_LAYERS.module_dict.values() if isinstance(kind, type))
    found: dict[int, Part | None] = {}
    for module in model.modules():
        whole = isinstance(module, (nn.MultiheadAttention, *own))
        closed = whole or module._modules.keys() <= {"parametrizations"}
        if id(module) in found or not closed:
            continue
        found.update((id(part), None) for part in module.modules())
        found[id(module)] = None if type(module) in SILENT else part_of(module, own)
    return found


def part_of(module: nn.Module, own: tuple[type, ...]) -> Part:
    """Say what a leaf is."""
    if is_norm_layer(module) or "norm" in type(module).__name__.lower():
        return "norm"
    if is_layer(module):
        return "layer"
    kind = type(module)
    known = kind.__module__ == "torch.nn.modules.activation" or isinstance(module, own)
    if (known or ACTIVATES.search(kind.__name__)) and not isinstance(module, NO_ACTIVATIONS):
        return "activation"
    return "other"
