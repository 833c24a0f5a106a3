"""How the convolution of a bundle starts, as an initialiser's config."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn

from brickbook.init.gains import gain_of
from brickbook.init.laws import fans

__all__ = ["conv_rule"]

NAMED_GAINS = {nn.ReLU: "relu", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid", nn.SELU: "selu"}


def conv_rule(conv: nn.Module, activation: nn.Module | None, feeds_norm: bool) -> dict[str, Any]:
    """Return the config of N(0, gain² / fan_out) for the convolution's weight.

    The gain is that of the activation, 1 without one. Where a norm takes the convolution's output
    (``feeds_norm``) the gain does not matter and is mmcv's: LeakyReLU's own, else ReLU's. Source:
    He et al. 2015, eq. 14 and 15.
    """
    kaiming = {"type": "Kaiming", "mode": "fan_out"}
    weight = getattr(conv, "weight", None)
    if isinstance(activation, nn.LeakyReLU):
        return {**kaiming, "nonlinearity": "leaky_relu", "a": activation.negative_slope}
    if feeds_norm or not isinstance(weight, Tensor):
        return {**kaiming, "nonlinearity": "relu"}
    if activation is None:
        return {**kaiming, "nonlinearity": "linear"}
    if type(activation) in NAMED_GAINS:
        return {**kaiming, "nonlinearity": NAMED_GAINS[type(activation)]}
    _, fan_out = fans(tuple(weight.shape))
    return {"type": "Normal", "mean": 0, "std": gain_of(activation) / math.sqrt(fan_out)}
