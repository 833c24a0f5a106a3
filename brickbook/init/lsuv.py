"""LSUV: orthonormal weights, scaled until every layer's output has variance 1 on a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.parameter import is_lazy

from brickbook.errors import BadArgumentError
from brickbook.init.initializers import INITIALIZERS, BaseInit
from brickbook.init.laws import Recipe
from brickbook.init.matching import matches
from brickbook.init.recipes import Orthogonal
from brickbook.init.unit_variance import unit_variances
from brickbook.keeping import put_back_on_error

__all__ = ["LSUVInit", "lsuv"]

LAYERS = (_ConvNd, nn.Linear)
START = Orthogonal()


@INITIALIZERS.register_module(name="LSUV")
@dataclass
class LSUVInit(BaseInit):
    """Mishkin & Matas 2016, Algorithm 1: orthonormal, then every output scaled to variance 1.

    Needs a batch. A layer is left when its variance is within ``tol`` of 1, or after ``max_iter``
    divisions.
    """

    numbers = ("tol", "max_iter")
    not_negative = ("tol", "max_iter")
    tol: float = 0.1
    max_iter: int = 10

    def check(self) -> None:
        """Refuse what is no count."""
        if not isinstance(self.max_iter, int):
            raise BadArgumentError("max_iter", f"expected an int, got {self.max_iter!r} (float).")

    def recipe(self) -> Recipe:
        """Return Orthogonal(1): where the layers start from."""
        return START

    def adjust(self, model: nn.Module, names: Sequence[str], batch: Any) -> None:
        """Scale the named weights; see `unit_variances`. Biases among the names are left."""
        weights = [name for name in names if "bias" not in name.rpartition(".")[2]]
        unit_variances(model, weights, batch, self.tol, self.max_iter)


def lsuv(
    model: nn.Module,
    batch: Any,
    layer: type | str | Sequence[type | str] = LAYERS,
    *,
    tol: float = 0.1,
    max_iter: int = 10,
    start: Recipe | None = START,
) -> dict[str, float]:
    """Start the layers of some classes by LSUV; return each output's variance, by weight.

    ``layer`` is a class or its name, or several: by default every convolution and linear layer.
    ``start`` is what their weights start from, None for the values they have; biases become 0 with
    a start. Everything else is as in `unit_variances`; on any error the model is as before.

    >>> x, model = torch.randn(256, 8), nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))
    >>> {name: abs(variance - 1) < 0.1 for name, variance in lsuv(model, x).items()}
    {'0.weight': True, '2.weight': True}
    """
    layers = (layer,) if isinstance(layer, (str, type)) else tuple(layer)
    met = [
        (name, part)
        for name, part in model.named_modules()
        if matches(part, layers) and not inside_attention(part, layers)
    ]
    names = [f"{name}.weight".lstrip(".") for name, part in met if has_weight(part)]
    with put_back_on_error(model):
        if start is not None:
            begin((part for _, part in met), start)
        return unit_variances(model, names, batch, tol, max_iter)


def inside_attention(part: nn.Module, layers: tuple[str | type, ...]) -> bool:
    """Whether a layer is attention's output projection, met only because it is a Linear."""
    return isinstance(part, NonDynamicallyQuantizableLinear) and layers == LAYERS


def has_weight(part: nn.Module) -> bool:
    """Whether a layer has a weight, its own or a computed one."""
    return isinstance(getattr(part, "weight", None), Tensor)


@torch.no_grad()
def begin(parts: Iterable[nn.Module], start: Recipe) -> None:
    """Draw the weights, each once, and put the biases to 0."""
    done: set[int] = set()
    for part in parts:
        weight, bias = part._parameters.get("weight"), part._parameters.get("bias")
        if weight is not None and not is_lazy(weight) and id(weight) not in done:
            done.add(id(weight))
            start.at(tuple(weight.shape)).fill(weight)
        if bias is not None and not is_lazy(bias):
            bias.zero_()
