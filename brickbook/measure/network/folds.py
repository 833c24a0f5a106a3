"""Runs of equal blocks: what a picture draws once, with how often it stands there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from brickbook.measure.network.records import NetworkNode, Repeat

__all__ = ["find_repeats"]

MOST_ITEMS = 8  # of which a block consists
LEAST_SAVED = 4  # boxes: less is better read as it is


class Block(NamedTuple):
    """Neighbours in a group, with all that runs in them: the nodes from ``begin`` to ``end``."""

    begin: int
    end: int


def find_repeats(nodes: Sequence[NetworkNode]) -> tuple[Repeat, ...]:
    """Return runs of blocks that are equal and follow each other, as places of their items.

    Blocks are equal if their calls have the same classes, parameters and shapes and pass the same
    on among themselves; each takes from the one before what that takes from the one before it, and
    what comes from further is the same for all. Nothing but the next takes from one, the last
    excepted: a block whose output is used later, as in a U-Net, stands for itself.
    """
    return tuple(FoldFinder(nodes).find())


class FoldFinder:
    """What comparing blocks needs to know of a network."""

    def __init__(self, nodes: Sequence[NetworkNode]) -> None:
        self.nodes = nodes
        self.inside: dict[int, list[int]] = {}
        self.ends = list(range(1, len(nodes) + 1))
        self.last_use = [-1] * len(nodes)
        for at, node in enumerate(nodes):
            self.inside.setdefault(node.parent, []).append(at)
            for source in node.sources:
                self.last_use[source] = max(self.last_use[source], at)
        for at in range(len(nodes) - 1, -1, -1):  # those inside come after
            if nodes[at].parent >= 0:
                above = nodes[at].parent
                self.ends[above] = max(self.ends[above], self.ends[at])
        numbers: dict[tuple[object, ...], int] = {}
        self.looks = [numbers.setdefault(self.look(at), len(numbers)) for at in range(len(nodes))]

    def look(self, at: int) -> tuple[object, ...]:
        """Return what two equal calls share, apart from the sources of their inputs."""
        node = self.nodes[at]
        return (
            node.part, node.short_name, node.kind, node.params, node.input, node.output,
            node.state, node.error, len(node.sources), self.ends[at] - at,
        )  # fmt: skip

    def find(self) -> Iterator[Repeat]:
        """Yield the runs of all groups."""
        for items in self.inside.values():
            at = 0
            while at < len(items):
                best = max(
                    (self.count_blocks(items, at, size) for size in range(1, MOST_ITEMS + 1)),
                    key=lambda found: found[1],
                )
                repeat, saved = best
                if saved >= LEAST_SAVED:
                    yield repeat
                at += sum(map(len, repeat)) if saved >= LEAST_SAVED else 1

    def count_blocks(self, items: Sequence[int], at: int, size: int) -> tuple[Repeat, int]:
        """Return the run of blocks of ``size`` items that begins there, and how much it saves."""
        chosen = [tuple(items[at : at + size])]
        if size > 1 and not self.nodes[items[at]].params:
            return tuple(chosen), 0  # a block begins with a layer, not with what follows it
        blocks = [self.block(chosen[0])]
        for begin in range(at + size, len(items) - size + 1, size):
            places = tuple(items[begin : begin + size])
            block = self.block(places)
            if not self.continues([*blocks, block]):
                break
            chosen.append(places)
            blocks.append(block)
        first = blocks[0]
        return tuple(chosen), (len(blocks) - 1) * (first.end - first.begin)

    def block(self, places: Sequence[int]) -> Block:
        """Return the nodes of neighbours."""
        return Block(places[0], self.ends[places[-1]])

    def continues(self, blocks: Sequence[Block]) -> bool:
        """Whether the last block is as those before it."""
        first, before, block = blocks[0], blocks[-2], blocks[-1]
        size = block.end - block.begin
        if self.looks[first.begin : first.end] != self.looks[block.begin : block.end]:
            return False
        if any(self.last_use[at] >= block.end for at in range(before.begin, before.end)):
            return False
        if len(blocks) == 2:
            return all(self.fits_first(first, block, offset) for offset in range(size))
        return all(
            self.sources(before, blocks[-3], offset) == self.sources(block, before, offset)
            for offset in range(size)
        )

    def sources(self, block: Block, before: Block, offset: int) -> list[tuple[str, int]]:
        """Return whom a node takes from: in its block, in the one before, or elsewhere."""
        found = []
        for source in self.nodes[block.begin + offset].sources:
            if source >= block.begin:
                found.append(("own", source - block.begin))
            elif source >= before.begin:
                found.append(("before", source - before.begin))
            else:
                found.append(("elsewhere", source))
        return sorted(found)

    def fits_first(self, first: Block, second: Block, offset: int) -> bool:
        """Whether a node of the second block takes as the first, whose own begin is elsewhere."""
        taken = self.nodes[first.begin + offset].sources
        own = [("own", at - first.begin) for at in taken if at >= first.begin]
        elsewhere = [("elsewhere", at) for at in taken if at < first.begin]
        found = self.sources(second, first, offset)
        return own == [one for one in found if one[0] == "own"] and all(
            one in elsewhere for one in found if one[0] == "elsewhere"
        )
