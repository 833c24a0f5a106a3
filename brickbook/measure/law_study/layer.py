"""A layer of which only the size counts, and the tensor of it that an initialiser fills."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from brickbook.errors import BadArgumentError, BadValueError, Sentence, nearest, wrong_value
from brickbook.init.execution.materialize import skeleton
from brickbook.init.initializers import BaseInit, Target
from brickbook.introspect import ParamSlot, layer_slots

__all__ = ["LAYER_KINDS", "LayerSize", "target_in"]

MAX_AXIS = 1 << 16  # nothing of this size is ever allocated
LAYER_NAME = "layer"  # of the layer in the model that it stands in

# By class name: how many axes its kernel has, and how it is made of inputs, outputs and a kernel.
LAYER_KINDS: Mapping[str, tuple[int, Callable[..., nn.Module]]] = {
    "Linear": (0, lambda ins, outs, _: nn.Linear(ins, outs)),
    "Conv1d": (1, lambda *size: nn.Conv1d(*size)),
    "Conv2d": (2, lambda *size: nn.Conv2d(*size)),
    "Conv3d": (3, lambda *size: nn.Conv3d(*size)),
    "ConvTranspose2d": (2, lambda *size: nn.ConvTranspose2d(*size)),
    "Embedding": (0, lambda *size: nn.Embedding(*size[:2], _weight=torch.empty(size[:2]))),
    "BatchNorm2d": (0, lambda _, outs, __: nn.BatchNorm2d(outs)),
    "LSTM": (0, lambda ins, outs, _: nn.LSTM(ins, outs)),
}


@dataclass(frozen=True)
class LayerSize:
    """A layer's class and size; of a convolution inputs and outputs are channels.

    Args:
        kind: One of `LAYER_KINDS`.
        inputs: How many features or channels go in; of an embedding its rows.
        outputs: How many come out.
        kernel: The kernel's sizes, one for each axis; () for a layer without a kernel.

    Raises:
        ConfigError: There is no such class, a size is no whole number from 1 up, or the kernel has
            other axes.
    """

    kind: str = "Linear"
    inputs: int = 512
    outputs: int = 512
    kernel: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no layer."""
        if self.kind not in LAYER_KINDS:
            problem = Sentence("unknown layer {name}.", name=repr(self.kind))
            raise BadValueError("layer", problem, nearest(self.kind, LAYER_KINDS))
        object.__setattr__(self, "kernel", tuple(self.kernel))
        sizes = {"inputs": self.inputs, "outputs": self.outputs}
        sizes.update((f"kernel[{at}]", size) for at, size in enumerate(self.kernel))
        for key, size in sizes.items():
            if isinstance(size, bool) or not isinstance(size, int):
                raise BadArgumentError(key, wrong_value("an int", size))
            if not 1 <= size <= MAX_AXIS:
                raise BadValueError(key, wrong_value(f"1 to {MAX_AXIS:,}", size))
        axes = LAYER_KINDS[self.kind][0]
        if len(self.kernel) != axes:
            problem = "{layer} has a kernel of {n} axes, got {m}."
            shown = Sentence(problem, layer=self.kind, n=axes, m=len(self.kernel))
            raise BadValueError("kernel", shown)

    @classmethod
    def of_weight(cls, shape: Sequence[int], kind: str = "") -> LayerSize:
        """Return the layer with a weight of that shape, (out, in, *kernel).

        Without a ``kind`` it is a linear layer or a convolution.

        >>> LayerSize.of_weight((64, 3, 7, 7))
        LayerSize(kind='Conv2d', inputs=3, outputs=64, kernel=(7, 7))
        """
        if not 2 <= len(shape) <= 5:
            raise BadValueError("shape", wrong_value("2 to 5 sizes", tuple(shape)))
        first, second, *kernel = shape
        kind = kind or ("Linear" if len(shape) == 2 else f"Conv{len(kernel)}d")
        turned = kind in ("ConvTranspose2d", "Embedding")
        ins, outs = (first, second) if turned else (second, first)
        return cls(kind, ins, outs, tuple(kernel))

    def make(self) -> nn.Module:
        """Return the layer, without memory."""
        with skeleton():
            return LAYER_KINDS[self.kind][1](self.inputs, self.outputs, self.kernel)

    def __str__(self) -> str:
        sizes = [self.inputs, self.outputs] if self.kind != "BatchNorm2d" else [self.outputs]
        kernel = ["×".join(map(str, self.kernel))] if self.kernel else []
        return f"{self.kind}({', '.join(map(str, [*sizes, *kernel]))})"


def target_in(size: LayerSize, init: BaseInit, activation: nn.Module) -> tuple[Target, ParamSlot]:
    """Return the tensor of a layer that an initialiser fills, before an activation.

    Raises:
        BadValueError: It fills none of the layer's tensors.
    """
    parts: list[tuple[str, Any]] = [(LAYER_NAME, size.make()), ("activation", activation)]
    model = nn.Sequential(OrderedDict(parts))
    layer = model[0]
    for slot in layer_slots(layer):
        if slot.role in (init.roles or {slot.role}):
            shape = tuple(slot.tensor.shape)
            if slot.packed > 1:
                shape = (shape[0] // slot.packed, *shape[1:])
            name = f"{LAYER_NAME}.{slot.key}"
            return Target(name, shape, slot.role, layer, model, slot.packed), slot
    problem = "{name} fills nothing of a {layer}."
    raise BadValueError("layer", Sentence(problem, name=init.type_name, layer=size.kind))
