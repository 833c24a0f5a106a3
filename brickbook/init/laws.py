"""Laws: how the numbers of one tensor are drawn, and what theory says about them.

A law (`Constant`, `Normal`, `Uniform`, ...) has all its numbers; a recipe, such as those of
`brickbook.init.recipes`, gives the law for a tensor of a known shape. All laws stand in this one
file, however long, so that they can be read side by side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

__all__ = [
    "Constant", "Contextual", "Law", "Normal", "OrthogonalMatrix", "Recipe", "Target",
    "TruncNormal", "Uniform", "mass",
]  # fmt: skip


@runtime_checkable
class Recipe(Protocol):
    """What a rule of a config holds: gives the law for a tensor of a known shape."""

    @property
    def least_dims(self) -> int:
        """The fewest dimensions a tensor must have."""
        ...

    def at(self, shape: tuple[int, ...]) -> Law:
        """Return the law with its numbers filled in."""
        ...


@dataclass(frozen=True)
class Target:
    """A tensor that a rule speaks of, for recipes that must know more than its shape.

    ``name`` is the qualified name without the prefixes of wrappers, ``role`` one of
    "weight", "bias", "scale", "embedding", "buffer" and "other"; ``shape`` is that of one part
    where several are packed into one tensor.
    """

    name: str
    shape: tuple[int, ...]
    role: str
    module: nn.Module
    model: nn.Module


@runtime_checkable
class Contextual(Recipe, Protocol):
    """A recipe that depends on where the tensor stands: asked first for the recipe to use there."""

    def meet(self, target: Target) -> Recipe:
        """Return the recipe for one tensor; raises ConfigError if there is none."""
        ...


@dataclass(frozen=True)
class Law:
    """A distribution of elements; all numbers are known.

    ``independent`` says that each element is drawn for itself, so that parts of a tensor can be
    drawn apart.
    """

    independent: ClassVar[bool] = True

    if TYPE_CHECKING:  # at run time a property here would be taken for a field's default below

        @property
        def mean(self) -> float: ...  # noqa: D102

        @property
        def std(self) -> float: ...  # noqa: D102

    def __str__(self) -> str:
        numbers = (getattr(self, field.name) for field in fields(self))
        return f"{type(self).__name__}({', '.join(f'{number:.4g}' for number in numbers)})"

    @property
    def least_dims(self) -> int:
        """Any tensor will do."""
        return 0

    def at(self, shape: tuple[int, ...]) -> Law:
        """Return this law: it does not depend on the shape."""
        return self

    @property
    def support(self) -> tuple[float, float]:
        """The least and the greatest value that can be drawn."""
        raise NotImplementedError

    def pdf(self, x: Tensor) -> Tensor:
        """Density at ``x``, in float64; a point mass (std 0) has none."""
        raise NotImplementedError

    def times(self, factor: float) -> Law:
        """Return the law of ``factor`` times what this one draws; ``factor`` is 0 or more."""
        raise NotImplementedError

    def fill(self, tensor: Tensor, generator: torch.Generator | None = None) -> None:
        """Overwrite ``tensor`` in place with draws from ``generator`` (default: torch's own)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(Law):
    """Every element is ``value``."""

    value: float

    @property
    def mean(self) -> float:
        """The value."""
        return self.value

    @property
    def std(self) -> float:
        """0: a point mass."""
        return 0.0

    @property
    def support(self) -> tuple[float, float]:
        """The value alone."""
        return self.value, self.value

    def pdf(self, x: Tensor) -> Tensor:
        """Infinite at the value, 0 elsewhere."""
        return torch.where(x.double() == self.value, math.inf, 0.0)

    def times(self, factor: float) -> Law:
        """Scale the value."""
        return Constant(self.value * factor)

    @torch.no_grad()
    def fill(self, tensor: Tensor, generator: torch.Generator | None = None) -> None:
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

    def pdf(self, x: Tensor) -> Tensor:
        """``exp(-((x - mean) / std)² / 2) / (std √(2π))``."""
        z = (x.double() - self.mean) / self.std
        return torch.exp(-z * z / 2) / (self.std * math.sqrt(2 * math.pi))

    def times(self, factor: float) -> Law:
        """Scale mean and std."""
        return Normal(self.mean * factor, self.std * factor)

    @torch.no_grad()
    def fill(self, tensor: Tensor, generator: torch.Generator | None = None) -> None:
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
        """The two bounds."""
        return self.low, self.high

    def pdf(self, x: Tensor) -> Tensor:
        """``1 / (high - low)`` between the bounds."""
        x = x.double()
        inside = (x >= self.low) & (x <= self.high)
        if self.low == self.high:
            return torch.where(inside, math.inf, 0.0).double()
        return inside.double() / (self.high - self.low)

    def times(self, factor: float) -> Law:
        """Scale the bounds."""
        return Uniform(self.low * factor, self.high * factor)

    @torch.no_grad()
    def fill(self, tensor: Tensor, generator: torch.Generator | None = None) -> None:
        """Draw every element."""
        tensor.uniform_(self.low, self.high, generator=generator)


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
    def cuts(self) -> tuple[float, float]:
        """α and β: the bounds in units of scale."""
        return (self.low - self.loc) / self.scale, (self.high - self.loc) / self.scale

    @property
    def mean(self) -> float:
        """The mean after truncation."""
        alpha, beta = self.cuts
        return self.loc + self.scale * (density(alpha) - density(beta)) / mass(alpha, beta)

    @property
    def std(self) -> float:
        """The standard deviation after truncation."""
        alpha, beta = self.cuts
        z = mass(alpha, beta)
        shift = (density(alpha) - density(beta)) / z
        edges = (edge(alpha) - edge(beta)) / z
        return self.scale * math.sqrt(max(0.0, 1 + edges - shift * shift))

    @property
    def support(self) -> tuple[float, float]:
        """The two cut points."""
        return self.low, self.high

    def pdf(self, x: Tensor) -> Tensor:
        """The normal density over its mass between the cut points, 0 outside."""
        x = x.double()
        inside = (x >= self.low) & (x <= self.high)
        return torch.where(inside, Normal(self.loc, self.scale).pdf(x) / mass(*self.cuts), 0.0)

    def times(self, factor: float) -> Law:
        """Scale all four numbers."""
        if factor == 0:
            return Constant(0.0)
        numbers = (self.loc, self.scale, self.low, self.high)
        return TruncNormal(*(number * factor for number in numbers))

    @torch.no_grad()
    def fill(self, tensor: Tensor, generator: torch.Generator | None = None) -> None:
        """Draw every element: by rejection, or by the inverse CDF in float64 for far tails.

        Not mmcv's numbers for a given seed: its inverse CDF in float32 puts a few elements of
        every 10⁸ on the cut points, however far away those are.
        """
        alpha, beta = self.cuts
        if mass(alpha, beta) < 0.2:
            flat = self.loc + self.scale * far_tail(tensor, alpha, beta, generator)
            tensor.copy_(flat.clamp_(self.low, self.high))
            return
        tensor.normal_(self.loc, self.scale, generator=generator)
        outside = (tensor < self.low) | (tensor > self.high)
        while count := int(outside.sum()):
            again = tensor.new_empty(count).normal_(self.loc, self.scale, generator=generator)
            tensor[outside] = again
            outside = (tensor < self.low) | (tensor > self.high)


@dataclass(frozen=True)
class OrthogonalMatrix(Law):
    """``gain`` times a random matrix with orthonormal rows (or columns, if it is tall).

    Haar-distributed: with n the longer side, an element divided by ``gain`` has the density
    ``Γ(n/2) / (√π Γ((n-1)/2)) · (1 - x²)^((n-3)/2)``, mean 0 and variance 1/n. Source: Saxe et al.
    2013, §3, https://arxiv.org/abs/1312.6120; drawn as Mezzadri 2007, §5, by QR with signs.
    """

    independent = False
    gain: float
    rows: int
    columns: int

    @property
    def longer(self) -> int:
        """The longer side of the matrix."""
        return max(self.rows, self.columns)

    @property
    def mean(self) -> float:
        """0 by symmetry."""
        return 0.0

    @property
    def std(self) -> float:
        """``|gain| / √n``."""
        return abs(self.gain) / math.sqrt(self.longer)

    @property
    def support(self) -> tuple[float, float]:
        """Plus and minus the gain: no row is longer."""
        return -abs(self.gain), abs(self.gain)

    def pdf(self, x: Tensor) -> Tensor:
        """Density of one element."""
        n = self.longer
        x = x.double() / abs(self.gain)
        if n == 1:
            return torch.where(x.abs() == 1, math.inf, 0.0).double()
        log = math.lgamma(n / 2) - math.lgamma((n - 1) / 2) - math.log(math.pi) / 2
        inside = (1 - x * x).clamp_min(0).pow((n - 3) / 2)
        return torch.where(x.abs() <= 1, inside * math.exp(log) / abs(self.gain), 0.0)

    def times(self, factor: float) -> Law:
        """Scale the gain."""
        return (
            OrthogonalMatrix(self.gain * factor, self.rows, self.columns)
            if factor
            else Constant(0.0)
        )

    @torch.no_grad()
    def fill(self, tensor: Tensor, generator: torch.Generator | None = None) -> None:
        """Draw the whole matrix: (out, in · kernel) of a weight; in float32 at least."""
        wide = tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()
        nn.init.orthogonal_(wide, self.gain, generator=generator)
        if wide is not tensor:
            tensor.copy_(wide)


def density(z: float) -> float:
    """φ(z), the standard normal density; 0 at ±inf."""
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def edge(z: float) -> float:
    """``z φ(z)``, 0 at ±inf."""
    return 0.0 if math.isinf(z) else z * density(z)


def mass(alpha: float, beta: float) -> float:
    """Φ(β) - Φ(α), taken in the tail where it loses no digits."""
    if alpha > 0:
        alpha, beta = -beta, -alpha
    return (math.erfc(-beta / math.sqrt(2)) - math.erfc(-alpha / math.sqrt(2))) / 2


def far_tail(like: Tensor, alpha: float, beta: float, generator: torch.Generator | None) -> Tensor:
    """Standard normal draws between two cuts, by the inverse CDF in float64."""
    flip = alpha > 0
    if flip:
        alpha, beta = -beta, -alpha
    lower, upper = math.erfc(-alpha / math.sqrt(2)) / 2, math.erfc(-beta / math.sqrt(2)) / 2
    u = torch.empty_like(like, dtype=torch.float64).uniform_(generator=generator)
    z = torch.special.ndtri(u.mul_(upper - lower).add_(lower)).clamp_(alpha, beta)
    return -z if flip else z
