"""What of a DTensor is on this rank: local shards and their place in the whole tensor."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard, cast

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

__all__ = [
    "DTENSOR_MODULES",
    "KNOWN_PLACEMENTS",
    "Interval",
    "LocalShard",
    "gather",
    "is_sharded",
    "local_shard",
    "local_tensor",
    "row_major_boxes",
    "shard_intervals",
]


class Interval(NamedTuple):
    """An interval of one dimension: its start in the whole tensor and in the shard, its length."""

    start: int
    local_start: int
    length: int


class LocalShard(NamedTuple):
    """What this process holds of a tensor: the memory, and where it lies in the whole.

    ``spans`` are the stretches held of every dimension; the part is their product. ``first`` is
    the place in the whole of the part's first element, if the part is one stretch of the row-major
    whole and one of memory, else None.
    """

    local: Tensor
    shape: tuple[int, ...]
    intervals: tuple[tuple[Interval, ...], ...]
    offset: int | None

    @property
    def size(self) -> int:
        """How many elements the whole has."""
        return math.prod(self.shape)

    def contains(self, low: int, high: int) -> bool:
        """Return whether the whole's elements ``low`` to ``high`` are one stretch here."""
        first = self.offset
        return first is not None and first <= low and high <= first + self.local.numel()

    def overlaps(self, low: int, high: int) -> bool:
        """Return whether any of the elements ``low`` to ``high`` of the whole is here."""
        if self.offset is not None:
            return low < self.offset + self.local.numel() and self.offset < high
        return any(
            intersect(corner, sizes, box)
            for corner, sizes in row_major_boxes(self.shape, low, high)
            for box in product(*self.intervals)
        )

    def copy_from(self, drawn: Tensor, low: int) -> None:
        """Write what is here of ``drawn``: the flat elements of the whole from ``low`` on."""
        at = 0
        for corner, sizes in row_major_boxes(self.shape, low, low + drawn.numel()):
            count = math.prod(sizes)
            slab = drawn[at : at + count].view(sizes)
            at += count
            for box in product(*self.intervals):
                copy_intersection(slab, corner, self.local, box)


def copy_intersection(
    slab: Tensor, corner: Sequence[int], local: Tensor, box: Sequence[Interval]
) -> None:
    """Copy what a box of the whole, at ``corner``, has in common with one of a part."""
    overlap = intersect(corner, slab.shape, box)
    for dim, (start, stop) in enumerate(overlap):
        span = box[dim]
        slab = slab.narrow(dim, start - corner[dim], stop - start)
        local = local.narrow(dim, span.local_start + start - span.start, stop - start)
    if overlap:
        local.copy_(slab)


def row_major_boxes(
    shape: tuple[int, ...], low: int, high: int
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Cut a stretch of a row-major tensor into boxes, in order; yield corners and sizes.

    There are at most two for each dimension, but one for the first.

    >>> list(row_major_boxes((3, 4), 2, 12))
    [((0, 2), (1, 2)), ((1, 0), (2, 4))]
    """
    inner = shape[1:]
    row = math.prod(inner)
    begin, end = -(-low // row), high // row  # the rows that are in it from end to end
    pieces = [(begin - 1, low % row, row)] if low % row else []
    if begin > end:
        pieces = [(end, low % row, high % row)]
    for at, start, stop in pieces:
        for corner, sizes in row_major_boxes(inner, start, stop):
            yield (at, *corner), (1, *sizes)
    if begin < end:
        yield (begin, *(0 for _ in inner)), (end - begin, *inner)
    if begin <= end and high % row:
        for corner, sizes in row_major_boxes(inner, 0, high % row):
            yield (end, *corner), (1, *sizes)


def intersect(
    corner: Sequence[int], sizes: Sequence[int], box: Sequence[Interval]
) -> list[tuple[int, int]]:
    """Return where two boxes of the whole overlap, by dimension; an empty list if nowhere."""
    found = []
    for low, size, span in zip(corner, sizes, box, strict=True):
        start, stop = max(low, span.start), min(low + size, span.start + span.length)
        if start >= stop:
            return []
        found.append((start, stop))
    return found


def flat_offset(
    memory: Tensor, shape: Sequence[int], intervals: Sequence[Sequence[Interval]]
) -> int | None:
    """Return the place in the whole of a part's first element, if the part is one stretch."""
    if not memory.is_contiguous() or any(len(stretch) != 1 for stretch in intervals):
        return None
    box = [stretch[0] for stretch in intervals]
    rows = [dim for dim, span in enumerate(box) if span.length != 1]
    if any(box[dim].length != shape[dim] for dim in range(rows[0] + 1 if rows else 0, len(box))):
        return None
    return sum(span.start * math.prod(shape[dim + 1 :]) for dim, span in enumerate(box))


def to_intervals(runs: Iterable[range]) -> tuple[Interval, ...]:
    """Number the stretches of a dimension as they lie one after the other in the part."""
    spans, at = [], 0
    for run in runs:
        spans.append(Interval(run.start, at, len(run)))
        at += len(run)
    return tuple(spans)


def shard_intervals(runs: Sequence[range], ranks: int, rank: int, pieces: int = 1) -> list[range]:
    """Return what one of ``ranks`` gets of some stretches of a dimension.

    torch shards by chunks of equal length, of which the last may be shorter or empty; where a
    dimension was sharded before (``_StridedShard``), each of the ``pieces`` is.

    >>> shard_intervals([range(10)], 4, 2), shard_intervals([range(10)], 4, 3)
    ([range(6, 9)], [range(9, 10)])
    >>> shard_intervals([range(8)], 2, 1, pieces=2)
    [range(2, 4), range(6, 8)]
    """
    total = sum(map(len, runs))
    found: list[range] = []
    for piece in range(pieces):
        low, high = chunk_bounds(total, pieces, piece)
        begin, end = chunk_bounds(high - low, ranks, rank)
        at = 0
        for run in runs:
            some = run[max(0, low + begin - at) : max(0, low + end - at)]
            at += len(run)
            if some and found and found[-1].stop == some.start:
                found[-1] = range(found[-1].start, some.stop)
            elif some:
                found.append(some)
    return found


def chunk_bounds(size: int, count: int, number: int) -> tuple[int, int]:
    """Return where one of ``count`` chunks begins and ends."""
    length = -(-size // count)
    return min(size, number * length), min(size, (number + 1) * length)


PLAIN_TYPES = (Tensor, nn.Parameter)

DTENSOR_MODULES = (
    "torch.distributed.tensor",
    "torch.distributed._tensor",
)  # since torch 2.5, and before

KNOWN_PLACEMENTS = ("Replicate", "Shard", "_StridedShard")


def is_sharded(tensor: Tensor) -> TypeGuard[DTensor]:
    """Return whether a tensor is a DTensor, without loading the module for them."""
    if type(tensor) in PLAIN_TYPES:
        return False
    kinds = (getattr(sys.modules.get(name), "DTensor", None) for name in DTENSOR_MODULES)
    return any(kind is not None and isinstance(tensor, kind) for kind in kinds)


def local_tensor(tensor: Tensor) -> Tensor:
    """Return the memory of a tensor that is in this process: itself, unless it is a DTensor."""
    if not is_sharded(tensor):
        return tensor
    with torch.no_grad():
        return tensor.to_local()


def gather(tensor: Tensor) -> Tensor:
    """Return the whole of a DTensor, for which all its ranks must ask; another tensor as it is.

    A rank that has no part in it gets no elements.
    """
    if not is_sharded(tensor):
        return tensor
    with torch.no_grad():
        device = tensor.device_mesh.device_type
        if tensor.device.type != device:  # moved to the CPU, where the ranks do not talk
            tensor = cast("DTensor", tensor.to(device))
        return tensor.full_tensor()


def local_shard(tensor: Tensor) -> LocalShard:
    """Return the part of a tensor that this process holds: all of it, unless it is a DTensor.

    A tensor without dimensions counts as one of a single element.
    """
    memory = local_tensor(tensor)
    shape = tuple(tensor.shape) or (1,)
    if not tensor.dim():
        memory = memory.reshape(1) if memory.numel() else memory
    if is_sharded(tensor):
        spans = owned_intervals(tensor, shape)
        return LocalShard(memory, shape, spans, flat_offset(memory, shape, spans))
    spans = tuple([(Interval(0, 0, size),) for size in shape])
    return LocalShard(memory, shape, spans, 0 if memory.is_contiguous() else None)


def owned_intervals(tensor: DTensor, shape: Sequence[int]) -> tuple[tuple[Interval, ...], ...]:
    """Return the stretches of every dimension of a DTensor that this rank holds."""
    here = tensor.device_mesh.get_coordinate()
    if here is None:  # the rank is not in the tensor's mesh
        return tuple(() for _ in shape)
    runs = [[range(size)] for size in shape]
    for axis, placement in enumerate(cast("Sequence[Any]", tensor.placements)):
        if type(placement).__name__ != "Replicate":
            ranks, pieces = tensor.device_mesh.size(axis), getattr(placement, "split_factor", 1)
            runs[placement.dim] = shard_intervals(runs[placement.dim], ranks, here[axis], pieces)
    return tuple(map(to_intervals, runs))
