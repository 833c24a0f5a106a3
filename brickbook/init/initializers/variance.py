"""Initialisers whose numbers are drawn element by element: given, or from the fans of a weight."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Literal

from torch import nn

from brickbook.config import require_number
from brickbook.errors import BadValueError, Sentence, nearest, wrong_value
from brickbook.init.initializers.base import (
    INITIALIZERS,
    BaseInit,
    FannedInit,
    Target,
    check_choice,
)
from brickbook.init.initializers.gains import NONLINEARITIES, gain_by_name, resolve_gain
from brickbook.init.laws import Constant, Law, Normal, TruncNormal, Uniform, normal_mass

__all__ = [
    "BoundUnits", "Caffe2XavierInit", "ConstantInit", "Distribution", "KaimingInit", "LeCunInit",
    "NormalInit", "OnesInit", "TruncNormalInit", "UniformInit", "VarianceScalingInit", "XavierInit",
    "ZerosInit", "truncated_normal",
]  # fmt: skip

Distribution = Literal["normal", "uniform"]
ScalingDistribution = Literal["normal", "uniform", "truncated_normal"]
BoundUnits = Literal["absolute", "std"]


def zero_mean_law(distribution: str, std: float) -> Law:
    """Return N(0, std²), or the uniform law with the same std."""
    if distribution == "normal":
        return Normal(0.0, std)
    bound = math.sqrt(3.0) * std
    return Uniform(-bound, bound)


@INITIALIZERS.register_module(name="Constant")
@dataclass
class ConstantInit(BaseInit):
    """Every weight is ``val``.

    ``W = val``, nothing is drawn. A weight may have any shape. Source: mmcv 1.7.2,
    ``ConstantInit``.

    Args:
        val: Any finite number.

    Raises:
        ConfigError: ``val`` is no finite number.
    """

    number_args = ("val",)
    val: float

    def law(self, target: Target) -> Law:
        """Return Constant(val)."""
        return Constant(self.val)


@INITIALIZERS.register_module(name="Xavier")
@dataclass
class XavierInit(FannedInit):
    """Glorot & Bengio 2010, eq. 12 ('normal') and 16 ('uniform').

    ``Var(W) = gain² · 2 / (fan_in + fan_out)``, the mean is 0: N(0, Var), or U(-a, a) with
    ``a = gain · √(6 / (fan_in + fan_out))``. Keeps the variance of signals and gradients through
    tanh-like activations. A weight needs 2 dimensions or more; an empty one becomes 0. Source:
    https://proceedings.mlr.press/v9/glorot10a.html.

    Args:
        gain: A number of 0 or more, the name of a nonlinearity for its gain ('relu': the root of
            2), 'auto' for that of the activation which follows each layer, or a function of a
            layer's name and the layer.
        distribution: 'normal' or 'uniform'.

    Raises:
        ConfigError: The gain or the distribution is none of these; with 'auto', it cannot be told
            which activation follows a layer; a weight has too few dimensions.
    """

    gain: float | str | Callable[[str, nn.Module], float] = 1
    distribution: Distribution = "normal"

    def check(self) -> None:
        """Refuse a gain or a distribution that is none of these."""
        if isinstance(self.gain, str) and self.gain != "auto":
            if self.gain not in NONLINEARITIES:
                problem = wrong_value("a number, 'auto' or a nonlinearity", self.gain)
                raise BadValueError("gain", problem, nearest(self.gain, ("auto", *NONLINEARITIES)))
            self.gain = gain_by_name(self.gain)
        if not isinstance(self.gain, str) and not callable(self.gain):
            self.gain = require_number("gain", self.gain, least=0.0)
        super().check()
        check_choice("distribution", self.distribution, ("normal", "uniform"))

    @property
    def model_arguments(self) -> frozenset[str]:
        """The gain, unless it is a number."""
        return frozenset() if isinstance(self.gain, (int, float)) else frozenset({"gain"})

    def law(self, target: Target) -> Law:
        """Return the law with std ``gain · √(2 / (fan_in + fan_out))``; 0 for an empty weight."""
        if not isinstance(self.gain, (int, float)):
            return self.scaled_law(target, 1.0).scale_by(resolve_gain(self.gain, target))
        return self.scaled_law(target, self.gain)

    def scaled_law(self, target: Target, gain: float) -> Law:
        """Return the law for a gain that is a number."""
        fan_in, fan_out = self.fans(target)
        if 0 in (fan_in, fan_out):
            return Constant(0.0)
        return zero_mean_law(self.distribution, gain * math.sqrt(2.0 / float(fan_in + fan_out)))


@INITIALIZERS.register_module(name="Normal")
@dataclass
class NormalInit(BaseInit):
    """N(mean, std²).

    Every element is drawn on its own. A weight may have any shape. Source: mmcv 1.7.2,
    ``NormalInit``; ``torch.nn.init.normal_``.

    Args:
        mean: The mean.
        std: The standard deviation, 0 or more.

    Raises:
        ConfigError: An argument is no finite number, or ``std`` is negative.
    """

    number_args = ("mean", "std")
    non_negative_args = ("std",)
    mean: float = 0
    std: float = 1

    def law(self, target: Target) -> Law:
        """Return Normal(mean, std)."""
        return Normal(self.mean, self.std)


@INITIALIZERS.register_module(name="TruncNormal")
@dataclass
class TruncNormalInit(BaseInit):
    """N(mean, std²) cut at ``a`` and ``b``: absolute numbers, as in mmcv.

    The density is that of N(mean, std²), divided by its mass between the cut points, and 0 beyond
    them. With ``units='std'`` these are ``mean + a · std`` and ``mean + b · std``. Either way
    ``std`` is that before the cut; where it is 0, every weight is the mean or the cut point next to
    it. A weight may have any shape. Source: mmcv 1.7.2, ``TruncNormalInit``;
    ``torch.nn.init.trunc_normal_``.

    Args:
        mean: The mean before the cut.
        std: The standard deviation before the cut, 0 or more.
        a: The lower cut point.
        b: The upper one.
        units: What ``a`` and ``b`` count: 'absolute' numbers, or 'std' from the mean.

    Raises:
        ConfigError: An argument is none of these, ``a`` exceeds ``b``, or the law has no mass
            between them.
    """

    number_args = ("mean", "std", "a", "b")
    non_negative_args = ("std",)
    mean: float = 0
    std: float = 1
    a: float = -2
    b: float = 2
    _: KW_ONLY
    units: BoundUnits = "absolute"

    def check(self) -> None:
        """Refuse cut points with nothing between them that can be drawn."""
        truncated_normal(self.mean, self.std, self.a, self.b, self.units)

    def law(self, target: Target) -> Law:
        """Return TruncNormal(mean, std, low, high)."""
        return truncated_normal(self.mean, self.std, self.a, self.b, self.units)


@INITIALIZERS.register_module(name="Uniform")
@dataclass
class UniformInit(BaseInit):
    """U(a, b).

    Every element is drawn on its own: mean ``(a + b) / 2``, variance ``(b - a)² / 12``. A weight
    may have any shape. Source: mmcv 1.7.2, ``UniformInit``; ``torch.nn.init.uniform_``.

    Args:
        a: The lower bound.
        b: The upper one, ``a`` or more.

    Raises:
        ConfigError: A bound or the distance of both is no finite number, or ``a`` exceeds ``b``.
    """

    number_args = ("a", "b")
    a: float = 0
    b: float = 1

    def check(self) -> None:
        """Refuse bounds in the wrong order."""
        if self.a > self.b:
            raise BadValueError("b", wrong_order(self.a, self.b))
        if not math.isfinite(float(self.b) - float(self.a)):
            raise BadValueError("b", "its distance from a is no finite number.")

    def law(self, target: Target) -> Law:
        """Return Uniform(a, b)."""
        return Uniform(self.a, self.b)


@INITIALIZERS.register_module(name="Kaiming")
@dataclass
class KaimingInit(FannedInit):
    """He et al. 2015, eq. 10, 14 and 15.

    ``Var(W) = gain² / fan``, the mean is 0: N(0, Var), or U(-b, b) with ``b = gain · √(3 / fan)``;
    the gain of 'relu' is √2 (eq. 10 for fan_in, 14 for fan_out), of 'leaky_relu'
    ``√(2 / (1 + a²))`` (eq. 15). Keeps the variance through rectifiers. A weight needs 2 dimensions
    or more; an empty one becomes 0. Source: https://arxiv.org/abs/1502.01852.

    Args:
        a: The negative slope of ``nonlinearity='leaky_relu'``.
        mode: 'fan_in' keeps the variance of the signals, 'fan_out' that of the gradients.
        nonlinearity: A name that ``torch.nn.init.calculate_gain`` knows, or 'auto' for the gain of
            the activation that follows each layer.
        distribution: 'normal' or 'uniform'.

    Raises:
        ConfigError: An argument is none of these; with 'auto', it cannot be told which activation
            follows a layer; a weight has too few dimensions.
    """

    number_args = ("a",)
    a: float = 0
    mode: str = "fan_out"
    nonlinearity: str = "relu"
    distribution: Distribution = "normal"

    def check(self) -> None:
        """Refuse an unknown distribution, mode or nonlinearity."""
        super().check()
        check_choice("distribution", self.distribution, ("normal", "uniform"))
        check_choice("mode", self.mode, ("fan_in", "fan_out"), BadValueError)
        if self.nonlinearity != "auto":
            try:
                gain_by_name(self.nonlinearity, self.a)
            except OverflowError:
                problem = Sentence("its square is no number: {value}.", value=repr(self.a))
                raise BadValueError("a", problem) from None

    @property
    def model_arguments(self) -> frozenset[str]:
        """The nonlinearity, if it is 'auto'."""
        return frozenset({"nonlinearity"}) if self.nonlinearity == "auto" else frozenset()

    def law(self, target: Target) -> Law:
        """Return the law with std ``gain / √fan``; 0 for an empty weight."""
        if self.nonlinearity != "auto":
            return self.scaled_law(target, gain_by_name(self.nonlinearity, self.a))
        return self.scaled_law(target, 1.0).scale_by(resolve_gain("auto", target, "nonlinearity"))

    def scaled_law(self, target: Target, gain: float) -> Law:
        """Return the law for a gain that is a number."""
        fan_in, fan_out = self.fans(target)
        if 0 in (fan_in, fan_out):
            return Constant(0.0)
        fan = fan_in if self.mode == "fan_in" else fan_out
        return zero_mean_law(self.distribution, gain / math.sqrt(fan))


@INITIALIZERS.register_module(name="Caffe2Xavier")
@dataclass
class Caffe2XavierInit(BaseInit):
    """Caffe2's XavierFill: U(-√(3/fan_in), √(3/fan_in)).

    ``Var(W) = 1 / fan_in``, the mean is 0: He's uniform law (2015, eq. 10) with gain 1. A weight
    needs 2 dimensions or more; an empty one becomes 0. Source: Caffe2, ``XavierFillOp``; mmcv
    1.7.2, ``Caffe2XavierInit``. It takes the arguments of `BaseInit` only.

    Raises:
        ConfigError: A weight has too few dimensions.
    """

    @property
    def min_dims(self) -> int:
        """2: an input and an output."""
        return 2

    def law(self, target: Target) -> Law:
        """Return the law of Kaiming that it equals."""
        return CAFFE2_XAVIER.law(target)


CAFFE2_XAVIER = KaimingInit(1.0, "fan_in", "leaky_relu", "uniform")


@INITIALIZERS.register_module(name="Zeros")
@dataclass
class ZerosInit(BaseInit):
    """Every weight is 0.

    ``W = 0``, nothing is drawn. A weight may have any shape. It takes the arguments of `BaseInit`
    only. Source: ``torch.nn.init.zeros_``.
    """

    def law(self, target: Target) -> Law:
        """Return Constant(0)."""
        return Constant(0.0)


@INITIALIZERS.register_module(name="Ones")
@dataclass
class OnesInit(BaseInit):
    """Every weight is 1.

    ``W = 1``, nothing is drawn. A weight may have any shape. It takes the arguments of `BaseInit`
    only. Source: ``torch.nn.init.ones_``.
    """

    def law(self, target: Target) -> Law:
        """Return Constant(1)."""
        return Constant(1.0)


@INITIALIZERS.register_module(name="LeCun")
@dataclass
class LeCunInit(FannedInit):
    """LeCun et al. 1998, Efficient BackProp, eq. 16: std `√(1/fan_in)`.

    ``Var(W) = 1 / fan_in``, the mean is 0. A weight needs 2 dimensions or more; an empty one
    becomes 0.

    Args:
        distribution: 'normal', 'uniform' or 'truncated_normal', as of VarianceScaling.

    Raises:
        ConfigError: The distribution is none of these, or a weight has too few dimensions.
    """

    distribution: ScalingDistribution = "normal"

    def check(self) -> None:
        """Refuse an unknown distribution."""
        super().check()
        check_scaling("fan_in", self.distribution)

    def law(self, target: Target) -> Law:
        """Return the law of VarianceScaling with scale 1 and fan_in."""
        return variance_scaling_law(1.0, "fan_in", self.distribution, *self.fans(target))


@INITIALIZERS.register_module(name="VarianceScaling")
@dataclass
class VarianceScalingInit(FannedInit):
    """Std `√(scale/n)`, with n one of the fans or a mean of both.

    ``Var(W) = scale / n``, the mean is 0. LeCun's law is scale 1 with fan_in (LeCun et al. 1998,
    Efficient BackProp, eq. 16), Glorot's scale 1 with fan_avg (2010, eq. 12 and 16), He's scale 2
    with fan_in (2015, eq. 10). A weight needs 2 dimensions or more; an empty one becomes 0. Source:
    the modes are those of ``jax.nn.initializers.variance_scaling``.

    Args:
        scale: 0 or more.
        mode: What n is: 'fan_in', 'fan_out', 'fan_avg' (arithmetic mean) or 'fan_geo_avg'
            (geometric mean).
        distribution: 'normal', 'uniform', or 'truncated_normal': a normal law cut at two standard
            deviations and widened to the std meant.

    Raises:
        ConfigError: An argument is none of these, or a weight has too few dimensions.
    """

    number_args = ("scale",)
    non_negative_args = ("scale",)
    scale: float = 1
    mode: Literal["fan_in", "fan_out", "fan_avg", "fan_geo_avg"] = "fan_in"
    distribution: ScalingDistribution = "normal"

    def check(self) -> None:
        """Refuse an unknown mode or distribution."""
        super().check()
        check_scaling(self.mode, self.distribution)

    def law(self, target: Target) -> Law:
        """Return the zero-mean law with std ``√(scale/n)``; 0 for an empty weight."""
        return variance_scaling_law(self.scale, self.mode, self.distribution, *self.fans(target))


def check_scaling(mode: str, distribution: str) -> None:
    """Refuse an unknown mode or distribution."""
    modes = ("fan_in", "fan_out", "fan_avg", "fan_geo_avg")
    check_choice("mode", mode, modes, BadValueError)
    check_choice("distribution", distribution, ("normal", "uniform", "truncated_normal"))


def variance_scaling_law(
    scale: float, mode: str, distribution: str, fan_in: int, fan_out: int
) -> Law:
    """Return the zero-mean law with std ``√(scale/n)``."""
    if 0 in (fan_in, fan_out):
        return Constant(0.0)
    count = {
        "fan_in": fan_in,
        "fan_out": fan_out,
        "fan_avg": (fan_in + fan_out) / 2,
        "fan_geo_avg": math.sqrt(fan_in * fan_out),
    }[mode]
    std = math.sqrt(scale / count)
    if distribution != "truncated_normal" or std == 0:
        return zero_mean_law("normal" if std == 0 else distribution, std)
    wide = std / TruncNormal(0.0, 1.0, -2.0, 2.0).std
    return TruncNormal(0.0, wide, -2 * wide, 2 * wide)


def truncated_normal(
    mean: float, std: float, a: float, b: float, units: BoundUnits = "absolute"
) -> Law:
    """Return N(mean, std²) cut at ``a`` and ``b``; a constant where ``std`` is 0.

    Args:
        mean: The mean before the cut.
        std: The standard deviation before the cut.
        a: The lower cut point.
        b: The upper one.
        units: What ``a`` and ``b`` count: 'absolute' numbers, or 'std' from the mean.

    Raises:
        BadValueError: ``units`` is none of these, ``a`` exceeds ``b``, or the law has no mass
            between them.

    >>> truncated_normal(1.0, 0.5, -2, 2, "std")
    TruncNormal(loc=1.0, scale=0.5, low=0.0, high=2.0)
    """
    check_choice("units", units, ("absolute", "std"), BadValueError)
    if not a <= b:
        raise BadValueError("b", wrong_order(a, b))
    low, high = (a, b) if units == "absolute" else (mean + a * std, mean + b * std)
    if std == 0:
        return Constant(min(max(mean, low), high))
    law = TruncNormal(mean, std, low, high)
    if not normal_mass(*law.standardized_bounds) > 0:
        word = "" if units == "absolute" else " std"
        problem = "{law} has no mass between {low} and {high}."
        shown = {"law": f"N({mean!r}, {std!r}²)", "low": repr(a), "high": f"{b!r}{word}"}
        raise BadValueError("a", Sentence(problem, **shown))
    return law


def wrong_order(a: float, b: float) -> str:
    """Say that an upper bound is below the lower one."""
    return Sentence("expected a or more (a={a}), got {b}.", a=repr(a), b=repr(b))
