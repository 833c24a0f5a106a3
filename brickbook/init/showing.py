"""The columns of a plan as texts: what a notebook shows of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from brickbook.init.rows import Row
from brickbook.markup import shape

__all__ = ["plan_columns", "plan_row"]

LEFT, FROZEN = "left: {reason}", "{law} (frozen)"


def plan_columns(rows: Iterable[Row]) -> tuple[Sequence[str], list[Sequence[str]]]:
    """The heads and rows of a plan's table."""
    heads = ("parameter", "module", "shape", "law", "rule", "by", "wins over")
    return heads, [plan_row(row) for row in rows]


def plan_row(
    row: Row, left: str = LEFT, frozen: str = FROZEN, scalar: str = "scalar"
) -> Sequence[str]:
    """One row of a plan; ``left``, ``frozen`` and ``scalar`` are its words in another language."""
    law = str(row.law) if row.law is not None else left.format(reason=row.reason)
    if row.frozen:
        law = frozen.format(law=law)
    return (
        row.name,
        row.module,
        shape(row.shape, scalar),
        law,
        row.rule,
        row.source,
        ", ".join(row.losers),
    )
