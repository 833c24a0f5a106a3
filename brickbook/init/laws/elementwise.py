"""Laws that draw each element for itself: constant, normal, uniform and truncated normal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from brickbook.errors import Sentence
from brickbook.init.laws.base import CHUNK_SIZE, Atoms, DiscreteLaw, Law, iter_chunks

__all__ = [
    "ComplexUniform", "Constant", "Normal", "TruncNormal", "Uniform", "law_in_dtype",
    "normal_mass", "overflow_share", "range_problem",
]  # fmt: skip


# No normal number of torch's is so many std away: √(2 ln 2⁶⁴) = 9.4, of uniform ones of 64 bits.
LARGEST_NORMAL = 16.0


@dataclass(frozen=True)
class Constant(DiscreteLaw):
    """Every element is ``value``."""

    value: float

    @property
    def atoms(self) -> Atoms:
        """The value, with probability 1."""
        return ((self.value, 1.0),)

    def scale_by(self, factor: float) -> Law:
        """Scale the value."""
        return Constant(self.value * factor)

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Write the value everywhere; nothing is drawn."""
        tensor.fill_(self.value)


@dataclass(frozen=True)
class Normal(Law):
    """N(mean, std²)."""

    mean: float  # pyright: ignore[reportIncompatibleMethodOverride] - a field, see Law
    std: float  # pyright: ignore[reportIncompatibleMethodOverride]

    @property
    def support(self) -> tuple[float, float]:
        """All real numbers (the mean alone if std is 0)."""
        return (self.mean, self.mean) if self.std == 0 else (-math.inf, math.inf)

    @property
    def atoms(self) -> Atoms:
        """None, or the mean if std is 0."""
        return ((self.mean, 1.0),) if self.std == 0 else ()

    def pdf(self, x: Tensor) -> Tensor:
        """``exp(-((x - mean) / std)² / 2) / (std √(2π))``."""
        if self.std == 0:
            return torch.zeros_like(x, dtype=torch.float64)
        z = (x.double() - self.mean) / self.std
        return torch.exp(-z * z / 2) / (self.std * math.sqrt(2 * math.pi))

    def mass_beyond(self, limit: float) -> float:
        """``1 - Φ((limit - mean) / std) + Φ((-limit - mean) / std)``."""
        if self.std == 0:
            return 0.0
        above, below = (limit - self.mean) / self.std, (-limit - self.mean) / self.std
        return normal_mass(above, math.inf) + normal_mass(-math.inf, below)

    def scale_by(self, factor: float) -> Law:
        """Scale mean and std."""
        return Normal(self.mean * factor, self.std * factor)

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Draw every element."""
        tensor.normal_(self.mean, self.std, generator=generator)


@dataclass(frozen=True)
class Uniform(Law):
    """U[low, high)."""

    low: float
    high: float

    @property
    def mean(self) -> float:
        """``(low + high) / 2``."""
        return (self.low + self.high) / 2

    @property
    def std(self) -> float:
        """``(high - low) / √12``."""
        return (self.high - self.low) / math.sqrt(12)

    @property
    def support(self) -> tuple[float, float]:
        """The two bounds; rounding to 16 bits may give the upper one."""
        return self.low, self.high

    @property
    def atoms(self) -> Atoms:
        """None, or the bounds if they are one."""
        return ((self.low, 1.0),) if self.low == self.high else ()

    def pdf(self, x: Tensor) -> Tensor:
        """``1 / (high - low)`` between the bounds."""
        if self.low == self.high:
            return torch.zeros_like(x, dtype=torch.float64)
        x = x.double()
        inside = (x >= self.low) & (x <= self.high)
        return inside.double() / (self.high - self.low)

    def scale_by(self, factor: float) -> Law:
        """Scale the bounds."""
        return Uniform(self.low * factor, self.high * factor)

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Draw every element."""
        tensor.uniform_(self.low, self.high, generator=generator)


@dataclass(frozen=True)
class ComplexUniform(Uniform):
    """Complex numbers whose two parts are U[low, high) each, as ``Tensor.uniform_`` draws them.

    ``mean``, ``support``, ``atoms`` and ``pdf`` are those of one part. ``std`` is that of the
    number, ``√E|z - E z|²``, as `torch.std` and `Normal` have it.
    """

    @property
    def std(self) -> float:
        """``(high - low) / √6``."""
        return (self.high - self.low) / math.sqrt(6)

    def scale_by(self, factor: float) -> Law:
        """Scale the bounds."""
        return ComplexUniform(self.low * factor, self.high * factor)


@dataclass(frozen=True)
class TruncNormal(Law):
    """N(loc, scale²) given that the value lies in [low, high]; all four are absolute numbers.

    ``mean`` and ``std`` are those of the truncated law: with α = (low - loc)/scale, β =
    (high - loc)/scale, Z = Φ(β) - Φ(α): mean = loc + scale·(φ(α) - φ(β))/Z and variance =
    scale²·(1 + (αφ(α) - βφ(β))/Z - ((φ(α) - φ(β))/Z)²). Source: Johnson, Kotz & Balakrishnan,
    Continuous Univariate Distributions 1 (1994), §13.10.1.
    """

    loc: float
    scale: float
    low: float
    high: float

    @property
    def standardized_bounds(self) -> tuple[float, float]:
        """α and β: the bounds in units of scale."""
        return (self.low - self.loc) / self.scale, (self.high - self.loc) / self.scale

    @property
    def mean(self) -> float:
        """The mean after truncation."""
        alpha, beta = self.standardized_bounds
        return self.loc + self.scale * (normal_density(alpha) - normal_density(beta)) / normal_mass(
            alpha, beta
        )

    @property
    def std(self) -> float:
        """The standard deviation after truncation."""
        alpha, beta = self.standardized_bounds
        z = normal_mass(alpha, beta)
        shift = (normal_density(alpha) - normal_density(beta)) / z
        edges = (density_times_z(alpha) - density_times_z(beta)) / z
        return self.scale * math.sqrt(max(0.0, 1 + edges - shift * shift))

    @property
    def support(self) -> tuple[float, float]:
        """The two cut points."""
        return self.low, self.high

    def pdf(self, x: Tensor) -> Tensor:
        """The normal density over its mass between the cut points, 0 outside."""
        x = x.double()
        inside = (x >= self.low) & (x <= self.high)
        return torch.where(
            inside,
            Normal(self.loc, self.scale).pdf(x) / normal_mass(*self.standardized_bounds),
            0.0,
        )

    def scale_by(self, factor: float) -> Law:
        """Scale all four numbers."""
        if factor == 0:
            return Constant(0.0)
        numbers = (self.loc, self.scale, self.low, self.high)
        return TruncNormal(*(number * factor for number in numbers))

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Draw every element: by rejection, or by the inverse CDF in float64 for far tails.

        Not mmcv's numbers for a given seed: its inverse CDF in float32 puts a few elements of
        every 10⁸ on the cut points, however far away those are.
        """
        for chunk in iter_chunks(
            tensor, CHUNK_SIZE // 16
        ):  # either way needs scratch, several times
            self.draw_chunk(chunk, generator)

    def draw_chunk(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Draw some of the elements."""
        alpha, beta = self.standardized_bounds
        if normal_mass(alpha, beta) < 0.2:
            flat = self.loc + self.scale * draw_tail(tensor, alpha, beta, generator)
            tensor.copy_(flat.clamp_(self.low, self.high))
            return
        tensor.normal_(self.loc, self.scale, generator=generator)
        if alpha < -LARGEST_NORMAL and beta > LARGEST_NORMAL:
            return
        outside = (tensor < self.low) | (tensor > self.high)
        while count := int(outside.sum()):
            again = tensor.new_empty(count).normal_(self.loc, self.scale, generator=generator)
            tensor[outside] = again
            outside = (tensor < self.low) | (tensor > self.high)


def normal_density(z: float) -> float:
    """φ(z), the standard normal density; 0 at ±inf."""
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def density_times_z(z: float) -> float:
    """``z φ(z)``, 0 at ±inf."""
    return 0.0 if math.isinf(z) else z * normal_density(z)


def normal_mass(alpha: float, beta: float) -> float:
    """Φ(β) - Φ(α), taken in the tail where it loses no digits."""
    if alpha > 0:
        alpha, beta = -beta, -alpha
    return (math.erfc(-beta / math.sqrt(2)) - math.erfc(-alpha / math.sqrt(2))) / 2


def draw_tail(
    template: Tensor, alpha: float, beta: float, generator: torch.Generator | None
) -> Tensor:
    """Standard normal draws between two standardized_bounds, by the inverse CDF in float64."""
    flip = alpha > 0
    if flip:
        alpha, beta = -beta, -alpha
    lower, upper = math.erfc(-alpha / math.sqrt(2)) / 2, math.erfc(-beta / math.sqrt(2)) / 2
    u = torch.empty_like(template, dtype=torch.float64).uniform_(generator=generator)
    z = torch.special.ndtri(u.mul_(upper - lower).add_(lower)).clamp_(alpha, beta)
    return -z if flip else z


def law_in_dtype(law: Law, dtype: torch.dtype) -> Law:
    """Return what a law is in tensors of a dtype: of U[low, high) two parts in complex ones."""
    if dtype.is_complex and type(law) is Uniform:
        return ComplexUniform(law.low, law.high)
    return law


def overflow_share(law: Law, dtype: torch.dtype) -> float:
    """Return the probability that an element becomes infinite when a dtype takes it.

    Numbers of 16 bits are rounded: the first above the largest one still become that. Of a complex
    number either part may be too large, and each has 1/√2 of its std.
    """
    if not (dtype.is_floating_point or dtype.is_complex):
        return 0.0  # whole numbers have no infinity: the counter of a norm
    info = torch.finfo(dtype)
    if dtype.is_complex:
        part = law.mass_beyond(info.max * math.sqrt(2))
        return part * (2 - part)
    if dtype.itemsize < 4:
        return law.mass_beyond(info.max * (1 - info.eps / 4) / (1 - info.eps / 2))
    return law.mass_beyond(info.max)


def range_problem(law: Law, dtype: torch.dtype) -> str:
    """Say which number of a law a dtype cannot hold; "" if it holds them all."""
    if dtype.is_complex and isinstance(law, TruncNormal):
        problem = "{law} cuts numbers off, and those of {dtype} have no order"
        return Sentence(problem, law=law, dtype=str(dtype)[6:])
    most = torch.finfo(dtype).max
    ends = [end for end in law.support if math.isfinite(end)]
    for number in (law.mean, law.std, *ends, *([ends[1] - ends[0]] if len(ends) == 2 else [])):
        if not abs(number) <= most:
            shown = {"law": law, "number": f"{number:.4g}", "dtype": str(dtype)[6:]}
            problem = "{law} has {number}, and {dtype} ends at {most}"
            return Sentence(problem, most=f"{most:.4g}", **shown)
    return ""
