"""Numbers, plans and shapes as plain text in columns, for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from brickbook.html import format_number, format_shape
from brickbook.init.execution import InitReport
from brickbook.init.lockfile import LockChanges
from brickbook.init.planning import InitPlan
from brickbook.init.tracing import History
from brickbook.measure import Complexity, CoordinateCheck, ShapeTrace, Signals, Snapshot
from brickbook.measure.identify import Identification
from brickbook.measure.law_study import LawStudy
from brickbook.measure.mean_field import MeanField
from brickbook.measure.race import Race, sparkline
from brickbook.measure.recorder import ActivationHistory
from brickbook.measure.snapshot import Alternatives, Comparison
from brickbook.measure.spectra import Spectra
from brickbook.measure.triple import Triple
from brickbook.printable import escape_controls
from brickbook.records import TextTable, record_table
from brickbook.views.diff import Differences

__all__ = [
    "RECORD_TYPES",
    "align_columns",
    "comparison_text",
    "shapes_text",
    "terminal_table",
    "text",
]

NO_LIMIT = 10**9
SPARKLINE_LENGTH = 16


RECORD_TYPES = (
    ActivationHistory, Alternatives, Comparison, Complexity, CoordinateCheck, Differences, History,
    Identification, InitPlan, InitReport, LawStudy, LockChanges, MeanField, Race, ShapeTrace,
    Signals, Snapshot, Spectra, Triple,
)  # fmt: skip


def text(value: Any, max_rows: int = NO_LIMIT) -> str:
    """Return a record as a table of at most ``max_rows`` rows, its warnings and its summary below.

    A value of another kind is its ``repr``.
    """
    if not isinstance(value, RECORD_TYPES):
        return escape_controls(repr(value), kept="\n\t")
    headings, rows, _, warnings = terminal_table(value)
    more = [f"… and {len(rows) - max_rows:,} more rows"] if len(rows) > max_rows else []
    body = [align_columns((headings, *rows[:max_rows]))] if rows else []
    lines = (*body, *more, *(f"⚠ {warning}" for warning in warnings), repr(value))
    return escape_controls("\n".join(lines), kept="\n")


def terminal_table(value: Any) -> TextTable:
    """Return the table of a record as a terminal shows it."""
    return TERMINAL_TABLES.get(type(value), record_table)(value)


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
    return align_columns((("brick", "class", "output", "parameters"), *rows))


def comparison_text(comparison: Comparison) -> str:
    """Return the numbers of a comparison as text."""
    table = comparison_table(comparison)
    return align_columns((table.headings, *table.rows))


def comparison_table(comparison: Comparison) -> TextTable:
    """The numbers of a comparison."""
    heads = ("name", "shape", "mean before", "after", "std before", "after")
    rows = []
    for pair in comparison.values():
        was, now = pair.before or pair.latest, pair.after or pair.latest
        rows.append((
            pair.name,
            "×".join(map(str, pair.latest.shape)),
            *(format_4g(x) for x in (was.mean, now.mean, was.std, now.std)),
        ))  # fmt: skip
    return TextTable(heads, rows)


def report_table(report: InitReport) -> TextTable:
    """What was done to every parameter."""
    rows = [
        (
            item.name,
            item.action,
            format_shape(report.plan[item.name].shape),
            item.law or item.reason,
            item.source,
        )
        for item in report.records
    ]
    heads = ("parameter", "done", "shape", "law", "by")
    return TextTable(heads, rows, warnings=tuple(map(str, report.plan.unmatched)))


def differences_table(differences: Differences) -> TextTable:
    """What differs."""
    return TextTable(differences.headings, differences.rows)


def race_table(race: Race) -> TextTable:
    """One row a variant: mean of the seeds at the start, its course, at the end, and the band."""
    measures = ("loss", *race.metrics)
    heads = ["variant", *(word for name in measures for word in (name, "", "last", "low", "high"))]
    rows: list[list[str]] = []
    for variant in race.variants:
        row = [variant]
        for name in measures:
            curve = race.curve(variant, name)
            ends = [curve.mean[:1], curve.mean[-1:], curve.low[-1:], curve.high[-1:]]
            first, *last = (format_number(values[0] if values else None) for values in ends)
            row += [first, sparkline(curve.mean, SPARKLINE_LENGTH), *last]
        rows.append(row)
    return TextTable(heads, rows, warnings=tuple(race._warnings()))


# Records whose table in a terminal is another than in a notebook.
TERMINAL_TABLES: dict[type, Callable[[Any], TextTable]] = {
    Comparison: comparison_table,
    Differences: differences_table,
    InitReport: report_table,
    Race: race_table,
}


def align_columns(rows: Sequence[Sequence[str]]) -> str:
    """Set rows of words in columns; control signs of names are written as escapes."""
    rows = [tuple(map(escape_controls, row)) for row in rows]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def format_4g(value: float | None) -> str:
    """Write a number with four digits, a dash for none."""
    return "-" if value is None else f"{value:.4g}"
