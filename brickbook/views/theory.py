"""What a law promises of a histogram: the expected number of elements, as bins or as a curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from brickbook.init.laws import Law

__all__ = ["body", "curve", "expected", "is_constant", "spread"]

STEPS = 2048
ROUNDING = 1e-9  # less than any share of a tensor: sums of shares are not exact


def is_constant(law: Law) -> bool:
    """Whether all elements have one value."""
    return len(law.atoms) == 1 and law.atoms[0][1] > 1 - ROUNDING


def spread(law: Law) -> tuple[float, float] | None:
    """Mean and standard deviation of what is not in the law's atoms; None if nothing is."""
    rest = 1 - sum(share for _, share in law.atoms)
    if rest < ROUNDING:
        return None
    if not law.atoms:
        return law.mean, law.std
    mean = (law.mean - sum(value * share for value, share in law.atoms)) / rest
    second = law.std**2 + law.mean**2 - sum(value**2 * share for value, share in law.atoms)
    return mean, math.sqrt(max(0.0, second / rest - mean**2))


def body(law: Law, widths: float) -> tuple[float, float]:
    """Where the law has its mass: all atoms, and some standard deviations of the rest.

    ``widths`` says how many, about the mean and in the support.
    """
    values = [value for value, _ in law.atoms]
    rest = spread(law)
    if rest is not None:
        low, high = law.support
        mean, std = rest
        values += [max(low, mean - widths * std), min(high, mean + widths * std)]
    return min(values), max(values)


def expected(law: Law, edges: Sequence[float], total: int) -> list[float]:
    """How many of ``total`` elements the law expects in each bin.

    From the distribution function, summed over 2048 steps of eight standard deviations, so that
    laws far narrower and far wider than a bin come out right; an atom is all in its bin.
    """
    found = np.zeros(len(edges) - 1)
    if spread(law) is not None:
        ends = np.linspace(*body(law, 8.0), STEPS + 1)
        middles = torch.from_numpy((ends[1:] + ends[:-1]) / 2)
        mass = law.pdf(middles).numpy() * np.diff(ends)
        below = np.concatenate([[0.0], np.cumsum(mass)])
        found += np.diff(np.interp(edges, ends, below))
    for value, share in law.atoms:
        if edges[0] <= value <= edges[-1]:
            found[min(np.searchsorted(edges, value, side="right"), len(found)) - 1] += share
    return (found * total).tolist()


def curve(law: Law, scale: float, points: int = 201) -> tuple[list[float], list[float]]:
    """The density times ``scale`` over four standard deviations, down to 0 at finite ends.

    Without points where all of the law is in its atoms.
    """
    if spread(law) is None:
        return [], []
    low, high = body(law, 4.0)
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
