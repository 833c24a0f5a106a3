"""Bins on a dyadic grid: widths are powers of two and edges are multiples of them.

A value ``x`` lies in the cell ``floor(x / 2**level)``. Scaling by a power of two and taking the
floor are both exact, so one cell of a level is the union of two cells of the level below, and two
histograms of any origin can be added up onto common edges without moving a single element.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["bin_edges", "cell_index", "finest_level", "level_of", "merge_counts", "width_of"]

LOWEST_LEVEL = -1022  # below it a width, or its inverse, is no normal float64


def cell_index(value: float, level: int) -> int:
    """Index of the half-open cell of width ``2**level`` that holds a finite ``value``."""
    index = math.floor(math.ldexp(value, -level))
    # A tiny negative value that is scaled down to -0.0 still lies left of zero.
    return -1 if index == 0 and value < 0 else index


def finest_level(low: float, high: float, bins: int) -> int:
    """Smallest level at which ``[low, high]`` touches at most ``bins`` cells.

    It never falls as the range grows, and never below the spacing of float64 at the ends, so
    every edge is a float64 too. ``bins`` is at least 2: zero is an edge of every level.
    """
    # Halved first: high - low may be too large for a float64.
    half = (high / 2 - low / 2) / bins
    level = max(LOWEST_LEVEL, level_of(math.ulp(max(abs(low), abs(high)))))
    level = max(level, math.frexp(half)[1] + 1) if half else level
    while cell_index(high, level) - cell_index(low, level) >= bins:
        level += 1
    return level


def level_of(width: float) -> int:
    """The level of a width, which is a power of two."""
    return math.frexp(width)[1] - 1


def width_of(level: int) -> float:
    """The width of a level's cells."""
    return math.ldexp(1.0, level)


def bin_edges(low: float, width: float, bins: int) -> tuple[float, ...]:
    """The ``bins + 1`` edges, ascending; none for no bins."""
    return tuple(low + width * step for step in range(bins + 1)) if bins else ()


def merge_counts(
    counts: Sequence[int], first: int, shift: int, window_start: int, window_cells: int
) -> list[int]:
    """Return the counts of a window of cells, ``shift`` levels above those of ``counts``.

    ``first`` is the cell of ``counts[0]`` at its own level. Every counted cell must lie in the
    window.
    """
    total = [0] * window_cells
    for index, count in enumerate(counts, first):
        if count:
            total[(index >> shift) - window_start] += count
    return total
