"""Gains: by how much a weight's std must exceed ``1/√fan`` to make up for an activation."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brickbook.config import name_of
from brickbook.errors import (
    BadValueError,
    ConfigError,
    Sentence,
    first_line,
    format_value,
    nearest,
    shorten,
    wrong_value,
)
from brickbook.init.initializers.base import Target
from brickbook.introspect import (
    Activation,
    UnknownActivationError,
    activation_after,
    is_elementwise,
)

__all__ = ["NONLINEARITIES", "gain_by_name", "gain_of_activation", "gain_of_module", "resolve_gain"]

LARGEST_FLOAT = sys.float_info.max
NONLINEARITIES = (
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu",
)  # fmt: skip
MODULE_OF_FUNCTION: dict[Any, nn.Module] = {
    F.relu: nn.ReLU(), torch.relu: nn.ReLU(), torch.tanh: nn.Tanh(), F.tanh: nn.Tanh(),
    torch.sigmoid: nn.Sigmoid(), F.sigmoid: nn.Sigmoid(), F.selu: nn.SELU(),
    F.leaky_relu: nn.LeakyReLU(),
}  # fmt: skip


def gain_by_name(nonlinearity: str, a: float = 0.0) -> float:
    """Return torch's recommended gain for the name of a nonlinearity.

    Source: ``torch.nn.init.calculate_gain``; for (leaky) ReLU He et al. 2015, eq. 10 and 15.

    Args:
        nonlinearity: The name, one of `NONLINEARITIES`.
        a: The negative slope of ``leaky_relu``.

    Raises:
        BadValueError: The name is unknown.

    >>> round(gain_by_name("relu"), 4), gain_by_name("linear")
    (1.4142, 1.0)
    """
    if nonlinearity not in NONLINEARITIES:
        raise BadValueError(
            "nonlinearity",
            Sentence("unknown nonlinearity {name}.", name=format_value(nonlinearity)),
            nearest(nonlinearity, NONLINEARITIES),
        )
    return float(nn.init.calculate_gain(nonlinearity, a))


def gain_of_module(activation: nn.Module | None) -> float:
    """Return the gain that suits an activation module; 1 for none.

    The value for ReLU is sqrt(2), for LeakyReLU and PReLU ``sqrt(2 / (1 + slope**2))`` (He et al.
    2015, eq. 15), for tanh 5/3 and for SELU 3/4 (``torch.nn.init.calculate_gain``). Any other
    elementwise activation f gets ``1 / sqrt(E[f(z)**2])`` with z ~ N(0, 1), which keeps the second
    moment of the signal as the ReLU value does; where that cannot be computed, ReLU's value.

    >>> gain_of_module(None), round(gain_of_module(nn.GELU()), 3)
    (1.0, 1.534)
    """
    if activation is None or isinstance(activation, nn.Identity):
        return 1.0
    if isinstance(activation, nn.LeakyReLU):
        return gain_by_name("leaky_relu", activation.negative_slope)
    if isinstance(activation, nn.PReLU) and not activation.weight.is_meta:
        return gain_by_name("leaky_relu", float(activation.weight.detach().mean()))
    names = {nn.ReLU: "relu", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid", nn.SELU: "selu"}
    if type(activation) in names:
        return gain_by_name(names[type(activation)])
    return integrate_gain(activation)


def integrate_gain(activation: nn.Module) -> float:
    """Integrate ``f(z)**2`` against the standard normal density."""
    # On the CPU even where a model is being built on the meta device.
    z = torch.linspace(-8, 8, 1601, dtype=torch.float64, device="cpu")
    weight = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    try:
        with torch.no_grad():
            value = copy.deepcopy(activation).eval()(z.clone())  # RReLU draws while it trains
        moment = float(torch.trapezoid(value * value * weight, z))
    except Exception:  # not elementwise, or not for float64: no number to be had
        return gain_by_name("relu")
    return 1 / math.sqrt(moment) if math.isfinite(moment) and moment > 0 else gain_by_name("relu")


class FunctionModule(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """Call the function on ``x``."""
        return self.function(x)


def gain_of_activation(activation: Activation | None) -> float:
    """Return the gain for an activation: a module, a function, or none (`gain_of_module`).

    Raises:
        UnknownActivationError: It is not elementwise.
    """
    if activation is None:
        return 1.0
    if isinstance(activation, nn.PReLU):
        known = not activation.weight.is_meta
        return gain_of_module(activation if known else nn.LeakyReLU(0.25))  # its default
    if not is_elementwise(activation):
        problem = "{name} follows, which is not elementwise"
        raise UnknownActivationError(Sentence(problem, name=name_of(activation)))
    if not isinstance(activation, nn.Module):
        activation = MODULE_OF_FUNCTION.get(activation) or FunctionModule(activation)
    return gain_of_module(activation)


def resolve_gain(
    gain: str | Callable[[str, nn.Module], float], target: Target, key: str = "gain"
) -> float:
    """Return the gain for the layer of one weight: of what follows it, or what a function says.

    Source: He et al. 2015, eq. 10 and 15; Glorot & Bengio 2010, §4.2.1.

    Args:
        gain: 'auto', for `gain_of_activation` of the activation that follows (1 where none does),
            or a function of the layer's plain name and the layer.
        target: The weight.
        key: The argument, with which the path of each error begins.

    Raises:
        BadValueError: What follows cannot be known (never without a model), or the function gives
            no gain; its path is ``key``.
    """
    if target.module is None or target.model is None:
        raise BadValueError(key, "which activation follows is known only in a model.")
    name = target.name.rpartition(".")[0]
    if callable(gain):
        try:
            found = gain(name, target.module)
        except ConfigError:
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {first_line(error).rstrip('.')}"
            problem = "{function} fails for {name}: {why}."
            shown = Sentence(problem, function=shorten(name_of(gain)), name=name, why=why)
            raise BadValueError(key, shown) from error
        if not isinstance(found, (int, float)) or not 0 <= found <= LARGEST_FLOAT:
            wanted = Sentence("a finite number of 0 or more for {name}", name=name)
            raise BadValueError(key, wrong_value(wanted, found))
        return float(found)
    try:
        return gain_of_activation(activation_after(target.model, name))
    except UnknownActivationError as why:
        raise BadValueError(
            key,
            Sentence(
                "cannot tell which activation follows {name}: {why}.", name=name, why=why.args[0]
            ),
            Sentence("Give {key} for it in a rule of its own.", key=key),
        ) from None
