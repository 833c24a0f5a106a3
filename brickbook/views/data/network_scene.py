"""What of a network is shown: groups that are open or closed, repeats folded, wires between."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from brickbook.measure.network import Network

__all__ = ["Item", "Port", "Scene", "Wire", "closed_for", "make_scene"]

# Where a wire crosses the border of a group: "in" or "out", and the place of the layer it is from.
Port = tuple[str, int]
Wire = tuple["int | Port", "int | Port", int]  # between items of one group; and whose output it is


@dataclass
class Item:
    """A box or a frame: ``at`` is the place of its node, -1 for the whole.

    ``key`` tells it from others: a frame around a block that is repeated has no node of its own.
    ``count`` says how often it stands there; ``inside`` are the items of a frame, and ``wires``
    what runs between them.
    """

    key: int
    at: int
    count: int = 1
    frame: bool = False
    inside: list[Item] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)


@dataclass
class Scene:
    """All that is shown; ``shown_by`` has for each node the key of the box that stands for it."""

    network: Network
    root: Item
    shown_by: Sequence[int]

    def walk(self) -> Iterator[Item]:
        """Yield all items, each before those inside."""
        left = [self.root]
        while left:
            item = left.pop()
            yield item
            left.extend(reversed(item.inside))


def closed_for(network: Network, most: int) -> frozenset[int]:
    """Return which groups to close so that about ``most`` boxes are shown: the deepest first."""
    depths = [0] * len(network)
    for at, node in enumerate(network):
        depths[at] = depths[node.parent] + 1 if node.parent >= 0 else 0
    hidden = hidden_nodes(network, frozenset())
    for limit in range(max(depths, default=0) + 1, 0, -1):
        is_closed = [
            node.part == "group" and depths[at] >= limit for at, node in enumerate(network)
        ]
        shown = sum(
            depths[at] <= limit and not hidden[at] and (node.part != "group" or is_closed[at])
            for at, node in enumerate(network)
        )
        if shown <= most or limit == 1:
            return frozenset(at for at, closed in enumerate(is_closed) if closed)
    return frozenset()


def hidden_nodes(network: Network, unfolded: Collection[int]) -> list[int]:
    """Return for each node how far before it its twin in the first block of a repeat is, or 0."""
    ends = subtree_ends(network)
    found = [0] * len(network)
    for blocks in network.repeats:
        if blocks[0][0] in unfolded:
            continue
        for block in blocks[1:]:
            for at in range(block[0], ends[block[-1]]):
                found[at] = found[at] or block[0] - blocks[0][0]
    return found


def subtree_ends(network: Network) -> list[int]:
    """Return for each node the place behind the last node that runs in it."""
    ends = list(range(1, len(network) + 1))
    for at in range(len(network) - 1, -1, -1):
        above = network[at].parent
        if above >= 0:
            ends[above] = max(ends[above], ends[at])
    return ends


def make_scene(
    network: Network, closed: Collection[int] = (), unfolded: Collection[int] = ()
) -> Scene:
    """Return what is shown of a network.

    Args:
        network: The network.
        closed: The places of groups that are shown as one box.
        unfolded: The place of the first item of each repeat that is shown in full.
    """
    return SceneBuilder(network, frozenset(closed), frozenset(unfolded)).build()


class SceneBuilder:
    """Builds the items from the top, then the wires."""

    def __init__(self, network: Network, closed: frozenset[int], unfolded: frozenset[int]) -> None:
        self.network, self.closed = network, closed
        self.shift = hidden_nodes(network, unfolded)
        self.folded = {
            blocks[0][0]: blocks for blocks in network.repeats if blocks[0][0] not in unfolded
        }
        self.below: dict[int, list[int]] = {}
        for at, node in enumerate(network):
            self.below.setdefault(node.parent, []).append(at)
        self.above: dict[int, Item] = {}  # by key
        self.root = Item(-1, -1, frame=True)
        self.next_key = len(network)

    def build(self) -> Scene:
        """Return the scene."""
        shown_by = [-1] * len(self.network)
        top = self.below.get(-1, [])
        groups = [at for at in top if self.network[at].part == "group"]
        # The model itself has no frame: there would be one around everything.
        for at in top:
            self.add(self.root, [at])
        if len(groups) == 1 and groups[0] not in self.closed:
            (whole,) = (item for item in self.root.inside if item.at == groups[0])
            place = self.root.inside.index(whole)
            self.root.inside[place : place + 1] = whole.inside
            for item in whole.inside:
                self.above[item.key] = self.root
            self.root.count = whole.count
        boxes = {}
        for item in Scene(self.network, self.root, ()).walk():
            if not item.frame:
                boxes[item.at] = item.key
        for at in range(len(self.network)):
            seen = at
            while self.shift[seen]:
                seen -= self.shift[seen]
            while seen >= 0 and seen not in boxes:
                seen = self.network[seen].parent
            shown_by[at] = boxes.get(seen, -1)
        self.add_wires(shown_by)
        return Scene(self.network, self.root, shown_by)

    def add(self, parent: Item, places: Sequence[int], folding: bool = True) -> None:
        """Add neighbours to a frame; a repeat is one frame, or one frame's count."""
        left = list(places)
        while left:
            at = left.pop(0)
            blocks = self.folded.get(at) if folding else None
            if blocks is not None:
                hidden = {one for block in blocks for one in block}
                left = [one for one in left if one not in hidden]
                single = len(blocks[0]) == 1 and self.network[at].part == "group"
                if not single:
                    frame = Item(self.next_key, at, len(blocks), True)
                    self.next_key += 1
                    self.place(parent, frame)
                    self.add(frame, blocks[0], False)
                    continue
            item = Item(at, at, len(blocks) if blocks is not None else 1)
            self.place(parent, item)
            if self.network[at].part == "group" and at not in self.closed:
                inside = self.below.get(at, [])
                item.frame = bool(inside)
                self.add_all(item, inside)

    def add_all(self, parent: Item, places: Sequence[int]) -> None:
        """Add all that runs in a group."""
        left = list(places)
        while left:
            blocks = self.folded.get(left[0])
            size = sum(map(len, blocks)) if blocks is not None else 1
            self.add(parent, left[:size])
            left = left[size:]

    def place(self, parent: Item, item: Item) -> None:
        """Put an item into a frame."""
        parent.inside.append(item)
        self.above[item.key] = parent

    def add_wires(self, shown_by: Sequence[int]) -> None:
        """Add the wires to the frames that they run in."""
        ends = subtree_ends(self.network)
        block_of: dict[int, list[tuple[int, int]]] = {}
        for number, blocks in enumerate(self.folded.values()):
            for turn, block in enumerate(blocks):
                for at in range(block[0], ends[block[-1]]):
                    block_of.setdefault(at, []).append((number, turn))
        seen: set[tuple[int, Wire]] = set()

        def connect(frame: Item, wire: Wire) -> None:
            if (frame.key, wire) not in seen:
                seen.add((frame.key, wire))
                frame.wires.append(wire)

        for source, at in self.network.edges:
            ours, theirs = dict(block_of.get(at, ())), block_of.get(source, ())
            if any(ours.get(number, turn) != turn for number, turn in theirs):
                continue  # from one turn of a repeat to the next
            begin, end = shown_by[source], shown_by[at]
            if begin != end and begin >= 0 and end >= 0:
                self.add_path(begin, end, connect)

    def add_path(self, begin: int, end: int, connect: Callable[[Item, Wire], None]) -> None:
        """Add the wire between two boxes to each frame that it runs in."""
        up, down = self.chain(begin), self.chain(end)
        common = next(frame for frame in up if any(frame is other for other in down))
        one, other = begin, end
        for frame in up[: up.index(common)]:
            connect(frame, (one, ("out", begin), begin))
            one = frame.key
        for frame in down[: down.index(common)]:
            connect(frame, (("in", begin), other, begin))
            other = frame.key
        connect(common, (one, other, begin))

    def chain(self, key: int) -> list[Item]:
        """Return the frames that a box stands in, the innermost first."""
        found = []
        while key in self.above:
            frame = self.above[key]
            found.append(frame)
            key = frame.key
        return found
