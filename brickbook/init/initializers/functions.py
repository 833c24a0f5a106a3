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
    """Set every weight to ``val``.

    ``W = val``. Source: mmcv 1.7.2, as all functions here.

    Args:
        module: The layer; its weight may have any shape. What it lacks is passed over.
        val: The number.
        bias: What the bias is filled with.
    """
    initialize_module(module, Constant(val), bias)


def xavier_init(
    module: nn.Module, gain: float = 1, bias: float = 0, distribution: Distribution = "normal"
) -> None:
    """Draw the weight from Glorot & Bengio's law (2010, eq. 12 and 16).

    ``Var(W) = gain² · 2 / (fan_in + fan_out)``, the mean is 0. Source:
    https://proceedings.mlr.press/v9/glorot10a.html.

    Args:
        module: The layer; its weight needs 2 dimensions or more.
        gain: A number of 0 or more.
        bias: What the bias is filled with.
        distribution: 'normal' or 'uniform'.

    Raises:
        CheckError: The distribution is unknown.
        BadValueError: The gain is negative or not finite, or the weight has too few dimensions.
    """
    initialize_module(module, XavierInit(gain, distribution), bias)


def normal_init(module: nn.Module, mean: float = 0, std: float = 1, bias: float = 0) -> None:
    """Draw the weight from N(mean, std²).

    Args:
        module: The layer; its weight may have any shape.
        mean: The mean.
        std: The standard deviation.
        bias: What the bias is filled with.

    Raises:
        RuntimeError: ``std`` is negative.
    """
    initialize_module(module, Normal(mean, std), bias)


def trunc_normal_init(
    module: nn.Module, mean: float = 0, std: float = 1, a: float = -2, b: float = 2, bias: float = 0
) -> None:
    """Draw the weight from N(mean, std²) cut at the absolute numbers ``a`` and ``b``.

    The numbers differ from mmcv's for the same seed; see `TruncNormal`.

    Args:
        module: The layer; its weight may have any shape.
        mean: The mean before the cut.
        std: The standard deviation before the cut.
        a: The lower cut point.
        b: The upper one.
        bias: What the bias is filled with.

    Raises:
        BadValueError: ``a`` exceeds ``b``, or the law has no mass between them.
    """
    initialize_module(module, truncated_normal(mean, std, a, b), bias)


def trunc_normal_(
    tensor: Tensor, mean: float = 0, std: float = 1, a: float = -2, b: float = 2
) -> Tensor:
    """Fill a tensor with N(mean, std²) cut at the absolute numbers ``a`` and ``b``; return it.

    Args:
        tensor: The tensor, of any shape.
        mean: The mean before the cut.
        std: The standard deviation before the cut.
        a: The lower cut point.
        b: The upper one.

    Raises:
        BadValueError: ``a`` exceeds ``b``, or the law has no mass between them.
    """
    truncated_normal(mean, std, a, b).fill(tensor)
    return tensor


def uniform_init(module: nn.Module, a: float = 0, b: float = 1, bias: float = 0) -> None:
    """Draw the weight from U(a, b).

    Args:
        module: The layer; its weight may have any shape.
        a: The lower bound.
        b: The upper one.
        bias: What the bias is filled with.

    Raises:
        RuntimeError: ``a`` exceeds ``b``.
    """
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

    ``Var(W) = gain² / fan``, the mean is 0; the gain of 'relu' is √2, of 'leaky_relu'
    ``√(2 / (1 + a²))`` (eq. 15). Source: https://arxiv.org/abs/1502.01852.

    Args:
        module: The layer; its weight needs 2 dimensions or more.
        a: The negative slope of ``nonlinearity='leaky_relu'``.
        mode: 'fan_in' or 'fan_out'.
        nonlinearity: A name that ``torch.nn.init.calculate_gain`` knows.
        bias: What the bias is filled with.
        distribution: 'normal' or 'uniform'.

    Raises:
        CheckError: The distribution is unknown.
        BadValueError: The mode or the nonlinearity is unknown, or the weight has too few
            dimensions.
    """
    initialize_module(module, KaimingInit(a, mode, nonlinearity, distribution), bias)


def caffe2_xavier_init(module: nn.Module, bias: float = 0) -> None:
    """Draw the weight from Caffe2's XavierFill: U(-√(3/fan_in), √(3/fan_in)).

    Args:
        module: The layer; its weight needs 2 dimensions or more.
        bias: What the bias is filled with.

    Raises:
        BadValueError: The weight has too few dimensions.
    """
    initialize_module(module, Caffe2XavierInit(), bias)
