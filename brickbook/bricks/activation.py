"""Activations by name, and the ones that torch does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brickbook.arguments import parameters
from brickbook.bricks.registry import (
    ACTIVATION_LAYERS,
    build_family,
    build_layer,
    find_layer,
    register_rows,
)
from brickbook.errors import CheckError
from brickbook.registry import Config, split_type

__all__ = ["Clamp", "HSigmoid", "HSwish", "Swish", "build_activation_layer"]


class Clamp(nn.Module):
    """``min(max(x, low), high)`` with the bounds ``min`` and ``max``."""

    def __init__(self, min: float = -1.0, max: float = 1.0) -> None:
        super().__init__()
        self.min = min
        self.max = max

    def forward(self, x: Tensor) -> Tensor:
        """Return a new tensor of the same shape."""
        return torch.clamp(x, min=self.min, max=self.max)

    def extra_repr(self) -> str:
        """Return the bounds."""
        return f"min={self.min}, max={self.max}"


class HSigmoid(nn.Module):
    """``(x + bias) / divisor``, clamped to [min_value, max_value].

    The defaults are those of nn.Hardsigmoid and of mmcv since 1.4.4. Raises AssertionError if
    ``divisor`` is 0. Source: Howard et al. 2019 (MobileNetV3), §5.2.
    """

    def __init__(
        self,
        bias: float = 3.0,
        divisor: float = 6.0,
        min_value: float = 0.0,
        max_value: float = 1.0,
    ) -> None:
        super().__init__()
        if divisor == 0:
            raise CheckError("divisor", "expected a number other than 0, got 0.")
        self.bias = bias
        self.divisor = divisor
        self.min_value = min_value
        self.max_value = max_value

    def forward(self, x: Tensor) -> Tensor:
        """Return a new tensor of the same shape."""
        return ((x + self.bias) / self.divisor).clamp(self.min_value, self.max_value)

    def extra_repr(self) -> str:
        """Return the four numbers."""
        return (
            f"bias={self.bias}, divisor={self.divisor}, "
            f"min_value={self.min_value}, max_value={self.max_value}"
        )


class HSwish(nn.Module):
    """``x * relu6(x + 3) / 6``; the type ``HSwish`` of a config is torch's own nn.Hardswish.

    ``inplace`` concerns the inner ReLU6; the input is never changed. Source: Howard et al. 2019
    (MobileNetV3), §5.2.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.act = nn.ReLU6(inplace)

    def forward(self, x: Tensor) -> Tensor:
        """Return a new tensor of the same shape."""
        return x * self.act(x + 3) / 6


class Swish(nn.Module):
    """``x * sigmoid(x)``, as nn.SiLU. Source: Ramachandran et al. 2017, arXiv 1710.05941."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a new tensor of the same shape."""
        return x * F.sigmoid(x)


register_rows(ACTIVATION_LAYERS, {
    "ReLU": nn.ReLU,
    "LeakyReLU": nn.LeakyReLU,
    "PReLU": nn.PReLU,
    "RReLU": nn.RReLU,
    "ReLU6": nn.ReLU6,
    "ELU": nn.ELU,
    "Sigmoid": nn.Sigmoid,
    "Tanh": nn.Tanh,
    "SiLU": nn.SiLU,
    "Clamp": Clamp,
    "Clip": Clamp,
    "GELU": nn.GELU,
    "HSigmoid": HSigmoid,
    "HSwish": nn.Hardswish,
    "Swish": Swish,
})  # fmt: skip


def build_activation_layer(cfg: Config) -> Any:
    """Build an activation from its config.

    Raises TypeError if ``cfg`` is no dict or the layer does not take an argument, KeyError if
    ``type`` is missing or unknown.

    >>> build_activation_layer(dict(type="LeakyReLU", negative_slope=0.2))
    LeakyReLU(negative_slope=0.2)
    """
    return build_family(cfg, ACTIVATION_LAYERS, (), {}, "act_cfg")


def build_inplace(cfg: Config, inplace: bool) -> Any:
    """Build an activation with ``inplace`` as its default, where it takes that argument at all."""
    kind, own = split_type(cfg, "act_cfg")
    make: Callable[..., Any] = find_layer(kind, ACTIVATION_LAYERS, "act_cfg")
    if "inplace" in parameters(make).named:
        own.setdefault("inplace", inplace)
    return build_layer(make, (), {}, own, "act_cfg")
