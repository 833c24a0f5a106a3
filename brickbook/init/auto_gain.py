"""Gains that are taken from the activation that follows a layer, or from a function."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brickbook.callables import name_of
from brickbook.errors import BadValueError
from brickbook.init.following import (
    Activation,
    UnknownActivationError,
    activation_after,
    elementwise,
)
from brickbook.init.gains import gain_of
from brickbook.init.laws import Law, Recipe, Target
from brickbook.init.scaled import Times, met

__all__ = ["AutoGain", "gain_after"]

FUNCTIONS: dict[Any, nn.Module] = {
    F.relu: nn.ReLU(), torch.relu: nn.ReLU(), torch.tanh: nn.Tanh(), F.tanh: nn.Tanh(),
    torch.sigmoid: nn.Sigmoid(), F.sigmoid: nn.Sigmoid(), F.selu: nn.SELU(),
    F.leaky_relu: nn.LeakyReLU(),
}  # fmt: skip


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """Return what the function returns."""
        return self.function(x)


def gain_after(activation: Activation | None) -> float:
    """Return the gain for an activation: a module, a function, or none."""
    if activation is None:
        return 1.0
    if isinstance(activation, nn.PReLU):
        known = not activation.weight.is_meta
        return gain_of(activation if known else nn.LeakyReLU(0.25))  # its default
    if not elementwise(activation):
        raise UnknownActivationError(f"{name_of(activation)} follows, which is not elementwise")
    if not isinstance(activation, nn.Module):
        activation = FUNCTIONS.get(activation) or Function(activation)
    return gain_of(activation)


@dataclass(frozen=True)
class AutoGain:
    """Another recipe's law times the gain of the activation that follows the layer.

    ``gain`` is 'auto' or a function of the layer's plain name and the layer; ``inner`` is the
    recipe with gain 1. The gain is `brickbook.init.gains.gain_of`; 1 where no activation follows.
    Source: He et al. 2015, eq. 10 and 15; Glorot & Bengio 2010, §4.2.1.
    """

    inner: Recipe
    gain: Literal["auto"] | Callable[[str, nn.Module], float] = "auto"
    key: str = "gain"

    @property
    def least_dims(self) -> int:
        """What the other recipe needs."""
        return self.inner.least_dims

    def at(self, shape: tuple[int, ...]) -> Law:
        """Raise ValueError: what follows is known only in a model."""
        raise BadValueError(self.key, "which activation follows is known only in a model.")

    def meet(self, target: Target) -> Recipe:
        """Return the recipe with the gain for one layer.

        Raises ValueError if what follows cannot be known, or the function gives no gain.
        """
        return Times(met(self.inner, target), self.number(target))

    def number(self, target: Target) -> float:
        """Return the gain for one layer."""
        name = target.name.rpartition(".")[0]
        if callable(self.gain):
            gain = self.gain(name, target.module)
            if not isinstance(gain, (int, float)) or not 0 <= gain < math.inf:
                raise BadValueError(
                    self.key, f"expected a finite number of 0 or more for {name}, got {gain!r}."
                )
            return float(gain)
        try:
            return gain_after(activation_after(target.model, name))
        except UnknownActivationError as why:
            raise BadValueError(
                self.key,
                f"cannot tell which activation follows {name}: {why}.",
                f"Give {self.key} for it in a rule of its own.",
            ) from None
