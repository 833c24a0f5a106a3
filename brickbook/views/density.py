"""What a law expects of any bins: its density summed up once, for all tensors that follow it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from brickbook.views.theory import body, expected, spread

if TYPE_CHECKING:
    from brickbook.init.laws import Law

__all__ = ["Density", "density"]

STEPS = 2048


class Density:
    """The part of a law that is not in its atoms."""

    def __init__(self, law: Law) -> None:
        self.steps = np.linspace(*body(law, 8.0), STEPS + 1)
        shares = np.asarray(expected(law, self.steps.tolist(), 1))
        for value, share in law.atoms:
            at = int(np.searchsorted(self.steps, value, side="right")) - 1
            shares[min(at, len(shares) - 1)] -= share
        self.below = np.concatenate([[0.0], np.cumsum(shares)])

    def counts(self, edges: Sequence[float], total: int) -> list[float]:
        """Return how many of ``total`` elements the law expects between the edges."""
        return (np.diff(np.interp(edges, self.steps, self.below)) * total).tolist()


def density(law: Law) -> Density | None:
    """Return the density of a law, or None where all of it is in its atoms."""
    return None if spread(law) is None else Density(law)
