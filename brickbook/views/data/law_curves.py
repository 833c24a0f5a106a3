"""What a law predicts of a histogram."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from brickbook.init.laws import Law

__all__ = [
    "CumulativeLaw",
    "continuous_moments",
    "cumulative_law",
    "density_curve",
    "expected_counts",
    "is_constant",
    "mass_interval",
]

DENSITY_STEPS = 2048
ROUNDING = 1e-9  # less than any share of a tensor: sums of shares are not exact


def is_constant(law: Law) -> bool:
    """Whether all elements have one value."""
    return len(law.atoms) == 1 and law.atoms[0][1] > 1 - ROUNDING


def continuous_moments(law: Law) -> tuple[float, float] | None:
    """Mean and standard deviation of what is not in the law's atoms; None if nothing is."""
    rest = 1 - sum(share for _, share in law.atoms)
    if rest < ROUNDING:
        return None
    if not law.atoms:
        return law.mean, law.std
    mean = (law.mean - sum(value * share for value, share in law.atoms)) / rest
    second = law.std**2 + law.mean**2 - sum(value**2 * share for value, share in law.atoms)
    return mean, math.sqrt(max(0.0, second / rest - mean**2))


def mass_interval(law: Law, deviations: float) -> tuple[float, float]:
    """Where the law has its mass: all atoms, and some standard deviations of the rest.

    ``deviations`` is how many, about the mean and in the support.
    """
    values = [value for value, _ in law.atoms]
    rest = continuous_moments(law)
    if rest is not None:
        low, high = law.support
        mean, std = rest
        values += [max(low, mean - deviations * std), min(high, mean + deviations * std)]
    return min(values), max(values)


def expected_counts(law: Law, edges: Sequence[float], total: int) -> list[float]:
    """How many of ``total`` elements the law expects in each bin.

    From the distribution function, summed over 2048 steps of eight standard deviations, so that
    laws far narrower and far wider than a bin come out right; an atom is all in its bin.
    """
    found = np.zeros(len(edges) - 1)
    if continuous_moments(law) is not None:
        ends = np.linspace(*mass_interval(law, 8.0), DENSITY_STEPS + 1)
        middles = torch.from_numpy((ends[1:] + ends[:-1]) / 2)
        mass = law.pdf(middles).numpy() * np.diff(ends)
        below = np.concatenate([[0.0], np.cumsum(mass)])
        found += np.diff(np.interp(edges, ends, below))
    for value, share in law.atoms:
        if edges[0] <= value <= edges[-1]:
            found[min(np.searchsorted(edges, value, side="right"), len(found)) - 1] += share
    return (found * total).tolist()


def density_curve(law: Law, scale: float, points: int = 201) -> tuple[list[float], list[float]]:
    """The density times ``scale`` over four standard deviations, down to 0 at finite ends.

    Without points where all of the law is in its atoms.
    """
    if continuous_moments(law) is None:
        return [], []
    low, high = mass_interval(law, 4.0)
    x = np.linspace(low, high, points)
    y = law.pdf(torch.from_numpy(x)).numpy() * scale
    # An element of an orthogonal 2 × 2 matrix has poles at both ends: nothing can draw them.
    y = np.minimum(y, y[np.isfinite(y)].max(initial=0.0))
    xs, ys = x.tolist(), y.tolist()
    if low == law.support[0]:
        xs, ys = [low, *xs], [0.0, *ys]
    if high == law.support[1]:
        xs, ys = [*xs, high], [*ys, 0.0]
    return xs, ys


CUMULATIVE_STEPS = 2048


class CumulativeLaw:
    """The part of a law that is not in its atoms."""

    def __init__(self, law: Law) -> None:
        self.points = np.linspace(*mass_interval(law, 8.0), CUMULATIVE_STEPS + 1)
        shares = np.asarray(expected_counts(law, self.points.tolist(), 1))
        for value, share in law.atoms:
            at = int(np.searchsorted(self.points, value, side="right")) - 1
            shares[min(at, len(shares) - 1)] -= share
        self.cumulative = np.concatenate([[0.0], np.cumsum(shares)])

    def expected_counts(self, edges: Sequence[float], total: int) -> list[float]:
        """Return how many of ``total`` elements the law expects between the edges."""
        return (np.diff(np.interp(edges, self.points, self.cumulative)) * total).tolist()


def cumulative_law(law: Law) -> CumulativeLaw | None:
    """Return the density of a law, or None where all of it is in its atoms."""
    return None if continuous_moments(law) is None else CumulativeLaw(law)
