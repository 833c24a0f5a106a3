"""Two snapshots side by side: every tensor's numbers before and after, on common bins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from brickbook.markup import block, shape, table
from brickbook.measure.bins import cell, edges, finest, level_of, merge, width_of
from brickbook.measure.records import read
from brickbook.measure.showing import holes, number, spark
from brickbook.measure.snapshots import Snapshot
from brickbook.measure.stats import Kind, TensorStats
from brickbook.named import Named

__all__ = [
    "Comparison", "Pair", "Status", "compare", "comparison_columns", "comparison_row", "pair",
    "together",
]  # fmt: skip

Status = Literal["changed", "untouched", "added", "removed"]
# A sign beside the word: colours are for those who see them. The space between does not break.
MARKS: dict[Status, str] = {
    "changed": "●\u00a0changed",
    "untouched": "untouched",
    "added": "+\u00a0added",
    "removed": "−\u00a0removed",
}
ROUNDING = 1e-12
NOTHING = TensorStats("", "parameter", (), "")


@dataclass(frozen=True, repr=False)
class Pair:
    """One tensor before and after; either is None where the name was not there.

    ``counts_before`` and ``counts_after`` belong to the same bins, as in `TensorStats`; a side
    without values has zeros.
    """

    name: str
    before: TensorStats | None
    after: TensorStats | None
    low: float = 0.0
    width: float = 1.0
    counts_before: tuple[int, ...] = ()
    counts_after: tuple[int, ...] = ()

    @property
    def latest(self) -> TensorStats:
        """What stands after, or what stood before if nothing does."""
        return self.after or self.before or NOTHING

    @property
    def kind(self) -> Kind:
        """Parameter or buffer."""
        return self.latest.kind

    @property
    def status(self) -> Status:
        """What happened; "untouched" if no number of the record differs."""
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        return "untouched" if alike(self.before, self.after) else "changed"

    @property
    def changed(self) -> bool:
        """Whether anything happened."""
        return self.status != "untouched"

    @property
    def edges(self) -> tuple[float, ...]:
        """The ends of the common bins: one more than there are counts."""
        return edges(self.low, self.width, len(self.counts_after))

    def __repr__(self) -> str:
        return f"Pair({self.name!r}, {self.status})"


@dataclass(frozen=True, repr=False)
class Comparison(Named[Pair]):
    """Every tensor before and after, by name: the names of after, then those that are gone."""

    before: Snapshot
    after: Snapshot
    pairs: Mapping[str, Pair] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Bring every two histograms onto common bins."""
        bins = max(self.before.bins, self.after.bins)
        names = dict.fromkeys([*self.after, *self.before])
        pairs = {
            name: pair(self.before.tensors.get(name), self.after.tensors.get(name), bins)
            for name in names
        }
        object.__setattr__(self, "pairs", pairs)

    things = "the comparison has no tensor"

    @property
    def by_name(self) -> Mapping[str, Pair]:
        """The pairs by name."""
        return self.pairs

    @property
    def changed(self) -> tuple[str, ...]:
        """The names to which something happened."""
        return tuple(name for name, item in self.pairs.items() if item.changed)

    def __repr__(self) -> str:
        return f"Comparison({len(self)} tensors, {len(self.changed)} changed)"

    def _repr_html_(self) -> str:
        heads, rows, numbers = comparison_columns(self.values())
        return block(repr(self), [], table(heads, rows, right=numbers))

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON-able values: its two snapshots."""
        return {"before": self.before.to_dict(), "after": self.after.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "comparison") -> Comparison:
        """Undo ``to_dict``; a ConfigError names a key that is missing or unknown."""
        sides = read(cls, data, path)
        return cls(*(Snapshot.from_dict(sides[side], f"{path}.{side}") for side in sides))


def compare(before: Snapshot, after: Snapshot) -> Comparison:
    """Put two snapshots side by side; no element moves to another bin by rounding."""
    return Comparison(before, after)


def pair(
    before: TensorStats | None,
    after: TensorStats | None,
    bins: int = 64,
    cover: tuple[float, float] | None = None,
) -> Pair:
    """Bring the histograms of two tensors onto at most ``bins`` common bins.

    The bins also span ``cover``, such as where a law has its mass. The bins of a constant tensor
    are no limit: all its elements are known.
    """
    name = (after or before or NOTHING).name
    low, width, counts = together((before, after), bins, cover)
    return Pair(name, before, after, low, width, *counts)


def together(
    sides: Sequence[TensorStats | None],
    bins: int = 64,
    cover: tuple[float, float] | None = None,
) -> tuple[float, float, tuple[tuple[int, ...], ...]]:
    """Bring the histograms of any number of tensors onto common bins, as `pair` does for two.

    Returns where the bins begin, their width, and the counts of each side; no bins if no side has
    values.
    """
    full = [stats for stats in sides if stats and stats.counts]
    if not full:
        return 0.0, 1.0, ((),) * len(sides)
    spans = [ends(stats) for stats in full] + ([cover] if cover else [])
    low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    if low == high:
        level = level_of(full[0].width)
    else:
        spread = [level_of(stats.width) for stats in full if stats.min != stats.max]
        level = max([finest(low, high, bins), *spread])
    start = cell(low, level)
    room = cell(high, level) - start + 1
    counts = tuple(tuple(onto(stats, level, start, room)) for stats in sides)
    return start * width_of(level), width_of(level), counts


def comparison_columns(
    pairs: Iterable[Pair],
) -> tuple[Sequence[str], list[Sequence[str]], range]:
    """The heads and rows of a comparison's table, and which columns are numbers."""
    heads = (
        "tensor", "", "shape", "mean before", "mean after", "std before", "std after",
        "histogram before", "histogram after", "",
    )  # fmt: skip
    return heads, [comparison_row(item) for item in pairs], range(3, 7)


def comparison_row(item: Pair) -> Sequence[str]:
    """One row of a comparison; both histograms stand over the same bins."""
    was, now = item.before, item.after
    return (
        item.name,
        MARKS[item.status],
        shape(item.latest.shape),
        number(was.mean if was else None),
        number(now.mean if now else None),
        number(was.std if was else None),
        number(now.std if now else None),
        spark(item.counts_before),
        spark(item.counts_after),
        holes(item.latest),
    )


def alike(before: TensorStats, after: TensorStats) -> bool:
    """Whether two tensors have the same elements, as far as their numbers tell."""
    fields = ("shape", "dtype", "count", "min", "max", "zeros", "nan", "inf", "missing", "digest")
    if any(getattr(before, name) != getattr(after, name) for name in fields):
        return False
    # Sums differ in the last digits with the number of threads and the order of the elements.
    near = ROUNDING * max(map(abs, ends(before)))
    return all(
        old == new or (old is not None and new is not None and abs(old - new) <= near)
        for old, new in ((before.mean, after.mean), (before.std, after.std))
    )


def ends(stats: TensorStats) -> tuple[float, float]:
    """The range of the values, which are there."""
    return (stats.min or 0.0, stats.max or 0.0)


def onto(stats: TensorStats | None, level: int, start: int, room: int) -> list[int]:
    """The counts of a tensor in ``room`` cells of a level."""
    if not stats or not stats.counts:
        return [0] * room
    if stats.min == stats.max:
        return merge(stats.counts, cell(ends(stats)[0], level), 0, start, room)
    first = int(stats.low / stats.width)
    return merge(stats.counts, first, level - level_of(stats.width), start, room)
