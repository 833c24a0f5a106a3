"""The default initialisation of a bundle's convolution, as an ``init_cfg``."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn

from brickbook.init.initializers import fans, gain_of_module

__all__ = ["conv_init_cfg"]

NAMED_GAINS = {nn.ReLU: "relu", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid", nn.SELU: "selu"}

# What they make of one number depends on others: there is no gain to be had, 1 is taken.
NOT_ELEMENTWISE = (nn.Softmax, nn.Softmax2d, nn.Softmin, nn.LogSoftmax, nn.GLU)
PRELU_SLOPE = 0.25  # nn.PReLU's default, for a weight on the meta device


def conv_init_cfg(
    conv: nn.Module, activation: nn.Module | None, feeds_norm: bool
) -> dict[str, Any]:
    """Return the config of N(0, gain² / fan_out) for the convolution's weight.

    The gain is that of the activation, 1 without one. Where a norm takes the convolution's output
    (``feeds_norm``) the gain does not matter and is mmcv's: LeakyReLU's own, else ReLU's. Source:
    He et al. 2015, eq. 14 and 15.
    """
    kaiming = {"type": "Kaiming", "mode": "fan_out"}
    weight = getattr(conv, "weight", None)
    slope = negative_slope(activation)
    if slope is not None and (isinstance(activation, nn.LeakyReLU) or not feeds_norm):
        return {**kaiming, "nonlinearity": "leaky_relu", "a": slope}
    if feeds_norm or not isinstance(weight, Tensor):
        return {**kaiming, "nonlinearity": "relu"}
    if activation is None or isinstance(activation, NOT_ELEMENTWISE):
        return {**kaiming, "nonlinearity": "linear"}
    if type(activation) in NAMED_GAINS:
        return {**kaiming, "nonlinearity": NAMED_GAINS[type(activation)]}
    _, fan_out = fans(tuple(weight.shape))
    std = gain_of_module(activation) / math.sqrt(max(fan_out, 1))  # 1 for an empty weight
    return {"type": "Normal", "mean": 0, "std": std}


def negative_slope(activation: nn.Module | None) -> float | None:
    """Return a leaky rectifier's slope for negative input (the mean one), None for others."""
    if isinstance(activation, nn.LeakyReLU):
        return activation.negative_slope
    if isinstance(activation, nn.RReLU):
        return (activation.lower + activation.upper) / 2
    if isinstance(activation, nn.PReLU):
        weight = activation.weight.detach()
        return PRELU_SLOPE if weight.is_meta else float(weight.mean())
    return None
