"""Two snapshots side by side: every tensor's numbers before and after, on common bins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from brickbook.html import format_number, format_shape
from brickbook.init.laws import Law
from brickbook.init.planning import InitPlan
from brickbook.measure.snapshot.histogram import (
    bin_edges,
    cell_index,
    finest_level,
    level_of,
    merge_counts,
    width_of,
)
from brickbook.measure.snapshot.snapshot import (
    Kind,
    Snapshot,
    TensorStats,
    missing_values,
    sparkline,
)
from brickbook.records import (
    Column,
    Records,
    build_frame,
    read_fields,
    refusing_damage,
    text_table,
)

__all__ = [
    "COMPARISON_COLUMNS",
    "STATUS_LABELS",
    "ComparedTensor",
    "Comparison",
    "Status",
    "TensorChange",
    "compare",
    "compare_stats",
    "compared_tensors",
    "comparison_row",
    "rebin_common",
    "same_statistics",
]

Status = Literal["changed", "untouched", "added", "removed"]

# A sign beside the word: colours are for those who see them. The space between does not break.
STATUS_LABELS: dict[Status, str] = {
    "changed": "●\u00a0changed",
    "untouched": "untouched",
    "added": "+\u00a0added",
    "removed": "−\u00a0removed",
}

ROUNDING = 1e-12
NO_STATS = TensorStats("", "parameter", (), "")


@dataclass(frozen=True, repr=False)
class TensorChange:
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
        """The statistics after; of a tensor that is gone, those before."""
        return self.after or self.before or NO_STATS

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
        return "untouched" if same_statistics(self.before, self.after) else "changed"

    @property
    def changed(self) -> bool:
        """Whether anything happened."""
        return self.status != "untouched"

    @property
    def edges(self) -> tuple[float, ...]:
        """The ends of the common bins: one more than there are counts."""
        return bin_edges(self.low, self.width, len(self.counts_after))

    def __repr__(self) -> str:
        return f"TensorChange({self.name!r}, {self.status})"


class ComparedTensor(NamedTuple):
    """A row of a comparison's table: a change, and the law that a plan has for the tensor."""

    change: TensorChange
    law: Law | None = None

    def std_ratio(self) -> float | None:
        """The std after, over the promised one, or over the one before if none is promised."""
        before, after = self.change.before, self.change.after
        reference = self.law.std if self.law is not None else before.std if before else None
        return after.std / reference if after and after.std is not None and reference else None


def side_value(side: Literal["before", "after"], key: str) -> Callable[[ComparedTensor], Any]:
    """Return a function from a row to a statistic; None if the tensor was not there."""
    return lambda row: getattr(getattr(row.change, side), key, None)


COMPARISON_COLUMNS = (
    Column("name", "tensor", lambda row: row.change.name, "str"),
    Column("", "", lambda row: row.change.status, text=STATUS_LABELS.__getitem__),
    Column("kind", None, lambda row: row.change.kind, "category"),
    Column("shape", "shape", lambda row: row.change.latest.shape, text=format_shape),
    Column("count", None, lambda row: row.change.latest.count, "int64"),
    Column("status", None, lambda row: row.change.status, "category"),
    *(
        Column(
            f"{key}_{side}", f"{key} {side}", side_value(side, key), "float64", format_number, True
        )
        for key in ("mean", "std")
        for side in ("before", "after")
    ),
    Column("law", None, lambda row: "" if row.law is None else str(row.law), "str"),
    Column("mean_expected", None, lambda row: row.law and row.law.mean, "float64"),
    Column("std_expected", None, lambda row: row.law and row.law.std, "float64"),
    Column("std_ratio", None, ComparedTensor.std_ratio, "float64"),
    Column("", "histogram before", lambda row: row.change.counts_before, text=sparkline),
    Column("", "histogram after", lambda row: row.change.counts_after, text=sparkline),
    Column("", "", lambda row: missing_values(row.change.latest)),
)


def comparison_row(change: TensorChange) -> Sequence[str]:
    """Return the texts of one tensor; both histograms stand over the same bins."""
    return text_table(COMPARISON_COLUMNS, [ComparedTensor(change)]).rows[0]


@dataclass(frozen=True, repr=False)
class Comparison(Records[TensorChange]):
    """Every tensor before and after, by name: the names of after, then those that are gone."""

    before: Snapshot
    after: Snapshot
    tensors: Mapping[str, TensorChange] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Bring every two histograms onto common bins."""
        bins = max(self.before.bins, self.after.bins)
        names = dict.fromkeys([*self.after, *self.before])
        pairs = {
            name: compare_stats(self.before.tensors.get(name), self.after.tensors.get(name), bins)
            for name in names
        }
        object.__setattr__(self, "tensors", pairs)

    _missing_message = "the comparison has no tensor"

    @property
    def by_name(self) -> Mapping[str, TensorChange]:
        """The pairs by name."""
        return self.tensors

    @property
    def changed(self) -> tuple[str, ...]:
        """The names to which something happened."""
        return tuple(name for name, item in self.tensors.items() if item.changed)

    def __repr__(self) -> str:
        return f"Comparison({len(self)} tensors, {len(self.changed)} changed)"

    def _columns(self) -> Sequence[Column]:
        return COMPARISON_COLUMNS

    def _rows(self) -> Iterator[ComparedTensor]:
        return compared_tensors(self)

    def frame(self, plan: InitPlan | None = None) -> Any:
        """Return a pandas DataFrame, one row a tensor, with a plan what its laws promise.

        ``std_ratio`` is the std after, over the promised one if there is a law, else over the one
        before; NaN where that is zero. Needs pandas.
        """
        return build_frame(self._columns(), compared_tensors(self, plan), self._index)

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON-able values: its two snapshots."""
        return {"before": self.before.to_dict(), "after": self.after.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "comparison") -> Comparison:
        """Undo ``to_dict``; a ConfigError names a key that is missing or unknown."""
        with refusing_damage(path):
            sides = read_fields(cls, data, path)
            return cls(*(Snapshot.from_dict(sides[side], f"{path}.{side}") for side in sides))


def compared_tensors(
    comparison: Comparison, plan: InitPlan | None = None
) -> Iterator[ComparedTensor]:
    """Yield the rows of a comparison's table, with the laws of a plan."""
    for name, change in comparison.items():
        row = plan.get(name) if plan is not None else None
        yield ComparedTensor(change, row.law if row is not None else None)


def compare(before: Snapshot, after: Snapshot) -> Comparison:
    """Put two snapshots side by side; no element moves to another bin by rounding."""
    return Comparison(before, after)


def compare_stats(
    before: TensorStats | None,
    after: TensorStats | None,
    bins: int = 64,
    include: tuple[float, float] | None = None,
) -> TensorChange:
    """Bring the histograms of two tensors onto at most ``bins`` common bins.

    The bins also span ``include``, such as where a law has its mass. The bins of a constant tensor
    are no limit: all its elements are known.
    """
    name = (after or before or NO_STATS).name
    low, width, counts = rebin_common((before, after), bins, include)
    return TensorChange(name, before, after, low, width, *counts)


def rebin_common(
    sides: Sequence[TensorStats | None],
    bins: int = 64,
    include: tuple[float, float] | None = None,
) -> tuple[float, float, tuple[tuple[int, ...], ...]]:
    """Bring the histograms of any number of tensors onto common bins.

    Returns where the bins begin, their width, and the counts of each side; no bins if no side has
    values.
    """
    full = [stats for stats in sides if stats and stats.counts]
    if not full:
        return 0.0, 1.0, ((),) * len(sides)
    spans = [value_range(stats) for stats in full] + ([include] if include else [])
    low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    if low == high:
        level = level_of(full[0].width)
    else:
        spread = [level_of(stats.width) for stats in full if stats.min != stats.max]
        level = max([finest_level(low, high, bins), *spread])
    start = cell_index(low, level)
    cells = cell_index(high, level) - start + 1
    counts = tuple(tuple(rebin(stats, level, start, cells)) for stats in sides)
    return start * width_of(level), width_of(level), counts


def same_statistics(before: TensorStats, after: TensorStats) -> bool:
    """Whether two tensors have the same elements, as far as their numbers tell."""
    fields = ("shape", "dtype", "count", "min", "max", "zeros", "nan", "inf", "missing", "digest")
    if any(getattr(before, name) != getattr(after, name) for name in fields):
        return False
    # Sums differ in the last digits with the number of threads and the order of the elements.
    near = ROUNDING * max(map(abs, value_range(before)))
    return all(
        old == new or (old is not None and new is not None and abs(old - new) <= near)
        for old, new in ((before.mean, after.mean), (before.std, after.std))
    )


def value_range(stats: TensorStats) -> tuple[float, float]:
    """The range of the values, which are there."""
    return (stats.min or 0.0, stats.max or 0.0)


def rebin(stats: TensorStats | None, level: int, start: int, cells: int) -> list[int]:
    """The counts of a tensor in ``cells`` cells of a level from ``start`` on."""
    if not stats or not stats.counts:
        return [0] * cells
    if stats.min == stats.max:
        return merge_counts(stats.counts, cell_index(value_range(stats)[0], level), 0, start, cells)
    first = int(stats.low / stats.width)
    return merge_counts(stats.counts, first, level - level_of(stats.width), start, cells)
