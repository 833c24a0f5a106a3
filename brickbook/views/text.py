"""Numbers, plans and shapes as plain text in columns, for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from brickbook.init.initplan import InitPlan
from brickbook.init.report import InitReport
from brickbook.init.showing import plan_columns
from brickbook.markup import shape
from brickbook.measure.alternatives import Alternatives
from brickbook.measure.comparisons import Comparison
from brickbook.measure.costs import Complexity, complexity_columns
from brickbook.measure.showing import snapshot_columns
from brickbook.measure.snapshots import Snapshot
from brickbook.views.differences import Differences

if TYPE_CHECKING:
    from brickbook.measure import ShapeTrace

__all__ = ["TEXTS", "columns", "comparison_text", "shapes_text", "text"]

ALL = 10**9


def text(value: Any, most: int = ALL) -> str:
    """Return a record as a table of at most ``most`` rows, its warnings and its summary below.

    A value of another kind is its ``repr``.
    """
    make = TEXTS.get(type(value))
    if make is None:
        return repr(value)
    heads, rows, words = make(value)
    more = [f"… and {len(rows) - most:,} more rows"] if len(rows) > most else []
    body = [columns((heads, *rows[:most]))] if rows else []
    return "\n".join((*body, *more, *(f"⚠ {word}" for word in words), repr(value)))


def shapes_text(trace: ShapeTrace) -> str:
    """Return the bricks with their output shapes as text."""
    rows = [
        (
            row.name,
            row.kind,
            row.error or "×".join(map(str, (row.output or ())[1:])) or row.state,
            f"{row.params:,}",
        )
        for row in trace.rows
    ]
    return columns((("brick", "class", "output", "parameters"), *rows))


def comparison_text(comparison: Comparison) -> str:
    """Return the numbers of a comparison as text."""
    heads, rows, _ = compared(comparison)
    return columns((heads, *rows))


Sheet = tuple[Sequence[str], Sequence[Sequence[str]], Iterable[str]]


def compared(comparison: Comparison) -> Sheet:
    """The numbers of a comparison."""
    heads = ("name", "shape", "mean before", "after", "std before", "after")
    rows = []
    for pair in comparison.values():
        was, now = pair.before or pair.latest, pair.after or pair.latest
        rows.append((
            pair.name,
            "×".join(map(str, pair.latest.shape)),
            *(number(x) for x in (was.mean, now.mean, was.std, now.std)),
        ))  # fmt: skip
    return heads, rows, ()


def planned(plan: InitPlan) -> Sheet:
    """What a plan says of every parameter."""
    return *plan_columns(plan.rows), map(str, plan.unmatched)


def done(report: InitReport) -> Sheet:
    """What was done to every parameter."""
    rows = [
        (item.name, item.action, shape(report.plan[item.name].shape), item.law or item.reason,
         item.source)
        for item in report.records
    ]  # fmt: skip
    heads = ("parameter", "done", "shape", "law", "by")
    return heads, rows, map(str, report.plan.unmatched)


def measured(snapshot: Snapshot) -> Sheet:
    """The numbers of every tensor."""
    heads, rows, _ = snapshot_columns(snapshot.values())
    return heads, rows, ()


def costing(found: Complexity) -> Sheet:
    """What every module costs."""
    heads, rows, _ = complexity_columns(found.rows)
    return heads, rows, ()


def would_be(alternatives: Alternatives) -> Sheet:
    """What each config would make of every parameter."""
    return *alternatives.columns(), alternatives.words


def differing(differences: Differences) -> Sheet:
    """What differs."""
    return differences.heads, differences.rows, ()


# A row here, and a record of another kind has a text.
TEXTS: dict[type, Callable[[Any], Sheet]] = {
    Alternatives: would_be,
    Comparison: compared,
    Complexity: costing,
    Differences: differing,
    InitPlan: planned,
    InitReport: done,
    Snapshot: measured,
}


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Set rows of words in columns."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def number(value: float | None) -> str:
    """Write a number with four digits, a dash for none."""
    return "-" if value is None else f"{value:.4g}"
