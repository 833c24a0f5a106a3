"""Where a part of a tensor lies in the whole, and how numbers that were drawn reach it.

Numbers are drawn in blocks of the whole tensor's elements, in row-major order; a part is any
product of stretches of the dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

from torch import Tensor

__all__ = ["Part", "Span", "beginning", "chunk", "common", "slabs", "spans_of", "stretches"]


class Span(NamedTuple):
    """A stretch of one dimension: its start in the whole tensor and in the part, its length."""

    start: int
    at: int
    length: int


class Part(NamedTuple):
    """What this process holds of a tensor: the memory, and where it lies in the whole.

    ``spans`` are the stretches held of every dimension; the part is their product. ``first`` is
    the place in the whole of the part's first element, if the part is one stretch of the row-major
    whole and one of memory, else None.
    """

    local: Tensor
    shape: tuple[int, ...]
    spans: tuple[tuple[Span, ...], ...]
    first: int | None

    @property
    def size(self) -> int:
        """How many elements the whole has."""
        return math.prod(self.shape)

    def holds(self, low: int, high: int) -> bool:
        """Return whether the whole's elements ``low`` to ``high`` are one stretch here."""
        first = self.first
        return first is not None and first <= low and high <= first + self.local.numel()

    def meets(self, low: int, high: int) -> bool:
        """Return whether any of the elements ``low`` to ``high`` of the whole is here."""
        if self.first is not None:
            return low < self.first + self.local.numel() and self.first < high
        return any(
            common(corner, sizes, box)
            for corner, sizes in slabs(self.shape, low, high)
            for box in product(*self.spans)
        )

    def put(self, drawn: Tensor, low: int) -> None:
        """Write what is here of ``drawn``: the flat elements of the whole from ``low`` on."""
        at = 0
        for corner, sizes in slabs(self.shape, low, low + drawn.numel()):
            count = math.prod(sizes)
            slab = drawn[at : at + count].view(sizes)
            at += count
            for box in product(*self.spans):
                copy_common(slab, corner, self.local, box)


def copy_common(slab: Tensor, corner: Sequence[int], local: Tensor, box: Sequence[Span]) -> None:
    """Copy what a box of the whole, at ``corner``, has in common with one of a part."""
    overlap = common(corner, slab.shape, box)
    for dim, (start, stop) in enumerate(overlap):
        span = box[dim]
        slab = slab.narrow(dim, start - corner[dim], stop - start)
        local = local.narrow(dim, span.at + start - span.start, stop - start)
    if overlap:
        local.copy_(slab)


def slabs(
    shape: tuple[int, ...], low: int, high: int
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Cut a stretch of a row-major tensor into boxes, in order; yield corners and sizes.

    There are at most two for each dimension, but one for the first.

    >>> list(slabs((3, 4), 2, 12))
    [((0, 2), (1, 2)), ((1, 0), (2, 4))]
    """
    inner = shape[1:]
    row = math.prod(inner)
    begin, end = -(-low // row), high // row  # the rows that are in it from end to end
    pieces = [(begin - 1, low % row, row)] if low % row else []
    if begin > end:
        pieces = [(end, low % row, high % row)]
    for at, start, stop in pieces:
        for corner, sizes in slabs(inner, start, stop):
            yield (at, *corner), (1, *sizes)
    if begin < end:
        yield (begin, *(0 for _ in inner)), (end - begin, *inner)
    if begin <= end and high % row:
        for corner, sizes in slabs(inner, 0, high % row):
            yield (end, *corner), (1, *sizes)


def common(
    corner: Sequence[int], sizes: Sequence[int], box: Sequence[Span]
) -> list[tuple[int, int]]:
    """Return where two boxes of the whole overlap, by dimension; an empty list if nowhere."""
    found = []
    for low, size, span in zip(corner, sizes, box, strict=True):
        start, stop = max(low, span.start), min(low + size, span.start + span.length)
        if start >= stop:
            return []
        found.append((start, stop))
    return found


def beginning(memory: Tensor, shape: Sequence[int], spans: Sequence[Sequence[Span]]) -> int | None:
    """Return the place in the whole of a part's first element, if the part is one stretch."""
    if not memory.is_contiguous() or any(len(stretch) != 1 for stretch in spans):
        return None
    box = [stretch[0] for stretch in spans]
    rows = [dim for dim, span in enumerate(box) if span.length != 1]
    if any(box[dim].length != shape[dim] for dim in range(rows[0] + 1 if rows else 0, len(box))):
        return None
    return sum(span.start * math.prod(shape[dim + 1 :]) for dim, span in enumerate(box))


def spans_of(runs: Iterable[range]) -> tuple[Span, ...]:
    """Number the stretches of a dimension as they lie one after the other in the part."""
    spans, at = [], 0
    for run in runs:
        spans.append(Span(run.start, at, len(run)))
        at += len(run)
    return tuple(spans)


def stretches(runs: Sequence[range], ranks: int, rank: int, pieces: int = 1) -> list[range]:
    """Return what one of ``ranks`` gets of some stretches of a dimension.

    torch shards by chunks of equal length, of which the last may be shorter or empty; where a
    dimension was sharded before (``_StridedShard``), each of the ``pieces`` is.

    >>> stretches([range(10)], 4, 2), stretches([range(10)], 4, 3)
    ([range(6, 9)], [range(9, 10)])
    >>> stretches([range(8)], 2, 1, pieces=2)
    [range(2, 4), range(6, 8)]
    """
    total = sum(map(len, runs))
    found: list[range] = []
    for piece in range(pieces):
        low, high = chunk(total, pieces, piece)
        begin, end = chunk(high - low, ranks, rank)
        at = 0
        for run in runs:
            some = run[max(0, low + begin - at) : max(0, low + end - at)]
            at += len(run)
            if some and found and found[-1].stop == some.start:
                found[-1] = range(found[-1].start, some.stop)
            elif some:
                found.append(some)
    return found


def chunk(size: int, count: int, number: int) -> tuple[int, int]:
    """Return where one of ``count`` chunks begins and ends."""
    length = -(-size // count)
    return min(size, number * length), min(size, (number + 1) * length)
