"""What a law promises of a histogram: the expected number of elements, as bins or as a curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from brickbook.init.laws import Law

__all__ = ["body", "curve", "expected"]

STEPS = 2048


def body(law: Law, widths: float) -> tuple[float, float]:
    """Where the law has its mass: ``widths`` standard deviations about the mean, in its support."""
    low, high = law.support
    reach = widths * law.std
    return max(low, law.mean - reach), min(high, law.mean + reach)


def expected(law: Law, edges: Sequence[float], total: int) -> list[float]:
    """How many of ``total`` elements the law expects in each bin; the law is no point mass.

    From the distribution function, summed over 2048 steps of eight standard deviations, so that
    laws far narrower and far wider than a bin come out right.
    """
    ends = np.linspace(*body(law, 8.0), STEPS + 1)
    middles = torch.from_numpy((ends[1:] + ends[:-1]) / 2)
    mass = law.pdf(middles).numpy() * np.diff(ends)
    below = np.concatenate([[0.0], np.cumsum(mass)])
    return (np.diff(np.interp(edges, ends, below)) * total).tolist()


def curve(law: Law, scale: float, points: int = 201) -> tuple[list[float], list[float]]:
    """The density times ``scale`` over four standard deviations, down to 0 at finite ends."""
    low, high = body(law, 4.0)
    x = np.linspace(low, high, points)
    y = law.pdf(torch.from_numpy(x)).numpy() * scale
    xs, ys = x.tolist(), y.tolist()
    if low == law.support[0]:
        xs, ys = [low, *xs], [0.0, *ys]
    if high == law.support[1]:
        xs, ys = [*xs, high], [*ys, 0.0]
    return xs, ys
