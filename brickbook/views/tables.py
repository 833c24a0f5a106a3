"""Tables: records as pandas frames, one row per tensor, indexed by its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from brickbook.measure.comparisons import Comparison, Pair
from brickbook.measure.snapshots import Snapshot

if TYPE_CHECKING:
    from brickbook.init.initplan import InitPlan
    from brickbook.init.laws import Law

__all__ = ["comparison_frame", "plan_frame", "snapshot_frame"]

# Columns in order, with their types; a shape is a tuple.
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
}


def plan_frame(plan: InitPlan) -> pd.DataFrame:
    """One row per parameter: its law with mean and std (NaN where it is left), and why.

    ``losers`` are the rules that another one outranks, separated by commas.
    """
    rows = [
        {
            **{key: getattr(row, key) for key in ("name", *PLAN) if hasattr(row, key)},
            "law": text(row.law),
            "mean": row.law.mean if row.law is not None else None,
            "std": row.law.std if row.law is not None else None,
            "losers": ", ".join(row.losers),
        }
        for row in plan.rows
    ]
    return frame(rows, PLAN)


def snapshot_frame(snapshot: Snapshot) -> pd.DataFrame:
    """One row per tensor: its numbers, NaN where it has no values; without the histogram."""
    rows = [
        {key: getattr(stats, key) for key in ("name", *SNAPSHOT)} for stats in snapshot.values()
    ]
    return frame(rows, SNAPSHOT)


def comparison_frame(comparison: Comparison, plan: InitPlan | None = None) -> pd.DataFrame:
    """One row per tensor: its numbers before and after, and with a plan what its law promises.

    ``std_ratio`` is the std after, over the promised one if there is a law, else over the one
    before; NaN where that is zero.
    """
    laws = {row.name: row.law for row in plan.rows} if plan is not None else {}
    found = frame([sides(item, laws.get(name)) for name, item in comparison.items()], COMPARISON)
    wanted = found["std_expected"].fillna(found["std_before"])
    found["std_ratio"] = found["std_after"] / wanted.where(wanted > 0)
    return found


def sides(item: Pair, law: Law | None) -> dict[str, Any]:
    """One row of a comparison."""
    return {
        "name": item.name,
        "kind": item.kind,
        "shape": item.latest.shape,
        "count": item.latest.count,
        "status": item.status,
        "mean_before": item.before.mean if item.before else None,
        "mean_after": item.after.mean if item.after else None,
        "std_before": item.before.std if item.before else None,
        "std_after": item.after.std if item.after else None,
        "law": text(law),
        "mean_expected": law.mean if law is not None else None,
        "std_expected": law.std if law is not None else None,
    }


def text(law: Law | None) -> str:
    """A law, or nothing."""
    return "" if law is None else str(law)


def frame(rows: Iterable[Mapping[str, Any]], kinds: Mapping[str, str]) -> pd.DataFrame:
    """A frame with these columns and types, even without rows."""
    found = pd.DataFrame(list(rows), columns=["name", *kinds])
    return found.astype(dict(kinds)).set_index("name")
