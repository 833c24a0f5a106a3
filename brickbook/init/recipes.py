"""Recipes: laws whose numbers come from a weight's shape.

``Kaiming().at((64, 3, 7, 7))`` is a `Normal` with std ``√(2 / (64 · 49))``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from brickbook.errors import BadValueError, CheckError, ConfigError
from brickbook.init.fans import Fanned
from brickbook.init.gains import named_gain
from brickbook.init.laws import (
    Constant,
    Law,
    Normal,
    OrthogonalMatrix,
    TruncNormal,
    Uniform,
    mass,
)

__all__ = [
    "Caffe2Xavier", "Distribution", "Kaiming", "Orthogonal", "Scaled", "Units", "VarianceScaling",
    "Xavier", "check_choice", "truncated",
]  # fmt: skip

Distribution = Literal["normal", "uniform"]
Units = Literal["absolute", "std"]


@dataclass(frozen=True)
class Scaled(Fanned):
    """A zero-mean law whose std comes from the fans of the weight."""

    distribution: Distribution = "normal"

    def __post_init__(self) -> None:
        """Refuse an unknown distribution, as mmcv does, but with words."""
        super().__post_init__()
        check_choice("distribution", self.distribution, ("normal", "uniform"))

    def scale(self, fan_in: int, fan_out: int) -> float:
        """Return the std for these fans."""
        raise NotImplementedError

    def at(self, shape: tuple[int, ...]) -> Law:
        """Return N(0, std²), or the uniform law with the same std, for a weight of this shape."""
        fan_in, fan_out = self.fans(shape)
        if 0 in (fan_in, fan_out):  # an empty weight has nothing to draw
            return Constant(0.0)
        std = self.scale(fan_in, fan_out)
        if self.distribution == "normal":
            return Normal(0.0, std)
        bound = math.sqrt(3.0) * std
        return Uniform(-bound, bound)


@dataclass(frozen=True)
class Xavier(Scaled):
    """Std ``gain · √(2 / (fan_in + fan_out))``: keeps the variance of signals and gradients.

    For tanh-like activations. Source: Glorot & Bengio 2010, eq. 12 and 16,
    https://proceedings.mlr.press/v9/glorot10a.html.
    """

    gain: float = 1.0

    def scale(self, fan_in: int, fan_out: int) -> float:
        """Return ``gain · √(2 / (fan_in + fan_out))``."""
        return self.gain * math.sqrt(2.0 / float(fan_in + fan_out))


@dataclass(frozen=True)
class Kaiming(Scaled):
    """Std ``gain / √fan``: keeps the variance through rectifiers.

    ``mode='fan_in'`` keeps the forward signals, ``'fan_out'`` the gradients; ``a`` is the negative
    slope of ``nonlinearity='leaky_relu'``. Source: He et al. 2015, eq. 10, 14 and 15,
    https://arxiv.org/abs/1502.01852.
    """

    a: float = 0.0
    mode: str = "fan_out"
    nonlinearity: str = "relu"

    def __post_init__(self) -> None:
        """Refuse an unknown distribution, mode or nonlinearity."""
        super().__post_init__()
        check_choice("mode", self.mode, ("fan_in", "fan_out"), BadValueError)
        try:
            named_gain(self.nonlinearity, self.a)
        except OverflowError:
            raise BadValueError("a", f"its square is no number: {self.a!r}.") from None

    def scale(self, fan_in: int, fan_out: int) -> float:
        """Return ``gain / √fan``."""
        gain = named_gain(self.nonlinearity, self.a)
        return gain / math.sqrt(fan_in if self.mode == "fan_in" else fan_out)


@dataclass(frozen=True)
class VarianceScaling(Fanned):
    """Std ``√(scale / n)`` with n one of the fans or a mean of both.

    ``mode`` is 'fan_in', 'fan_out', 'fan_avg' (arithmetic mean) or 'fan_geo_avg' (geometric mean);
    'truncated_normal' is a normal law cut at two standard deviations and widened to the std meant.
    LeCun's law is scale 1 with fan_in (LeCun et al. 1998, Efficient BackProp, eq. 16), Glorot's
    scale 1 with fan_avg, He's scale 2 with fan_in. Source: the modes are those of
    ``jax.nn.initializers.variance_scaling``.
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "normal"

    def __post_init__(self) -> None:
        """Refuse an unknown mode or distribution."""
        super().__post_init__()
        modes = ("fan_in", "fan_out", "fan_avg", "fan_geo_avg")
        check_choice("mode", self.mode, modes, BadValueError)
        shapes = ("normal", "uniform", "truncated_normal")
        check_choice("distribution", self.distribution, shapes)

    def at(self, shape: tuple[int, ...]) -> Law:
        """Return the law for a weight of this shape."""
        fan_in, fan_out = self.fans(shape)
        if 0 in (fan_in, fan_out):
            return Constant(0.0)
        count = {
            "fan_in": fan_in,
            "fan_out": fan_out,
            "fan_avg": (fan_in + fan_out) / 2,
            "fan_geo_avg": math.sqrt(fan_in * fan_out),
        }[self.mode]
        std = math.sqrt(self.scale / count)
        if self.distribution == "normal" or std == 0:
            return Normal(0.0, std)
        if self.distribution == "uniform":
            bound = math.sqrt(3.0) * std
            return Uniform(-bound, bound)
        wide = std / TruncNormal(0.0, 1.0, -2.0, 2.0).std
        return TruncNormal(0.0, wide, -2 * wide, 2 * wide)


@dataclass(frozen=True)
class Orthogonal:
    """A random matrix with orthonormal rows or columns: keeps the length of every signal.

    Source: Saxe et al. 2013, §3, https://arxiv.org/abs/1312.6120.
    """

    gain: float = 1.0

    @property
    def least_dims(self) -> int:
        """A matrix."""
        return 2

    def at(self, shape: tuple[int, ...]) -> Law:
        """Return the law of the matrix (out, in · kernel)."""
        if 0 in shape or self.gain == 0:
            return Constant(0.0)
        return OrthogonalMatrix(self.gain, shape[0], math.prod(shape[1:]))


def Caffe2Xavier() -> Kaiming:  # noqa: N802 - named as the law in configs
    """Return Caffe2's XavierFill: U(-√(3/fan_in), √(3/fan_in)), a Kaiming law with gain 1."""
    return Kaiming(a=1.0, mode="fan_in", nonlinearity="leaky_relu", distribution="uniform")


def truncated(mean: float, std: float, a: float, b: float, units: Units = "absolute") -> Law:
    """Return N(mean, std²) cut at ``a`` and ``b``.

    These are absolute numbers, or with ``units='std'`` they count standard deviations from the
    mean; ``std`` is that before the cut. Raises ValueError unless ``a <= b`` and the law has mass
    between them.

    >>> truncated(1.0, 0.5, -2, 2, "std")
    TruncNormal(loc=1.0, scale=0.5, low=0.0, high=2.0)
    """
    check_choice("units", units, ("absolute", "std"), BadValueError)
    if not a <= b:
        raise BadValueError("b", f"expected a or more (a={a!r}), got {b!r}.")
    low, high = (a, b) if units == "absolute" else (mean + a * std, mean + b * std)
    if std == 0:
        return Constant(min(max(mean, low), high))
    law = TruncNormal(mean, std, low, high)
    if not mass(*law.cuts) > 0:
        word = "" if units == "absolute" else " std"
        raise BadValueError(
            "a", f"N({mean!r}, {std!r}²) has no mass between {a!r} and {b!r}{word}."
        )
    return law


def check_choice(
    key: str, value: object, choices: tuple[str, ...], error: type[ConfigError] = CheckError
) -> None:
    """Raise ``error`` (an AssertionError, as in mmcv) if ``value`` is none of ``choices``."""
    if value not in choices:
        raise error(key, f"expected {' or '.join(map(repr, choices))}, got {value!r}.")
