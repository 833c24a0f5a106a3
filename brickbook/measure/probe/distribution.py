"""How the numbers of a signal lie: its histogram, and its units one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from brickbook.measure.snapshot.accumulate import StreamingHistogram, Workspace
from brickbook.measure.snapshot.histogram import (
    bin_edges,
    cell_index,
    level_of,
    merge_counts,
    width_of,
)
from brickbook.records import read_fields

__all__ = [
    "DEFAULT_BINS",
    "SignalHistogram",
    "UnitStats",
    "even_sample",
    "flat_view",
    "histogram",
    "merge_histograms",
    "unit_stats",
]

DEFAULT_BINS = 64
MAX_SAMPLE = 1 << 15  # of a larger tensor so many numbers, evenly spread, stand for all
STEPS = (
    3,
    5,
    7,
    11,
    13,
    17,
    19,
    23,
    29,
    31,
    37,
    41,
    43,
    47,
    53,
    59,
    61,
    67,
    71,
    73,
    79,
    83,
    89,
    97,
)


@dataclass(frozen=True)
class SignalHistogram:
    """Counts in bins of one width, from ``low`` on; widths are powers of two.

    Of more than 32,768 numbers, about so many that lie evenly apart are counted. NaN and infinite
    ones are left out.
    """

    low: float
    width: float
    counts: tuple[int, ...]

    @property
    def edges(self) -> tuple[float, ...]:
        """The edges of the bins, one more than there are bins."""
        return bin_edges(self.low, self.width, len(self.counts))

    @property
    def count(self) -> int:
        """How many numbers were counted."""
        return sum(self.counts)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None, path: str) -> SignalHistogram | None:
        """Undo ``dataclasses.asdict``; None stays."""
        return None if data is None else cls(**read_fields(cls, data, path))


@dataclass(frozen=True)
class UnitStats:
    """Mean and std of each unit, over samples and places; None where they are not finite.

    ``grads`` are the stds of the gradient by the unit, None where there is none.
    """

    means: tuple[float | None, ...]
    stds: tuple[float | None, ...]
    grads: tuple[float | None, ...] | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None, path: str) -> UnitStats | None:
        """Undo ``dataclasses.asdict``; None stays."""
        return None if data is None else cls(**read_fields(cls, data, path))


def flat_view(x: Tensor) -> Tensor:
    """Return the elements in one row, in the order of memory: a view wherever one can be."""
    return x.permute(sorted(range(x.dim()), key=lambda axis: -x.stride(axis))).reshape(-1)


def even_sample(x: Tensor, limit: int) -> Tensor:
    """Return about ``limit`` elements of a larger tensor, evenly apart, else all, in one row."""
    flat = flat_view(x)
    if len(flat) <= limit:
        return flat
    least = len(flat) // limit
    # A step that divides no size goes through all columns and channels alike.
    primes = (step for step in STEPS if step >= least and all(n % step for n in x.shape))
    return flat[:: next(primes, least | 1)].contiguous()


@torch.no_grad()
def histogram(x: Tensor, bins: int) -> SignalHistogram | None:
    """Return the histogram of float32 or float64 numbers; None if none is finite."""
    flat = even_sample(x, MAX_SAMPLE)
    found = StreamingHistogram(bins)
    found.add(flat, Workspace.allocate(len(flat), flat.device))
    if not found.counts:
        return None
    width = width_of(found.level)
    return SignalHistogram(found.first * width, width, tuple(found.counts))


def merge_histograms(parts: Sequence[SignalHistogram], bins: int) -> SignalHistogram | None:
    """Return one histogram of what several have counted, in ``bins`` bins at most; None of none.

    >>> low, high = SignalHistogram(0.0, 0.5, (3, 1)), SignalHistogram(1.0, 1.0, (2,))
    >>> merge_histograms([low, high], 64)
    SignalHistogram(low=0.0, width=1.0, counts=(4, 2))
    """
    if not parts:
        return None
    level = max(level_of(part.width) for part in parts)
    low, high = min(part.low for part in parts), max(part.edges[-2] for part in parts)
    while cell_index(high, level) - cell_index(low, level) >= bins:
        level += 1
    start = cell_index(low, level)
    cells = cell_index(high, level) - start + 1
    total = [0] * cells
    for part in parts:
        own = level_of(part.width)
        found = merge_counts(part.counts, cell_index(part.low, own), level - own, start, cells)
        total = [old + new for old, new in zip(total, found, strict=True)]
    return SignalHistogram(start * width_of(level), width_of(level), tuple(total))


@torch.no_grad()
def unit_stats(x: Tensor, axis: int) -> tuple[tuple[float | None, ...], ...]:
    """Return mean and std of each unit along an axis."""
    others = [at for at in range(x.dim()) if at != axis]
    if not others:
        return known_numbers(x), (0.0,) * len(x)
    means = x.mean(others, keepdim=True)
    stds = (x - means).square().mean(others).sqrt()
    return known_numbers(means.flatten()), known_numbers(stds)


def known_numbers(values: Tensor) -> tuple[float | None, ...]:
    """Return numbers, None for those that are not finite."""
    return tuple(value if math.isfinite(value) else None for value in values.tolist())
