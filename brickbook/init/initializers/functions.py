"""mmcv's functions: each fills the ``weight`` and ``bias`` of one module, in place."""

from __future__ import annotations

from torch import Tensor, nn

from brickbook.init.initializers.base import bias_init_with_prob, initialize_module
from brickbook.init.initializers.variance import (
    Caffe2XavierInit,
    Distribution,
    KaimingInit,
    XavierInit,
    truncated_normal,
)
from brickbook.init.laws import Constant, Normal, Uniform

__all__ = [
    "bias_init_with_prob", "caffe2_xavier_init", "constant_init", "kaiming_init", "normal_init",
    "trunc_normal_", "trunc_normal_init", "uniform_init", "xavier_init",
]  # fmt: skip


def constant_init(module: nn.Module, val: float, bias: float = 0) -> None:
    """Set every weight to ``val``."""
    initialize_module(module, Constant(val), bias)


def xavier_init(
    module: nn.Module, gain: float = 1, bias: float = 0, distribution: Distribution = "normal"
) -> None:
    """Draw the weight from Glorot & Bengio's law (2010, eq. 12 and 16).

    Raises AssertionError for an unknown distribution, ValueError for a 1-D weight.
    """
    initialize_module(module, XavierInit(gain, distribution), bias)


def normal_init(module: nn.Module, mean: float = 0, std: float = 1, bias: float = 0) -> None:
    """Draw the weight from N(mean, std²)."""
    initialize_module(module, Normal(mean, std), bias)


def trunc_normal_init(
    module: nn.Module, mean: float = 0, std: float = 1, a: float = -2, b: float = 2, bias: float = 0
) -> None:
    """Draw the weight from N(mean, std²) cut at the absolute numbers ``a`` and ``b``.

    The numbers differ from mmcv's for the same seed; see `TruncNormal`. Raises ValueError unless
    ``a <= b`` and the law has mass between them.
    """
    initialize_module(module, truncated_normal(mean, std, a, b), bias)


def trunc_normal_(
    tensor: Tensor, mean: float = 0, std: float = 1, a: float = -2, b: float = 2
) -> Tensor:
    """Fill a tensor with N(mean, std²) cut at the absolute numbers ``a`` and ``b``; return it.

    Raises ValueError unless ``a <= b`` and the law has mass between them.
    """
    truncated_normal(mean, std, a, b).fill(tensor)
    return tensor


def uniform_init(module: nn.Module, a: float = 0, b: float = 1, bias: float = 0) -> None:
    """Draw the weight from U(a, b)."""
    initialize_module(module, Uniform(a, b), bias)


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
    initialize_module(module, KaimingInit(a, mode, nonlinearity, distribution), bias)


def caffe2_xavier_init(module: nn.Module, bias: float = 0) -> None:
    """Draw the weight from Caffe2's XavierFill: U(-√(3/fan_in), √(3/fan_in))."""
    initialize_module(module, Caffe2XavierInit(), bias)
