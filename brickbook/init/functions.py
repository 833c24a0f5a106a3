"""mmcv's functions: each starts the ``weight`` and ``bias`` of one module, in place."""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor, nn

from brickbook.errors import BadArgumentError, BadValueError
from brickbook.init.laws import Constant, Normal, Recipe, Stacked, Uniform
from brickbook.init.recipes import Caffe2Xavier, Distribution, Kaiming, Xavier, truncated
from brickbook.init.targets import role_of_weight

__all__ = [
    "bias_init_with_prob", "caffe2_xavier_init", "constant_init", "kaiming_init", "normal_init",
    "trunc_normal_", "trunc_normal_init", "uniform_init", "xavier_init",
]  # fmt: skip


def start(
    module: nn.Module, recipe: Recipe, bias: float, roles: frozenset[str] | None = None
) -> None:
    """Fill ``module.weight`` by a law and ``module.bias`` with a number, where they are tensors.

    ``roles`` says which: "bias", and for the weight "scale" of a norm layer, "embedding" or
    "weight"; None is both.
    """
    weight = getattr(module, "weight", None)
    if isinstance(weight, Tensor) and (roles is None or role_of_weight(type(module)) in roles):
        write(module, "weight", weight, recipe)
    offset = getattr(module, "bias", None)
    if isinstance(offset, Tensor) and (roles is None or "bias" in roles):
        with torch.no_grad():
            offset.fill_(bias)


def write(module: nn.Module, key: str, tensor: Tensor, recipe: Recipe, parts: int = 1) -> None:
    """Fill one tensor of a module, which packs ``parts`` equal ones along its first axis."""
    if tensor.dim() < recipe.least_dims:
        raise BadValueError(
            key,
            f"{type(recipe).__name__} needs {recipe.least_dims} or more dimensions, "
            f"{type(module).__name__}.{key} has shape {tuple(tensor.shape)}.",
        )
    shape = tuple(tensor.shape)
    law = recipe.at((shape[0] // parts, *shape[1:]) if parts > 1 else shape)
    if parts > 1 and not law.independent:
        law = Stacked(law, parts)
    if key in getattr(module, "parametrizations", ()):
        fresh = torch.empty_like(tensor)
        law.fill(fresh)
        with torch.no_grad():
            setattr(module, key, fresh)  # goes through the parametrisation's right inverse
    else:
        law.fill(tensor)


def constant_init(module: nn.Module, val: float, bias: float = 0) -> None:
    """Set every weight to ``val``."""
    start(module, Constant(val), bias)


def xavier_init(
    module: nn.Module, gain: float = 1, bias: float = 0, distribution: Distribution = "normal"
) -> None:
    """Draw the weight from Glorot & Bengio's law (2010, eq. 12 and 16).

    Raises AssertionError for an unknown distribution, ValueError for a 1-D weight.
    """
    start(module, Xavier(distribution, gain), bias)


def normal_init(module: nn.Module, mean: float = 0, std: float = 1, bias: float = 0) -> None:
    """Draw the weight from N(mean, std²)."""
    start(module, Normal(mean, std), bias)


def trunc_normal_init(
    module: nn.Module, mean: float = 0, std: float = 1, a: float = -2, b: float = 2, bias: float = 0
) -> None:
    """Draw the weight from N(mean, std²) cut at the absolute numbers ``a`` and ``b``.

    The numbers differ from mmcv's for the same seed; see `TruncNormal`. Raises ValueError unless
    ``a <= b`` and the law has mass between them.
    """
    start(module, truncated(mean, std, a, b), bias)


def trunc_normal_(
    tensor: Tensor, mean: float = 0, std: float = 1, a: float = -2, b: float = 2
) -> Tensor:
    """Fill a tensor with N(mean, std²) cut at the absolute numbers ``a`` and ``b``; return it.

    Raises ValueError unless ``a <= b`` and the law has mass between them.
    """
    truncated(mean, std, a, b).fill(tensor)
    return tensor


def uniform_init(module: nn.Module, a: float = 0, b: float = 1, bias: float = 0) -> None:
    """Draw the weight from U(a, b)."""
    start(module, Uniform(a, b), bias)


def kaiming_init(
    module: nn.Module,
    a: float = 0,
    mode: str = "fan_out",
    nonlinearity: str = "relu",
    bias: float = 0,
    distribution: Distribution = "normal",
) -> None:
    """Draw the weight from He et al.'s law (2015, eq. 10 and 14).

    Raises AssertionError for an unknown distribution, ValueError for an unknown mode or
    nonlinearity and for a 1-D weight.
    """
    start(module, Kaiming(distribution, a, mode, nonlinearity), bias)


def caffe2_xavier_init(module: nn.Module, bias: float = 0) -> None:
    """Draw the weight from Caffe2's XavierFill: U(-√(3/fan_in), √(3/fan_in))."""
    start(module, Caffe2Xavier(), bias)


def bias_init_with_prob(prior_prob: float) -> float:
    """Return the bias whose sigmoid is ``prior_prob``: ``-ln((1 - p) / p)``.

    Raises ValueError unless 0 < p < 1. Source: Lin et al. 2017 (Focal Loss), §4.1.

    >>> bias_init_with_prob(0.01)
    -4.59511985013459
    """
    if not isinstance(prior_prob, Real):
        raise BadArgumentError("prior_prob", f"expected a float, got {prior_prob!r}.")
    if not 0 < prior_prob < 1:
        raise BadValueError("prior_prob", f"expected 0 < p < 1, got {prior_prob!r}.")
    return float(-math.log((1 - prior_prob) / prior_prob))
