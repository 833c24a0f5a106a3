"""What a page gets of many tensors: numbers in one buffer, words by their place, all of it once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from brickbook.measure.snapshots import TensorStats
from brickbook.views.density import Density, density

if TYPE_CHECKING:
    from brickbook.init.laws import Law

__all__ = ["Listing", "Packing", "filled", "moments"]

# The narrowest that holds the largest count; the names are those of grid_cells.js.
CODES = (("u1", 2**8), ("u2", 2**16), ("u4", 2**32), ("f8", 2**53))


class Listing:
    """Values by their place, equal ones once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.places: dict[Hashable, int] = {}

    def place(self, key: Hashable, value: Any) -> int:
        """Return where the value of a key stands."""
        if key not in self.places:
            self.places[key] = len(self.values)
            self.values.append(value)
        return self.places[key]


class Packing:
    """A payload in the making: the buffer, and the lists that cells point into."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        self.held: dict[tuple[str, bytes], int] = {}
        self.modules, self.reasons, self.laws, self.rules = (Listing() for _ in range(4))
        self.densities: list[Density | None] = []

    def lists(self) -> dict[str, list[Any]]:
        """Return the lists by name."""
        names = ("modules", "reasons", "laws", "rules")
        return {name: getattr(self, name).values for name in names}

    def add(self, values: Sequence[float], code: str = "") -> list[object]:
        """Put numbers into the buffer, equal arrays once; return their place.

        Without a ``code`` they are whole and not negative, and take the narrowest type.
        """
        if not code:
            most = max(values, default=0)
            code = next((code for code, limit in CODES if most < limit), "f8")
        data = np.asarray(values, dtype=f"<{code}").tobytes()
        start = self.held.setdefault((code, data), len(self.bytes))
        if start == len(self.bytes):
            self.bytes += data
        return [code, start, len(values)]

    def law(self, law: Law) -> int:
        """Return the place of a law, with its density made ready."""
        # A law of one's own need not be hashable.
        key = law if type(law).__hash__ is not None else id(law)
        facts = {"text": str(law), "mean": short(law.mean), "std": short(law.std)}
        if law.atoms:
            facts["atoms"] = [[short(value), short(share)] for value, share in law.atoms]
        at = self.laws.place(key, facts)
        if at == len(self.densities):
            self.densities.append(density(law))
        return at

    def side(
        self,
        stats: TensorStats | None,
        law: Law | None,
        counts: Sequence[int],
        bins: Sequence[float],
        total: int,
    ) -> dict[str, Any]:
        """Pack what became of a tensor: its moments and counts, the law and what that expects.

        ``bins`` are the edges; ``total`` says how many values there are where there are no counts.
        """
        places: dict[str, list[object]] = {}
        if stats is not None:
            places["after"] = self.add(counts)
        found: dict[str, Any] = {"after": moments(stats), "at": places}
        if law is not None:
            found["law"] = self.law(law)
            curve = self.densities[found["law"]]
            if curve is not None and counts:
                places["law"] = self.add(curve.counts(bins, sum(counts) or total), "f4")
        return found


def filled(found: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what has no value."""
    # Not by equality: 0 is a value, and equal to False.
    return {k: v for k, v in found.items() if v is not None and v is not False and v != ""}


def moments(stats: TensorStats | None) -> list[float] | None:
    """Mean and standard deviation, where there are any."""
    if stats is None or stats.mean is None or stats.std is None:
        return None
    return [short(stats.mean), short(stats.std)]


def short(value: float) -> float:
    """Six digits: what anyone reads, and a third of the bytes."""
    return float(f"{value:.6g}")
