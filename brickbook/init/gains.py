"""Gains: by how much a weight's std must exceed ``1/sqrt(fan)`` to make up for an activation."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn

from brickbook.errors import BadValueError, nearest

__all__ = ["NONLINEARITIES", "gain_of", "named_gain"]

NONLINEARITIES = (
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu",
)  # fmt: skip


def named_gain(nonlinearity: str, a: float = 0.0) -> float:
    """Return torch's recommended gain for the name of a nonlinearity.

    ``a`` is the negative slope of ``leaky_relu``. Raises BadValueError (a ValueError) for an
    unknown name. Source: ``torch.nn.init.calculate_gain``; for (leaky) ReLU He et al. 2015,
    eq. 10 and 15.

    >>> round(named_gain("relu"), 4), named_gain("linear")
    (1.4142, 1.0)
    """
    if nonlinearity not in NONLINEARITIES:
        raise BadValueError(
            "nonlinearity",
            f"unknown nonlinearity {nonlinearity!r}.",
            nearest(nonlinearity, NONLINEARITIES),
        )
    return float(nn.init.calculate_gain(nonlinearity, a))


def gain_of(activation: nn.Module | None) -> float:
    """Return the gain that suits an activation module; 1 for none.

    The value for ReLU is sqrt(2), for LeakyReLU and PReLU ``sqrt(2 / (1 + slope**2))`` (He et al.
    2015, eq. 15), for tanh 5/3 and for SELU 3/4 (``torch.nn.init.calculate_gain``). Any other
    elementwise activation f gets ``1 / sqrt(E[f(z)**2])`` with z ~ N(0, 1), which keeps the second
    moment of the signal as the ReLU value does; where that cannot be computed, ReLU's value.

    >>> gain_of(None), round(gain_of(nn.ReLU()), 4), round(gain_of(nn.GELU()), 3)
    (1.0, 1.4142, 1.534)
    """
    if activation is None or isinstance(activation, nn.Identity):
        return 1.0
    if isinstance(activation, nn.LeakyReLU):
        return named_gain("leaky_relu", activation.negative_slope)
    if isinstance(activation, nn.PReLU) and not activation.weight.is_meta:
        return named_gain("leaky_relu", float(activation.weight.detach().mean()))
    names = {nn.ReLU: "relu", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid", nn.SELU: "selu"}
    if type(activation) in names:
        return named_gain(names[type(activation)])
    return measured_gain(activation)


def measured_gain(activation: nn.Module) -> float:
    """Integrate ``f(z)**2`` against the standard normal density."""
    # On the CPU even where a model is being built on the meta device.
    z = torch.linspace(-8, 8, 1601, dtype=torch.float64, device="cpu")
    weight = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    try:
        with torch.no_grad():
            value = copy.deepcopy(activation).eval()(z.clone())  # RReLU draws while it trains
        moment = float(torch.trapezoid(value * value * weight, z))
    except Exception:  # not elementwise, or not for float64: no number to be had
        return named_gain("relu")
    return 1 / math.sqrt(moment) if math.isfinite(moment) and moment > 0 else named_gain("relu")
