"""Activations by name, and the ones that torch does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from brickbook.bricks.hsigmoid import HSigmoid
from brickbook.bricks.registry import (
    ACTIVATION_LAYERS,
    build_from_family,
    build_layer,
    find_layer,
    register_rows,
)
from brickbook.bricks.swish import Swish
from brickbook.config import signature_of
from brickbook.registry import Config, split_type

__all__ = ["Clamp", "build_activation_inplace", "build_activation_layer"]


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
    # the rest of torch's, with torch's arguments and defaults
    "CELU": nn.CELU,
    "GLU": nn.GLU,
    "Hardshrink": nn.Hardshrink,
    "Hardsigmoid": nn.Hardsigmoid,
    "Hardswish": nn.Hardswish,
    "Hardtanh": nn.Hardtanh,
    "LogSigmoid": nn.LogSigmoid,
    "LogSoftmax": nn.LogSoftmax,
    "Mish": nn.Mish,
    "SELU": nn.SELU,
    "Softmax": nn.Softmax,
    "Softmax2d": nn.Softmax2d,
    "Softmin": nn.Softmin,
    "Softplus": nn.Softplus,
    "Softshrink": nn.Softshrink,
    "Softsign": nn.Softsign,
    "Tanhshrink": nn.Tanhshrink,
    "Threshold": nn.Threshold,
})  # fmt: skip


def build_activation_layer(cfg: Config) -> Any:
    """Build an activation from its config.

    Raises:
        TypeError: ``cfg`` is no dict, or the layer does not take an argument.
        KeyError: ``type`` is missing or unknown.

    >>> build_activation_layer(dict(type="LeakyReLU", negative_slope=0.2))
    LeakyReLU(negative_slope=0.2)
    """
    return build_from_family(cfg, ACTIVATION_LAYERS, (), {}, "act_cfg")


def build_activation_inplace(cfg: Config, inplace: bool) -> Any:
    """Build an activation with ``inplace`` as its default, where it takes that argument at all."""
    kind, own = split_type(cfg, "act_cfg")
    make: Callable[..., Any] = find_layer(kind, ACTIVATION_LAYERS, "act_cfg")
    if "inplace" in signature_of(make).named:
        own.setdefault("inplace", inplace)
    return build_layer(make, (), {}, own, "act_cfg")
