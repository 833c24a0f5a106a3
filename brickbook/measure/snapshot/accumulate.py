"""One pass over a tensor in pieces of bounded size: range, moments and a dyadic histogram."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from brickbook.measure.snapshot.histogram import cell_index, finest_level, merge_counts

__all__ = ["CHUNK_SIZE", "FLOAT32_EXACT", "StreamingHistogram", "Workspace", "iter_chunks"]

# Long enough that torch's threads outweigh the calls, short enough that a piece and its workspace
# (4 MB) stay in the second-level caches of two cores.
CHUNK_SIZE = {"cpu": 1 << 18, "cuda": 1 << 24}
PAIRED = 1 << 13  # from this length on, counting cells two at a time pays
PAIRED_BINS = 128
CANCELLATION = 2.0**-10
LARGEST = 2.0**1000  # beyond it, an edge may be no float64
FLOAT32_EXACT = (torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Workspace:
    """Memory for one piece, used again for the next: fresh pages would cost more than the sums."""

    wide: Tensor  # float64
    narrow: Tensor  # float32

    @classmethod
    def allocate(cls, size: int, device: torch.device) -> Workspace:
        """Room for pieces of at most ``size`` elements."""
        return cls(
            torch.empty(size, dtype=torch.float64, device=device),
            torch.empty(size, dtype=torch.float32, device=device),
        )


@dataclass
class StreamingHistogram:
    """Range, moments and histogram of the values added so far; `add` takes a piece of them."""

    bins: int
    nan: int = 0
    inf: int = 0
    zeros: int = 0
    finite: int = 0
    mean: float = 0.0
    squared_deviations: float = 0.0  # sum of squared distances from the mean
    low: float = math.inf
    high: float = -math.inf
    level: int = 0
    first: int = 0
    counts: list[int] = field(default_factory=list)

    def add(self, values: Tensor, workspace: Workspace) -> None:
        """Take a flat piece of float32 or float64 values."""
        size = values.numel()
        if not size:
            return
        is_narrow = values.dtype == torch.float32
        # The least magnitude is cheaper to find than the number of zeros, and seldom zero.
        least = torch.abs(
            values, out=(workspace.narrow if is_narrow else workspace.wide)[:size]
        ).amin()
        wide = workspace.wide[:size].copy_(values) if is_narrow else values
        low, high, least, total, square = read_numbers(
            (values.amin(), values.amax(), least, wide.sum(), torch.dot(wide, wide))
        )
        if not (low >= -LARGEST and high <= LARGEST):
            self.add(self.drop_nonfinite(values), workspace)
            return
        if not least:
            self.zeros += size - int(torch.count_nonzero(values))
        self.merge_moments(wide, total, square, workspace)
        self.extend_range(low, high)
        self.count_cells(values, workspace)

    def drop_nonfinite(self, values: Tensor) -> Tensor:
        """The finite values; the others are only counted."""
        finite = values.double().abs() <= LARGEST
        nan = int(torch.isnan(values).sum())
        self.nan += nan
        self.inf += len(values) - int(finite.sum()) - nan
        return values[finite]

    def merge_moments(
        self, wide: Tensor, total: float, sum_of_squares: float, workspace: Workspace
    ) -> None:
        """Join the mean and the squared distances of a piece with those so far.

        Source: Chan, Golub, LeVeque 1983, Algorithms for computing the sample variance, eq. 2.1.
        """
        count = wide.numel()
        mean = total / count
        spread = sum_of_squares - total * mean
        if not spread > CANCELLATION * sum_of_squares:
            # Far from zero for their spread: subtract first, then square.
            centred = torch.sub(wide, mean, out=workspace.wide[:count])
            spread = float(torch.dot(centred, centred))
        both = self.finite + count
        step = mean - self.mean
        self.squared_deviations += spread + step * step * (self.finite * count / both)
        self.mean += step * (count / both)
        self.finite = both

    def extend_range(self, low: float, high: float) -> None:
        """Extend the range to values in ``[low, high]``."""
        if self.counts and self.low <= low and high <= self.high:
            return
        self.low, self.high = min(low, self.low), max(high, self.high)
        level = finest_level(self.low, self.high, self.bins)
        start = cell_index(self.low, level)
        cells = cell_index(self.high, level) - start + 1
        self.counts = merge_counts(self.counts, self.first, level - self.level, start, cells)
        self.level, self.first = level, start

    def count_cells(self, values: Tensor, workspace: Workspace) -> None:
        """Add the values to the cells they lie in."""
        cells, size = len(self.counts), values.numel()
        # Between these levels 2**-level is a float32, and scaling by it loses nothing.
        if values.dtype == torch.float32 and -120 <= self.level <= 0:
            index, spare = workspace.narrow[:size], workspace.wide.view(torch.int32)
        else:
            index, spare = workspace.wide[:size], workspace.narrow.view(torch.int32)
            values = values.to(torch.float64)
        torch.mul(values, math.ldexp(1.0, -self.level), out=index).floor_()
        if self.level > 0:
            index[(values < 0) & (index == 0)] = -1.0  # scaled down to -0.0
        index.sub_(float(self.first))
        found = count_occurrences(index, cells, spare)
        self.counts = [old + new for old, new in zip(self.counts, found, strict=True)]


def read_numbers(scalars: Sequence[Tensor]) -> list[float]:
    """Return the numbers of tensors of one element each; a device is waited for once."""
    if scalars[0].device.type == "cpu":
        return [scalar.item() for scalar in scalars]
    return torch.stack([scalar.double() for scalar in scalars]).tolist()


def count_occurrences(index: Tensor, cells: int, spare: Tensor) -> list[int]:
    """How often each of ``0 .. cells - 1`` occurs; overwrites ``index`` and ``spare``."""
    size = index.numel()
    half = size // 2
    if size < PAIRED or cells > PAIRED_BINS:
        return torch.bincount(spare[:size].copy_(index), minlength=cells).tolist()
    odd = int(index[-1]) if size % 2 else -1
    # Two cells in one number: half as many increments, and they rarely collide.
    pairs = torch.add(index[half : 2 * half], index[:half], alpha=cells, out=index[:half])
    table = torch.bincount(
        spare.view(torch.int16)[:half].copy_(pairs), minlength=cells * cells
    ).view(cells, cells)
    found = (table.sum(0) + table.sum(1)).tolist()
    if odd >= 0:
        found[odd] += 1
    return found


def iter_chunks(tensor: Tensor, size: int) -> Iterator[Tensor]:
    """Cut a tensor into flat pieces of at most ``size`` elements, in no promised order.

    Only a piece that is not contiguous is copied.
    """
    if tensor.numel() <= size and tensor.is_contiguous():
        yield tensor.view(-1)
        return
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
            yield from iter_chunks(part if len(part) > 1 else part[0], size)
