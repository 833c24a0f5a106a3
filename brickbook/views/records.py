"""Records as rows of plain values, one per tensor: what tables and CSV files are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from brickbook.measure.comparisons import Comparison, Pair
from brickbook.measure.snapshots import Snapshot, TensorStats

if TYPE_CHECKING:
    from brickbook.init.initplan import InitPlan
    from brickbook.init.laws import Law
    from brickbook.init.report import InitReport
    from brickbook.measure.alternatives import Alternatives

__all__ = [
    "COMPARISON",
    "PLAN",
    "SNAPSHOT",
    "alternatives_records",
    "alternatives_types",
    "bin_records",
    "comparison_records",
    "plan_records",
    "report_records",
    "snapshot_records",
]

# Columns in order, with their types as pandas knows them; a shape is a tuple.
PLAN = {
    "kind": "category",
    "module": "category",
    "shape": "object",
    "dtype": "category",
    "law": "str",
    "mean": "float64",
    "std": "float64",
    "rule": "category",
    "source": "str",
    "reason": "str",
    "losers": "str",
    "tied_to": "str",
    "frozen": "bool",
}
SNAPSHOT = {
    "kind": "category",
    "shape": "object",
    "dtype": "category",
    "count": "int64",
    "min": "float64",
    "max": "float64",
    "mean": "float64",
    "std": "float64",
    "zeros": "float64",
    "nan": "int64",
    "inf": "int64",
    "missing": "str",
}
COMPARISON = {
    "kind": "category",
    "shape": "object",
    "count": "int64",
    "status": "category",
    "mean_before": "float64",
    "mean_after": "float64",
    "std_before": "float64",
    "std_after": "float64",
    "law": "str",
    "mean_expected": "float64",
    "std_expected": "float64",
    "std_ratio": "float64",
}
Record = Mapping[str, Any]


def plan_records(plan: InitPlan) -> Iterator[Record]:
    """One row per parameter: its law with mean and std (None where it is left), and why."""
    for row in plan.rows:
        yield {
            **{key: getattr(row, key) for key in ("name", *PLAN) if hasattr(row, key)},
            "law": words(row.law),
            "mean": row.law.mean if row.law is not None else None,
            "std": row.law.std if row.law is not None else None,
            "losers": ", ".join(row.losers),
        }


def report_records(report: InitReport) -> Iterator[Record]:
    """One row per parameter: what was done, by which rule, or why nothing was."""
    for item in report.records:
        yield item._asdict()


def snapshot_records(snapshot: Snapshot) -> Iterator[Record]:
    """One row per tensor: its numbers, None where it has no values; without the histogram."""
    for stats in snapshot.values():
        yield {key: getattr(stats, key) for key in ("name", *SNAPSHOT)}


def comparison_records(comparison: Comparison, plan: InitPlan | None = None) -> Iterator[Record]:
    """One row per tensor: its numbers before and after, and with a plan what its law promises."""
    laws = {row.name: row.law for row in plan.rows} if plan is not None else {}
    for name, item in comparison.items():
        yield sides(item, laws.get(name))


def sides(item: Pair, law: Law | None) -> Record:
    """One row of a comparison; the ratio is to the promised std, else to the one before."""
    was, now = item.before, item.after
    wanted = law.std if law is not None else was.std if was else None
    found = now.std if now else None
    return {
        "name": item.name,
        "kind": item.kind,
        "shape": item.latest.shape,
        "count": item.latest.count,
        "status": item.status,
        "mean_before": was.mean if was else None,
        "mean_after": now.mean if now else None,
        "std_before": was.std if was else None,
        "std_after": found,
        "law": words(law),
        "mean_expected": law.mean if law is not None else None,
        "std_expected": law.std if law is not None else None,
        "std_ratio": found / wanted if wanted and found is not None else None,
    }


def alternatives_types(found: Alternatives) -> dict[str, str]:
    """The columns of alternatives: the model's own numbers, then those of every config."""
    columns = {"shape": "object", "differs": "bool", "mean_now": "float64", "std_now": "float64"}
    for name in found:
        columns |= {f"law_{name}": "str", f"mean_{name}": "float64", f"std_{name}": "float64"}
    return columns


def alternatives_records(found: Alternatives) -> Iterator[Record]:
    """One row per parameter: what it is now, and what each config would make of it."""
    for name in found.parameters:
        now = found.start[name]
        row = {
            "name": name,
            "shape": now.shape,
            "differs": found.differs(name),
            "mean_now": now.mean,
            "std_now": now.std,
        }
        for key, one in found.items():
            stats = one.snapshot.tensors.get(name)
            planned = one.plan.get(name)
            row[f"law_{key}"] = words(planned.law if planned is not None else None)
            row[f"mean_{key}"] = stats.mean if stats else None
            row[f"std_{key}"] = stats.std if stats else None
        yield row


def bin_records(value: Snapshot | Comparison | Alternatives) -> Iterator[Record]:
    """One row per bin of every histogram: ``low`` ≤ values < ``high``, and how many there are.

    ``of`` says whose: "values" of a snapshot, "before" and "after", "now" and a config's name.
    """
    if isinstance(value, Snapshot):
        for name, stats in value.items():
            yield from bins_of(name, stats, {"values": stats.counts})
    elif isinstance(value, Comparison):
        for name, item in value.items():
            has = {"before": item.before, "after": item.after}
            counts = {"before": item.counts_before, "after": item.counts_after}
            yield from bins_of(name, item, {key: counts[key] for key in has if has[key]})
    else:
        for name in value.parameters:
            low, width, counts = value.histograms(name)
            place = TensorStats(name, "parameter", (), "", low=low, width=width, counts=counts[0])
            yield from bins_of(name, place, dict(zip(("now", *value), counts, strict=True)))


def bins_of(
    name: str, place: TensorStats | Pair, sides: Mapping[str, tuple[int, ...]]
) -> Iterator[Record]:
    """The rows of one tensor; the edges are those of ``place``."""
    edges = place.edges
    for side, counts in sides.items():
        for low, high, count in zip(edges, edges[1:], counts, strict=False):
            yield {"name": name, "of": side, "low": low, "high": high, "count": count}


def words(law: Law | None) -> str:
    """A law, or nothing."""
    return "" if law is None else str(law)
