"""What differs between two plans, or between two sets of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from brickbook.errors import BadArgumentError
from brickbook.html import collapsible, html_table
from brickbook.init.execution import InitReport
from brickbook.init.planning import InitPlan, PlanRow
from brickbook.init.tracing import History
from brickbook.measure.snapshot import (
    COMPARISON_COLUMNS,
    Comparison,
    Snapshot,
    compare,
    comparison_row,
    snapshot,
)
from brickbook.records import text_table

__all__ = ["Differences", "differences"]

SNAPSHOT_RECORDS = (Snapshot, Comparison)


@dataclass(frozen=True, repr=False)
class Differences:
    """The rows in which two things differ, as a table of texts; false if there are none.

    ``total`` is how many parameters or tensors were looked at.
    """

    names: tuple[str, str]
    headings: tuple[str, ...]
    rows: tuple[Sequence[str], ...]
    total: int
    right_aligned: range = range(0)

    def __bool__(self) -> bool:
        return bool(self.rows)

    def __repr__(self) -> str:
        a, b = self.names
        return f"Differences({a}, {b}: {len(self.rows)} of {self.total} differ)"

    def _repr_html_(self) -> str:
        return collapsible(
            repr(self), [], html_table(self.headings, self.rows, right_aligned=self.right_aligned)
        )

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


def differences(a: Any, b: Any, names: tuple[str, str] = ("A", "B")) -> Differences:
    """Return what differs between two plans, or between two sets of numbers.

    Args:
        a: A plan, or the report or the history that has one; or numbers: a model, a state dict, a
            snapshot, or a comparison, of which the later side counts.
        b: What to compare it with.
        names: What to call the two.

    Raises:
        BadArgumentError: one is a plan and the other is not, or one is none of these.
    """
    plans = [plan_of(item) for item in (a, b)]
    if plans[0] is not None and plans[1] is not None:
        return plan_differences(plans[0], plans[1], names)
    if plans[0] is not None or plans[1] is not None:
        raise BadArgumentError(
            f"{names[0]}, {names[1]}", "a plan can only be held against another plan."
        )
    # The names of tied tensors are all in a state dict, and once in a snapshot of the model.
    of_files = any(
        isinstance(item, Mapping) and not isinstance(item, SNAPSHOT_RECORDS) for item in (a, b)
    )
    found = [snapshot_of(item, name, of_files) for item, name in zip((a, b), names, strict=True)]
    return snapshot_differences(compare(*found), names)


def plan_of(value: Any) -> InitPlan | None:
    """The plan that a value is or carries."""
    if isinstance(value, InitReport | History):
        return value.plan
    return value if isinstance(value, InitPlan) else None


def snapshot_of(value: Any, name: str, as_state_dict: bool) -> Snapshot:
    """The numbers of a value."""
    if isinstance(value, Snapshot):
        return value
    if isinstance(value, Comparison):
        return value.after
    if isinstance(value, nn.Module):
        return snapshot(only_tensors(value.state_dict()) if as_state_dict else value)
    if isinstance(value, Mapping) and (found := only_tensors(value)):
        return snapshot(found)
    raise BadArgumentError(
        name,
        f"expected a plan, a report, a history, a snapshot, a model or a state dict, "
        f"got {type(value).__name__}.",
    )


def only_tensors(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a state dict; a module may keep other things in it."""
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def plan_differences(a: InitPlan, b: InitPlan, names: tuple[str, str]) -> Differences:
    """Return the parameters for which two plans have another law."""
    heads = ("parameter", f"law {names[0]}", "by", f"law {names[1]}", "by")
    rows = tuple(
        (item.name, *(word for row in (item.before, item.after) for word in law_and_rule(row)))
        for item in a.diff(b)
    )
    return Differences(names, heads, rows, len({*a, *b}))


def law_and_rule(row: PlanRow | None) -> tuple[str, str]:
    """What a plan says of a parameter, and which of its rules."""
    if row is None:
        return "not there", ""
    if row.law is None:
        return f"left: {row.reason}", row.source
    return str(row.law), f"{row.rule}, {row.source}"


def snapshot_differences(found: Comparison, names: tuple[str, str]) -> Differences:
    """The tensors whose numbers differ."""
    a, b = names
    sides = {"before": a, "after": b}
    heads = tuple(
        " ".join(sides.get(word, word) for word in heading.split())
        for heading in text_table(COMPARISON_COLUMNS, ()).headings
    )
    marks = {"added": f"only in {b}", "removed": f"only in {a}", "changed": "≠"}
    rows = []
    for item in found.values():
        if item.changed:
            name, _, *rest = comparison_row(item)
            rows.append((name, marks[item.status], *rest))
    return Differences(names, heads, tuple(rows), len(found), range(3, 7))
