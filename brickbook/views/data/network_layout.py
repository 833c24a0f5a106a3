"""Where the boxes, frames and wires of a network stand: in rows, from left to right.

Each frame is laid out by itself. A box stands one column behind the last of those that it takes
from, branches beside each other in lanes, and columns are broken into rows where the width ends.
A wire leaves at the right, changes its height in the gaps between columns alone, and enters at the
left; one that passes boxes in its lane has a track above them, so that wires never cross a box.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from brickbook.views.data.network_scene import Item, Port, Scene

__all__ = ["BoxSize", "LaidOut", "Placed", "PlacedWire", "lay_out"]

GAP, SLOT = 12, 4  # between columns, and for each wire in there
TRACK = 6  # between the tracks above a row
PADDING, TITLE = 6, 17
LANE_GAP, ROW_GAP = 8, 14

Point = tuple[float, float]


class BoxSize(NamedTuple):
    """The cell of a box: ``axis`` is how far below its top wires enter and leave it."""

    width: float
    height: float
    axis: float


class Placed(NamedTuple):
    """A box or a frame at its place."""

    item: Item
    x: float
    y: float
    width: float
    height: float
    axis: float


class PlacedWire(NamedTuple):
    """A wire, corner by corner, from the output of a layer."""

    source: int
    points: tuple[Point, ...]


@dataclass
class LaidOut:
    """Everything at its place."""

    width: float
    height: float
    placed: list[Placed]
    wires: list[PlacedWire]


@dataclass
class Arranged:
    """A frame's insides at their places, measured from its upper left corner."""

    width: float = 0.0
    height: float = 0.0
    axis: float = 0.0
    children: list[tuple[Item, float, float]] = field(default_factory=list)
    wires: list[PlacedWire] = field(default_factory=list)
    ports: dict[Port, float] = field(default_factory=dict)


@dataclass
class Row:
    """Columns beside each other: which ranks, and where the lanes, tracks and gaps are."""

    ranks: list[int]
    top: float = 0.0
    bottom: float = 0.0
    lanes: dict[int, float] = field(default_factory=dict)  # their axes
    tracks: list[int] = field(default_factory=list)  # whose output each carries
    gaps: dict[int, list[int]] = field(default_factory=dict)  # behind a rank: whose wires
    below: list[int] = field(default_factory=list)  # whose wires run between it and the next row


def lay_out(
    scene: Scene,
    max_width: float,
    box_size: Callable[[Item], BoxSize],
    title_width: Callable[[Item], float],
) -> LaidOut:
    """Place everything that is shown.

    Args:
        scene: What is shown.
        max_width: Where rows end; a box that is wider stands alone.
        box_size: Says how large a box is.
        title_width: Says how much room the title of a frame needs.
    """
    whole = FrameLayout(scene.root, max_width, box_size, title_width)
    whole.arrange()
    found = LaidOut(whole.found.width, whole.found.height, [], [])
    whole.collect(0, 0, found)
    return found


class FrameLayout:
    """One frame: its items in ranks and lanes, its ranks in rows, its wires."""

    def __init__(
        self,
        frame: Item,
        max_width: float,
        box_size: Callable[[Item], BoxSize],
        title_width: Callable[[Item], float],
    ) -> None:
        self.frame, self.max_width = frame, max_width
        self.items = {item.key: item for item in frame.inside}
        self.sizes: dict[int, BoxSize] = {}
        self.frames: dict[int, FrameLayout] = {}
        for item in frame.inside:
            if item.frame:
                inner = FrameLayout(item, max_width - 2 * PADDING - GAP, box_size, title_width)
                inner.arrange()
                done = inner.found
                self.frames[item.key] = inner
                self.sizes[item.key] = BoxSize(done.width, done.height, done.axis)
            else:
                self.sizes[item.key] = box_size(item)
        self.title = 0.0 if frame.key < 0 else title_width(frame)
        self.found = Arranged()
        self.ranks: dict[int, int] = {}
        self.lane_of: dict[int | Port, int] = {}
        self.taken: dict[int, set[int]] = {}  # by lane: the ranks that are not free

    def arrange(self) -> None:
        """Place the items and wires of this frame."""
        self.rank_items()
        self.choose_lanes()
        self.standing: dict[int, list[int]] = {}  # by lane: the columns of its boxes
        for key, rank in sorted(self.ranks.items(), key=lambda item: item[1]):
            self.standing.setdefault(self.lane_of[key], []).append(rank)
        self.rows = self.break_rows()
        self.row_of = {rank: at for at, row in enumerate(self.rows) for rank in row.ranks}
        routes = [self.route(*wire) for wire in self.frame.wires]
        self.place_rows()
        for (_, _, source), route in zip(self.frame.wires, routes, strict=True):
            self.found.wires.append(PlacedWire(source, tuple(self.points(source, route))))

    def rank_items(self) -> None:
        """Give each item its column: one behind the last that it takes from."""
        before: dict[int, list[int]] = {key: [] for key in self.items}
        after: dict[int, list[int]] = {key: [] for key in self.items}
        entered: set[int] = set()
        for begin, end, _ in self.frame.wires:
            if isinstance(end, int):
                if isinstance(begin, int):
                    before[end].append(begin)
                    after[begin].append(end)
                else:
                    entered.add(end)
        last = -1
        loose = []
        for key in self.items:
            known = [self.ranks[one] for one in before[key] if one in self.ranks]
            if known:
                self.ranks[key] = max(known) + 1
            elif key in entered:
                self.ranks[key] = 0
            elif after[key]:
                self.ranks[key] = 0
                loose.append(key)
            else:  # nothing is known: behind the one before
                self.ranks[key] = last + 1
            last = max(last, self.ranks[key])
        for key in loose:  # what comes from nowhere stands before the first that takes it
            self.ranks[key] = max(0, min(self.ranks[one] for one in after[key]) - 1)
        self.depth = max(self.ranks.values(), default=-1) + 1
        self.last_uses: dict[int | Port, int] = {}
        for begin, end, _ in self.frame.wires:
            self.last_uses[begin] = max(self.last_uses.get(begin, -1), self.rank(end))

    def last_use(self, begin: int | Port) -> int:
        """Return the column of the last that takes something."""
        return self.last_uses.get(begin, self.rank(begin))

    def rank(self, one: int | Port) -> int:
        """Return the column of an item; those of the borders are -1 and one behind the last."""
        if isinstance(one, int):
            return self.ranks[one]
        return -1 if one[0] == "in" else self.depth

    def choose_lanes(self) -> None:
        """Give each item a lane in which it, and its wires as far as they go, are alone."""
        sources: dict[int, list[int | Port]] = {key: [] for key in self.items}
        for begin, end, _ in self.frame.wires:
            if isinstance(end, int):
                sources[end].append(begin)
        entering = dict.fromkeys(
            begin for begin, _, _ in self.frame.wires if not isinstance(begin, int)
        )
        for number, port in enumerate(entering):
            lane = 0 if not number else self.free_lane(-1, self.last_use(port) - 1, 1)
            self.occupy(port, lane, -1, -1 if not lane else self.last_use(port) - 1)
        for key in sorted(self.items, key=lambda one: self.ranks[one]):
            rank, taken_from = self.ranks[key], sources[key]
            begin = min([self.rank(one) + 1 for one in taken_from], default=rank)
            wanted = [self.lane_of[one] for one in taken_from if one in self.lane_of]
            lane = next(
                (lane for lane in sorted(set(wanted)) if self.is_free(lane, rank, rank)), None
            )
            if lane is None or (lane and lane not in wanted[:1] and self.is_free(0, begin, rank)):
                lane = self.free_lane(begin, rank, 0)
            reach = max(rank, self.last_use(key) - 1) if lane else rank
            inside = lane and lane not in wanted
            self.occupy(key, lane, begin if inside else rank, reach)

    def is_free(self, lane: int, begin: int, end: int) -> bool:
        """Whether nothing stands in a lane."""
        return not self.taken.get(lane, set()) & set(range(begin, end + 1))

    def free_lane(self, begin: int, end: int, lowest: int) -> int:
        """Return the first lane in which nothing stands."""
        lane = lowest
        while not self.is_free(lane, begin, max(begin, end)):
            lane += 1
        return lane

    def occupy(self, one: int | Port, lane: int, begin: int, end: int) -> None:
        """Put something into a lane."""
        self.lane_of[one] = lane
        self.taken.setdefault(lane, set()).update(range(begin, max(begin, end) + 1))

    def break_rows(self) -> list[Row]:
        """Break the columns into rows where the width ends."""
        self.columns = [0.0] * self.depth
        for key, rank in self.ranks.items():
            self.columns[rank] = max(self.columns[rank], self.sizes[key].width)
        rows, x = [Row([])], 0.0
        limit = self.max_width - 2 * PADDING - GAP
        for rank, width in enumerate(self.columns):
            need = width + GAP + SLOT
            if rows[-1].ranks and x + need > limit:
                rows.append(Row([]))
                x = 0.0
            rows[-1].ranks.append(rank)
            x += need
        return rows

    def route(self, begin: int | Port, end: int | Port, source: int) -> Route:
        """Choose the way of a wire, and take the gaps and tracks that it needs."""
        first, last = self.rank(begin), self.rank(end)
        row_from = self.row_of[first] if first >= 0 else 0
        row_to = self.row_of.get(last, len(self.rows) - 1)
        lane_from = self.lane_of.get(begin, 0)
        lane_to = self.lane_of.get(end, lane_from)
        leaves = last == self.depth
        if row_from != row_to:
            kind = "leave" if leaves else "rows"
        elif lane_from == lane_to:
            clear = self.is_clear(lane_from, first, last)
            kind = "straight" if clear else "track"
        else:
            clear = self.is_clear(max(lane_from, lane_to), first, last)
            kind = "track" if not clear else "rise" if lane_from > lane_to else "fall"
        if kind in ("fall", "track", "leave", "rows"):
            self.claim(self.rows[row_from], max(-1, first), source)
        if kind in ("rise", "track", "rows") and not leaves:
            self.claim(self.rows[row_to], self.gap_before(last), source)
        if kind == "track" and source not in self.rows[row_from].tracks:
            self.rows[row_from].tracks.append(source)
        for row in {row_from, row_to - 1} if kind in ("leave", "rows") else ():
            below = self.rows[row].below
            if source not in below and (kind == "rows" or row == row_from):
                below.append(source)
        if kind == "leave":
            row_to = row_from
        return Route(begin, end, kind, row_from, row_to)

    def gap_before(self, rank: int) -> int:
        """Return the column before another, -1 at the beginning of a row."""
        return -1 if rank in self.rows[self.row_of[rank]].ranks[:1] else rank - 1

    def claim(self, row: Row, rank: int, source: int) -> None:
        """Take a place in the gap behind a column, -1 for that at the beginning of a row."""
        places = row.gaps.setdefault(rank, [])
        if source not in places:
            places.append(source)

    def is_clear(self, lane: int, first: int, last: int) -> bool:
        """Whether no box stands in a lane between two columns."""
        standing = self.standing.get(lane, [])
        return bisect_right(standing, first) == bisect_left(standing, last)

    def place_rows(self) -> None:
        """Give rows, lanes and columns their places, and the items theirs."""
        done = self.found
        outer = self.frame.key < 0
        y = float(PADDING if outer else TITLE)
        self.left: dict[int, float] = {}  # of columns
        right = 0.0
        keys_in: dict[int, list[int]] = {}
        for key, rank in self.ranks.items():
            keys_in.setdefault(self.row_of[rank], []).append(key)
        for at, row in enumerate(self.rows):
            row.top = y
            y += TRACK * len(row.tracks) + (4 if row.tracks else 0)
            keys = keys_in.get(at, [])
            lanes = {self.lane_of[key] for key in keys}
            lanes |= (
                {self.lane_of[one] for one in self.lane_of if not isinstance(one, int)}
                if (at == 0)
                else set()
            )
            for lane in sorted(lanes):
                inside = [self.sizes[key] for key in keys if self.lane_of[key] == lane]
                up = max((size.axis for size in inside), default=4.0)
                down = max((size.height - size.axis for size in inside), default=4.0)
                row.lanes[lane] = y + up
                y += up + down + LANE_GAP
            y -= LANE_GAP if lanes else 0
            row.bottom = y
            y += ROW_GAP + SLOT * max(0, len(row.below) - 1)
            x = PADDING + self.gap_width(row, -1)
            for rank in row.ranks:
                self.left[rank] = x
                x += self.columns[rank] + self.gap_width(row, rank)
            right = max(right, x)
        for key, rank in self.ranks.items():
            size, row = self.sizes[key], self.rows[self.row_of[rank]]
            x = self.left[rank] + (self.columns[rank] - size.width) / 2
            done.children.append((self.items[key], x, row.lanes[self.lane_of[key]] - size.axis))
        done.width = max(right + PADDING - GAP / 2, self.title + 2 * PADDING)
        done.height = self.rows[-1].bottom + PADDING
        done.axis = self.rows[0].lanes.get(0, done.height / 2)

    def gap_width(self, row: Row, rank: int) -> float:
        """Return the width of a gap."""
        return GAP + SLOT * max(0, len(row.gaps.get(rank, ())) - 1)

    def gap_x(self, row: Row, rank: int, source: int) -> float:
        """Return where a wire goes up or down in a gap."""
        places = row.gaps.get(rank, ())
        slot = places.index(source) if source in places else 0
        if rank < 0:
            return PADDING + GAP / 2 + SLOT * slot
        return self.left[rank] + self.columns[rank] + GAP / 2 + SLOT * slot

    def channel(self, row: int, source: int) -> float:
        """Return where a wire runs below a row."""
        places = self.rows[row].below
        slot = places.index(source) if source in places else 0
        return self.rows[row].bottom + ROW_GAP / 2 + SLOT * slot

    def end_of(self, one: int | Port, source: int, leaving: bool) -> Point:
        """Return where a wire begins or ends: at a box, at the port of a frame, at the border."""
        if isinstance(one, int):
            rank = self.ranks[one]
            size, row = self.sizes[one], self.rows[self.row_of[rank]]
            x = self.left[rank] + (self.columns[rank] - size.width) / 2
            y = row.lanes[self.lane_of[one]]
            if one in self.frames:
                ports = self.frames[one].found.ports
                y += ports.get(("out" if leaving else "in", source), size.axis) - size.axis
            return x + (size.width if leaving else 0), y
        if leaving:
            return 0.0, self.rows[0].lanes[self.lane_of[one]]
        return self.found.width, 0.0

    def points(self, source: int, route: Route) -> list[Point]:
        """Return the corners of a wire."""
        x, y = self.end_of(route.begin, source, True)
        to_x, to_y = self.end_of(route.end, source, False)
        from_row, to_row = self.rows[route.row_from], self.rows[route.row_to]
        first, last = self.rank(route.begin), self.rank(route.end)
        leaves = last == self.depth
        out_x = self.gap_x(from_row, max(-1, first), source)
        in_x = to_x if leaves else self.gap_x(to_row, self.gap_before(last), source)
        middle: list[Point] = []
        if route.kind == "straight":
            to_y = y if leaves else to_y
            middle = [(in_x, y), (in_x, to_y)]
        elif route.kind == "rise":
            middle = [(in_x, y), (in_x, to_y)]
        elif route.kind == "fall":
            middle = [(out_x, y), (out_x, to_y)]
        elif route.kind == "track":
            height = from_row.top + 2 + TRACK * from_row.tracks.index(source)
            to_y = height if leaves else to_y
            middle = [(out_x, y), (out_x, height), (in_x, height), (in_x, to_y)]
        elif route.kind == "leave":
            to_y = self.channel(route.row_from, source)
            middle = [(out_x, y), (out_x, to_y)]
        else:
            between = self.channel(route.row_from, source)
            middle = [(out_x, y), (out_x, between)]
            if route.row_to > route.row_from + 1:
                above = self.channel(route.row_to - 1, source)
                middle += [(PADDING / 2, between), (PADDING / 2, above)]
                between = above
            middle += [(in_x, between), (in_x, to_y)]
        if leaves:
            self.found.ports["out", source] = to_y
        if not isinstance(route.begin, int):
            self.found.ports["in", source] = y
        return without_repeats([(x, y), *middle, (to_x, to_y)])

    def collect(self, x: float, y: float, picture: LaidOut) -> None:
        """Add everything to the picture, measured from its corner."""
        for wire in self.found.wires:
            points = tuple((x + dx, y + dy) for dx, dy in wire.points)
            picture.wires.append(PlacedWire(wire.source, points))
        for item, dx, dy in self.found.children:
            size = self.sizes[item.key]
            picture.placed.append(Placed(item, x + dx, y + dy, size.width, size.height, size.axis))
            inner = self.frames.get(item.key)
            if inner is not None:
                inner.collect(x + dx, y + dy, picture)


class Route(NamedTuple):
    """The way of a wire.

    It goes "straight", will "rise" or "fall" to another lane, takes a "track" above all lanes, runs
    between the "rows", or does "leave" the frame below its row.
    """

    begin: int | Port
    end: int | Port
    kind: str
    row_from: int
    row_to: int


def without_repeats(points: list[Point]) -> list[Point]:
    """Leave out corners where nothing turns."""
    found: list[Point] = []
    for point in points:
        if found and abs(found[-1][0] - point[0]) < 0.5 and abs(found[-1][1] - point[1]) < 0.5:
            continue
        if len(found) > 1 and any(
            abs(found[-2][axis] - point[axis]) < 0.5 and abs(found[-1][axis] - point[axis]) < 0.5
            for axis in (0, 1)
        ):
            found.pop()
        found.append(point)
    return found
