"""What is known of the memory of tensors: the whole, the parts, and who has written them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from brickbook.init.laws import Constant, Law, RowSections
from brickbook.init.tracing.calls import Call
from brickbook.init.tracing.contents import CODE, EMPTY, VALUES, Content, Kind
from brickbook.introspect import covers_storage

__all__ = ["Extent", "Holding", "Memory", "Part", "Write", "extent_of", "holding_of"]

LARGEST_MAP = 1 << 20  # elements of a storage whose parts are looked at one by one
MOST_RUNS = 1000  # of elements that hold the same, in one tensor


class Extent(NamedTuple):
    """Which elements of a storage a tensor is."""

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def span(self) -> tuple[int, int]:
        """The first and the last of the elements; a part without elements ends before it begins."""
        if 0 in self.shape:
            return self.offset, self.offset - 1
        steps = ((size - 1) * step for size, step in zip(self.shape, self.strides, strict=True))
        return self.offset, self.offset + sum(steps)


@dataclass
class Write:
    """One call that has written a storage, or a part of it.

    Attributes:
        call: who.
        text: the function or operation, with its arguments.
        content: what was there after it.
        extent: the part that was written; None for the whole storage.
        stands: whether anything of it is left.
        number: its place among all writes of the watch.
    """

    call: Call
    text: str
    content: Content
    extent: Extent | None
    stands: bool = True
    number: int = 0


class Part(NamedTuple):
    """A part of a storage that was written by itself."""

    extent: Extent
    content: Content


@dataclass
class Memory:
    """What is known of a storage: the whole, the parts that were written since, and all writes.

    ``layout`` is the tensor that the law of the whole is of: a matrix's law holds for no other.
    """

    whole: Content
    layout: Extent | None = None
    parts: list[Part] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    born: Call | None = None

    @property
    def contents(self) -> list[Content]:
        """What the whole and the parts hold, under one another."""
        return [self.whole.of_a_part(), *(part.content for part in self.parts)]

    def read(self, tensor: Tensor) -> Content:
        """Return what a tensor of this storage holds."""
        if self.parts and all(content.is_fixed for content in self.contents):
            return blended(
                self.contents
            )  # on the way to something: which part is where is no matter
        holding = holding_of(tensor, self)
        return holding.content if holding.padding is None else CODE

    def adopt(self, other: Memory) -> None:
        """Take over what is known of another storage, of which this one is a copy."""
        self.whole, self.layout, self.parts = other.whole, other.layout, list(other.parts)

    def whole_in(self, tensor: Tensor) -> Content:
        """Return what a tensor holds of what was written with the whole storage."""
        own, of = extent_of(tensor), self.layout
        if not covers_storage(tensor) or of is None:
            return self.whole.of_a_part()
        same_rows = own.shape[:1] == of.shape[:1] and is_dense(own) and is_dense(of)
        return self.whole if own == of or same_rows else self.whole.of_a_part()


class Run(NamedTuple):
    """Elements of a tensor one after the other, in row-major order, that hold the same.

    ``parts`` are the places, in the memory's list of parts, of those that they are in; -1 is the
    storage as a whole.
    """

    elements: int
    content: Content
    parts: frozenset[int]


class Holding(NamedTuple):
    """What a tensor holds.

    Attributes:
        content: its content.
        padding: the one row of it that is 0 though the others are drawn.
        whole_is_left: whether an element is left that was written with the whole storage.
    """

    content: Content
    padding: int | None = None
    whole_is_left: bool = True


def holding_of(tensor: Tensor, memory: Memory) -> Holding:
    """Return what a tensor holds, from what is known of its storage."""
    if not memory.parts:
        return Holding(memory.whole_in(tensor))
    runs = runs_of(tensor, memory)
    if runs is None:
        return Holding(CODE)
    content, padding = join_runs(tensor, runs)
    return Holding(content, padding, any(-1 in run.parts for run in runs))


def join_runs(tensor: Tensor, runs: Sequence[Run]) -> tuple[Content, int | None]:
    """Return the content of a tensor of several runs, and its padding row."""
    contents = [run.content for run in runs]
    if len(contents) == 1:
        return contents[0], None
    laws = [content.law for content in contents if content.law is not None]
    size = tensor[0].numel() if tensor.dim() else 1
    starts = [0]
    for run in runs:
        starts.append(starts[-1] + run.elements)
    if len(laws) < len(runs) or any(start % size for start in starts):
        return blended(contents), None
    sections = [(law, run.elements // size) for law, run in zip(laws, runs, strict=True)]
    padded = padding_row(sections) if tensor.dim() == 2 else None
    if padded is not None:
        return next(content for content in contents if content.law != Constant(0.0)), padded
    return Content(Kind.LAW, RowSections(*map(tuple, zip(*sections, strict=True)))), None


def padding_row(sections: Sequence[tuple[Law, int]]) -> int | None:
    """Return the one row of zeros among rows of one random law."""
    zeros = [at for at, section in enumerate(sections) if section == (Constant(0.0), 1)]
    others = {law for law, _ in sections if law != Constant(0.0)}
    if len(zeros) == 1 and len(others) == 1 and others.pop().is_random():
        return sum(rows for _, rows in sections[: zeros[0]])
    return None


def runs_of(tensor: Tensor, memory: Memory) -> list[Run] | None:
    """Return what the elements of a tensor hold, one run after the other; None if it is unclear."""
    extent = extent_of(tensor)
    if is_dense(extent) and all(is_dense(part.extent) for part in memory.parts):
        pieces = [(extent.offset, extent.offset + tensor.numel(), -1)]
        for number, part in enumerate(memory.parts):
            pieces = overlaid(pieces, part, number)
        return merged([(stop - start, number) for start, stop, number in pieces], memory)
    elements = tensor.untyped_storage().nbytes() // max(tensor.element_size(), 1)
    if elements > LARGEST_MAP:
        return (
            None
            if EMPTY in memory.contents
            else [Run(tensor.numel(), blended(memory.contents), frozenset({-1}))]
        )
    owners = torch.full((elements,), -1, dtype=torch.int32, device="cpu")
    for number, part in enumerate(memory.parts):
        owners.as_strided(part.extent.shape, part.extent.strides, part.extent.offset).fill_(number)
    own = owners.as_strided(extent.shape, extent.strides, extent.offset).reshape(-1)
    numbers, counts = torch.unique_consecutive(own, return_counts=True)
    if len(numbers) > MOST_RUNS:  # columns, say: what matters is which parts are met at all
        met = torch.unique(own).tolist()
        found = merged([(1, number) for number in met], memory)
        return [Run(tensor.numel(), blended([run.content for run in found]), frozenset(met))]
    return merged(list(zip(counts.tolist(), numbers.tolist(), strict=True)), memory)


def blended(contents: Sequence[Content]) -> Content:
    """Return what a tensor holds whose elements hold different things in no simple order."""
    if all(content == contents[0].of_a_part() for content in contents):
        return contents[0]
    if EMPTY in contents:
        return EMPTY
    return VALUES if all(content.is_fixed for content in contents) else CODE


def is_dense(extent: Extent) -> bool:
    """Whether the elements of a part lie one after the other, in row-major order."""
    expected = 1
    for size, stride in zip(reversed(extent.shape), reversed(extent.strides), strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


Piece = tuple[int, int, int]  # the first element, the one after the last, the number of the part


def overlaid(pieces: list[Piece], part: Part, number: int) -> list[Piece]:
    """Return pieces of a storage with a dense part over them."""
    low = part.extent.offset
    high = low + math.prod(part.extent.shape)
    found: list[Piece] = []
    for start, stop, below in pieces:
        ends = (start, max(start, min(low, stop)), min(stop, max(high, start)), stop)
        found += [
            (first, last, each)
            for (first, last), each in zip(pairwise(ends), (below, number, below), strict=True)
            if first < last
        ]
    return found


def merged(runs: Sequence[tuple[int, int]], memory: Memory) -> list[Run]:
    """Return runs from counts and numbers of parts, neighbours of the same content as one.

    Parts of a matrix's law stay apart: each is a matrix of its own.
    """
    found: list[Run] = []
    for count, number in runs:
        content = memory.whole.of_a_part() if number < 0 else memory.parts[number].content
        run = Run(count, content, frozenset({number}))
        if found and found[-1].content == content == content.of_a_part():
            last = found.pop()
            run = Run(last.elements + count, content, last.parts | run.parts)
        found.append(run)
    return found


def extent_of(tensor: Tensor) -> Extent:
    """Return which elements of its storage a tensor is."""
    return Extent(int(tensor.storage_offset()), tuple(tensor.shape), tuple(tensor.stride()))
