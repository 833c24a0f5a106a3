"""Tables: records as pandas frames, one row per tensor, indexed by its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from brickbook.measure.comparisons import Comparison
from brickbook.measure.snapshots import Snapshot
from brickbook.views.records import (
    COMPARISON,
    PLAN,
    SNAPSHOT,
    alternatives_records,
    alternatives_types,
    comparison_records,
    plan_records,
    snapshot_records,
)

if TYPE_CHECKING:
    from brickbook.init.initplan import InitPlan
    from brickbook.measure.alternatives import Alternatives

__all__ = ["alternatives_frame", "comparison_frame", "plan_frame", "snapshot_frame"]


def plan_frame(plan: InitPlan) -> pd.DataFrame:
    """One row per parameter: its law with mean and std (NaN where it is left), and why.

    ``losers`` are the rules that another one outranks, separated by commas.
    """
    return frame(plan_records(plan), PLAN)


def snapshot_frame(snapshot: Snapshot) -> pd.DataFrame:
    """One row per tensor: its numbers, NaN where it has no values; without the histogram."""
    return frame(snapshot_records(snapshot), SNAPSHOT)


def comparison_frame(comparison: Comparison, plan: InitPlan | None = None) -> pd.DataFrame:
    """One row per tensor: its numbers before and after, and with a plan what its law promises.

    ``std_ratio`` is the std after, over the promised one if there is a law, else over the one
    before; NaN where that is zero.
    """
    return frame(comparison_records(comparison, plan), COMPARISON)


def alternatives_frame(alternatives: Alternatives) -> pd.DataFrame:
    """One row per parameter: its numbers now, and its law, mean and std under every config.

    ``differs`` says whether the configs make different things of it.
    """
    return frame(alternatives_records(alternatives), alternatives_types(alternatives))


def frame(rows: Iterable[Mapping[str, Any]], kinds: Mapping[str, str]) -> pd.DataFrame:
    """A frame with these columns and types, even without rows."""
    found = pd.DataFrame(list(rows), columns=["name", *kinds])
    return found.astype(dict(kinds)).set_index("name")
