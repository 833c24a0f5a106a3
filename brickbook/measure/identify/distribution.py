"""Whether numbers follow a law, by their distribution alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from brickbook.init.laws import (
    Law,
    Normal,
    TruncNormal,
    Uniform,
    normal_mass,
)

__all__ = [
    "SAMPLE",
    "cdf_of",
    "is_discrete",
    "is_normal_like",
    "is_roughly",
    "ks",
    "sample_of",
    "without_outliers",
]

SAMPLE = 512  # elements that a candidate is tried on first


def is_discrete(values: Tensor) -> bool:
    """Whether many of the numbers are equal but for their sign, as after Adam's step from 0."""
    sample = sample_of(values).abs()
    return len(sample.unique()) < 0.7 * len(sample)


def sample_of(values: Tensor, count: int = SAMPLE) -> Tensor:
    """Return some of the numbers, evenly."""
    return values[:: max(1, len(values) // count)][:count]


def is_normal_like(values: Tensor) -> bool:
    """Whether numbers are roughly those of a normal law about 0, perhaps cut."""
    return is_roughly(values, Normal(0.0, float(values.double().square().mean().sqrt())))


def is_roughly(values: Tensor, law: Law) -> bool:
    """Whether the distribution of numbers is about that of a law; some may have been moved."""
    sample = sample_of(values).double().sort().values
    cdf = cdf_of(law)
    return cdf is not None and ks(sample, cdf) <= 3 + 0.06 * math.sqrt(len(sample))


def without_outliers(values: Tensor) -> Tensor:
    """Leave out the few numbers that the inverse of a normal CDF put on a cut point far away."""
    limit = 10 * float(values.abs().median())  # 6.7 standard deviations of a normal law
    beyond = values.abs() > limit
    count = int(beyond.sum())
    return values[~beyond] if 0 < count <= 2 + len(values) / 1e6 else values


def cdf_of(law: Law) -> Callable[[Tensor], Tensor] | None:
    """Return the distribution function of a law, for those that have one here."""
    if isinstance(law, Uniform):
        width = law.high - law.low
        return (lambda x: ((x - law.low) / width).clamp(0, 1)) if width else None
    if isinstance(law, Normal):
        return lambda x: torch.special.ndtr((x - law.mean) / law.std)
    if isinstance(law, TruncNormal):
        alpha, beta = law.standardized_bounds
        start, mass = normal_mass(-math.inf, alpha), normal_mass(alpha, beta)
        return lambda x: ((torch.special.ndtr((x - law.loc) / law.scale) - start) / mass).clamp(
            0, 1
        )
    return None


def ks(ordered: Tensor, cdf: Callable[[Tensor], Tensor]) -> float:
    """Return Kolmogorov's and Smirnov's ``D √n`` of ordered numbers for a CDF."""
    n = len(ordered)
    places = torch.arange(n + 1, dtype=torch.float64) / n
    expected = cdf(ordered)
    off = torch.maximum(places[1:] - expected, expected - places[:-1]).max()
    return float(off) * math.sqrt(n)
