"""What two plans, or two sets of numbers, say differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from brickbook.errors import BadArgumentError
from brickbook.init.initplan import InitPlan
from brickbook.init.report import InitReport
from brickbook.init.rows import Row
from brickbook.markup import block, table
from brickbook.measure.comparisons import Comparison, compare, comparison_row
from brickbook.measure.snapshots import Snapshot, snapshot

__all__ = ["Differences", "differences"]

KNOWN = (Snapshot, Comparison)


@dataclass(frozen=True, repr=False)
class Differences:
    """The rows in which two things differ, as a table of texts; false if there are none.

    ``total`` is how many parameters or tensors were looked at.
    """

    names: tuple[str, str]
    heads: tuple[str, ...]
    rows: tuple[Sequence[str], ...]
    total: int
    right: range = range(0)

    def __bool__(self) -> bool:
        return bool(self.rows)

    def __repr__(self) -> str:
        a, b = self.names
        return f"Differences({a}, {b}: {len(self.rows)} of {self.total} differ)"

    def _repr_html_(self) -> str:
        return block(repr(self), [], table(self.heads, self.rows, right=self.right))

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


def differences(a: Any, b: Any, names: tuple[str, str] = ("A", "B")) -> Differences:
    """Return what differs between two plans (or reports), or between two sets of numbers.

    Numbers are those of a model, a state dict, a snapshot, or of a comparison's later side. Raises
    TypeError where one is a plan and the other is not, or for anything else.
    """
    plans = [plan_of(item) for item in (a, b)]
    if plans[0] is not None and plans[1] is not None:
        return between_plans(plans[0], plans[1], names)
    if plans[0] is not None or plans[1] is not None:
        raise BadArgumentError(
            f"{names[0]}, {names[1]}", "a plan can only be held against another plan."
        )
    # The names of tied tensors are all in a state dict, and once in a snapshot of the model.
    of_files = any(isinstance(item, Mapping) and not isinstance(item, KNOWN) for item in (a, b))
    found = [numbers(item, name, of_files) for item, name in zip((a, b), names, strict=True)]
    return between_numbers(compare(*found), names)


def plan_of(value: Any) -> InitPlan | None:
    """The plan that a value is or carries."""
    if isinstance(value, InitReport):
        return value.plan
    return value if isinstance(value, InitPlan) else None


def numbers(value: Any, name: str, of_files: bool) -> Snapshot:
    """The numbers of a value."""
    if isinstance(value, Snapshot):
        return value
    if isinstance(value, Comparison):
        return value.after
    if isinstance(value, nn.Module):
        return snapshot(tensors(value.state_dict()) if of_files else value)
    if isinstance(value, Mapping) and (found := tensors(value)):
        return snapshot(found)
    raise BadArgumentError(
        name,
        f"expected a plan, a report, a snapshot, a model or a state dict, "
        f"got {type(value).__name__}.",
    )


def tensors(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a state dict; a module may keep other things in it."""
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def between_plans(a: InitPlan, b: InitPlan, names: tuple[str, str]) -> Differences:
    """What two plans say differently."""
    heads = ("parameter", f"law {names[0]}", "by", f"law {names[1]}", "by")
    rows = tuple(
        (item.name, *(word for row in (item.before, item.after) for word in said(row)))
        for item in a.diff(b)
    )
    return Differences(names, heads, rows, len({*a, *b}))


def said(row: Row | None) -> tuple[str, str]:
    """What a plan says of a parameter, and which of its rules."""
    if row is None:
        return "not there", ""
    if row.law is None:
        return f"left: {row.reason}", row.source
    return str(row.law), f"{row.rule}, {row.source}"


def between_numbers(found: Comparison, names: tuple[str, str]) -> Differences:
    """The tensors whose numbers differ."""
    a, b = names
    heads = (
        "tensor", "", "shape", f"mean {a}", f"mean {b}", f"std {a}", f"std {b}",
        f"histogram {a}", f"histogram {b}", "",
    )  # fmt: skip
    marks = {"added": f"only in {b}", "removed": f"only in {a}", "changed": "≠"}
    rows = []
    for item in found.values():
        if item.changed:
            name, _, *rest = comparison_row(item)
            rows.append((name, marks[item.status], *rest))
    return Differences(names, heads, tuple(rows), len(found), range(3, 7))
