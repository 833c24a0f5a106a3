"""Numbers and shapes as plain text in columns, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brickbook.measure import Comparison, ShapeTrace

__all__ = ["columns", "comparison_text", "shapes_text"]


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
    head = ("name", "shape", "mean before", "after", "std before", "after")
    rows = []
    for pair in comparison.values():
        was, now = pair.before or pair.latest, pair.after or pair.latest
        rows.append((
            pair.name,
            "×".join(map(str, pair.latest.shape)),
            *(number(x) for x in (was.mean, now.mean, was.std, now.std)),
        ))  # fmt: skip
    return columns((head, *rows))


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
