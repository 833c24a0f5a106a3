"""One pass over a tensor in pieces of bounded size: range, moments and a dyadic histogram."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from brickbook.measure.bins import cell, finest, merge

__all__ = ["NARROW", "PIECE", "Scratch", "Tally", "pieces"]

# Long enough that torch's threads outweigh the calls, short enough that a piece and its scratch
# (16 MB) stay in the last-level cache of a small machine.
PIECE = {"cpu": 1 << 20, "cuda": 1 << 24}
PAIRED = 1 << 13  # from this length on, counting cells two at a time pays
PAIRED_BINS = 128
CANCELLED = 2.0**-10
HUGE = 2.0**1000  # beyond it, an edge may be no float64
NARROW = (torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Scratch:
    """Memory for one piece, used again for the next: fresh pages would cost more than the sums."""

    wide: Tensor  # float64
    narrow: Tensor  # float32

    @classmethod
    def of(cls, size: int, device: torch.device) -> Scratch:
        """Room for pieces of at most ``size`` elements."""
        return cls(
            torch.empty(size, dtype=torch.float64, device=device),
            torch.empty(size, dtype=torch.float32, device=device),
        )


@dataclass
class Tally:
    """What is known of the values seen so far; ``add`` takes more."""

    bins: int
    nan: int = 0
    inf: int = 0
    zeros: int = 0
    finite: int = 0
    mean: float = 0.0
    square: float = 0.0  # sum of squared distances from the mean
    low: float = math.inf
    high: float = -math.inf
    level: int = 0
    first: int = 0
    counts: list[int] = field(default_factory=list)

    def add(self, values: Tensor, scratch: Scratch) -> None:
        """Take a flat piece of float32 or float64 values."""
        size = len(values)
        if not size:
            return
        is_narrow = values.dtype == torch.float32
        # The least magnitude is cheaper to find than the number of zeros, and seldom zero.
        least = torch.abs(values, out=(scratch.narrow if is_narrow else scratch.wide)[:size]).amin()
        wide = scratch.wide[:size].copy_(values) if is_narrow else values
        seen = [*torch.aminmax(values), least, wide.sum(), torch.dot(wide, wide)]
        # One transfer for all of them, so that a device is waited for once.
        low, high, least, total, square = torch.stack([item.double() for item in seen]).tolist()
        if not (low >= -HUGE and high <= HUGE):
            self.add(self.without_holes(values), scratch)
            return
        if not least:
            self.zeros += size - int(torch.count_nonzero(values))
        self.blend(wide, total, square, scratch)
        self.widen(low, high)
        self.count(values, scratch)

    def without_holes(self, values: Tensor) -> Tensor:
        """The finite values; the others are only counted."""
        finite = values.double().abs() <= HUGE
        nan = int(torch.isnan(values).sum())
        self.nan += nan
        self.inf += len(values) - int(finite.sum()) - nan
        return values[finite]

    def blend(self, wide: Tensor, total: float, square: float, scratch: Scratch) -> None:
        """Join the mean and the squared distances of a piece with those so far.

        Source: Chan, Golub, LeVeque 1983, Algorithms for computing the sample variance, eq. 2.1.
        """
        count = len(wide)
        mean = total / count
        spread = square - total * mean
        if not spread > CANCELLED * square:
            # Far from zero for their spread: subtract first, then square.
            centred = torch.sub(wide, mean, out=scratch.wide[:count])
            spread = float(torch.dot(centred, centred))
        both = self.finite + count
        step = mean - self.mean
        self.square += spread + step * step * (self.finite * count / both)
        self.mean += step * (count / both)
        self.finite = both

    def widen(self, low: float, high: float) -> None:
        """Make room for values in ``[low, high]``."""
        if self.counts and self.low <= low and high <= self.high:
            return
        self.low, self.high = min(low, self.low), max(high, self.high)
        level = finest(self.low, self.high, self.bins)
        start = cell(self.low, level)
        room = cell(self.high, level) - start + 1
        self.counts = merge(self.counts, self.first, level - self.level, start, room)
        self.level, self.first = level, start

    def count(self, values: Tensor, scratch: Scratch) -> None:
        """Add the values to the cells they lie in."""
        room, size = len(self.counts), len(values)
        # Between these levels 2**-level is a float32, and scaling by it loses nothing.
        if values.dtype == torch.float32 and -120 <= self.level <= 0:
            index, spare = scratch.narrow[:size], scratch.wide.view(torch.int32)
        else:
            index, spare = scratch.wide[:size], scratch.narrow.view(torch.int32)
            values = values.to(torch.float64)
        torch.mul(values, math.ldexp(1.0, -self.level), out=index).floor_()
        if self.level > 0:
            index[(values < 0) & (index == 0)] = -1.0  # scaled down to -0.0
        index.sub_(float(self.first))
        found = occurrences(index, room, spare)
        self.counts = [old + new for old, new in zip(self.counts, found, strict=True)]


def occurrences(index: Tensor, room: int, spare: Tensor) -> list[int]:
    """How often each of ``0 .. room - 1`` occurs; overwrites ``index`` and ``spare``."""
    size, half = len(index), len(index) // 2
    if size < PAIRED or room > PAIRED_BINS:
        return torch.bincount(spare[:size].copy_(index), minlength=room).tolist()
    odd = int(index[-1]) if size % 2 else -1
    # Two cells in one number: half as many increments, and they rarely collide.
    pairs = torch.add(index[half : 2 * half], index[:half], alpha=room, out=index[:half])
    table = torch.bincount(spare.view(torch.int16)[:half].copy_(pairs), minlength=room * room).view(
        room, room
    )
    found = (table.sum(0) + table.sum(1)).tolist()
    if odd >= 0:
        found[odd] += 1
    return found


def pieces(tensor: Tensor, size: int) -> Iterator[Tensor]:
    """Cut a tensor into flat pieces of at most ``size`` elements, in no promised order.

    Only a piece that is not contiguous is copied.
    """
    # Outermost stride first: a tensor in channels_last, or a transposed one, is then contiguous.
    tensor = tensor.permute(sorted(range(tensor.dim()), key=lambda axis: -tensor.stride(axis)))
    if tensor.is_contiguous():
        parts = max(1, -(-tensor.numel() // size))
        yield from tensor.view(-1).tensor_split(parts)
    elif tensor.numel() <= size:
        yield tensor.reshape(-1)
    else:
        rows = max(1, size * len(tensor) // tensor.numel())
        for part in tensor.split(rows):
            yield from pieces(part if len(part) > 1 else part[0], size)
