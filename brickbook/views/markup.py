"""Small fixed HTML: tables with inline styles only, so that they look right in any notebook.

An untrusted notebook drops ``<style>`` and scripts and keeps ``style=``. Every text is escaped:
names come from configs and checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from brickbook.measure.snapshots import Snapshot, TensorStats
from brickbook.views.grid import holes

if TYPE_CHECKING:
    from brickbook.init.report import InitReport
    from brickbook.init.rows import InitPlan, Row

__all__ = ["plan_html", "report_html", "snapshot_html", "table"]

SHOWN = 200
CELL = "padding:2px 8px;text-align:left"
NUMBER = "padding:2px 8px;text-align:right"


def plan_html(plan: InitPlan) -> str:
    """What a plan will do: one row per parameter, and the rules without effect above."""
    words = [str(item) for item in plan.unmatched]
    return block(repr(plan), words, table(*plan_columns(plan)))


def report_html(report: InitReport) -> str:
    """What an initialisation has done: one row per parameter, and the rules without effect."""
    heads = ("parameter", "done", "law", "by")
    rows = [(r.name, r.action, r.law or r.reason, r.source) for r in report.records]
    words = [str(item) for item in report.plan.unmatched]
    return block(repr(report), words, table(heads, rows))


def snapshot_html(snapshot: Snapshot) -> str:
    """The numbers of every tensor."""
    heads = ("tensor", "shape", "dtype", "min", "max", "mean", "std", "zeros", "")
    rows = [numbers(stats) for stats in snapshot.values()]
    return block(repr(snapshot), [], table(heads, rows, right=range(3, 8)))


def plan_columns(plan: InitPlan) -> tuple[Sequence[str], list[Sequence[str]]]:
    """The heads and rows of a plan's table."""
    heads = ("parameter", "module", "shape", "law", "rule", "by", "wins over")
    return heads, [plan_row(row) for row in plan.rows]


def plan_row(row: Row) -> Sequence[str]:
    """One row of a plan."""
    law = str(row.law) if row.law is not None else f"left: {row.reason}"
    if row.frozen:
        law += " (frozen)"
    return (
        row.name,
        row.module,
        shape(row.shape),
        law,
        row.rule,
        row.source,
        ", ".join(row.losers),
    )


def numbers(stats: TensorStats) -> Sequence[str]:
    """One row of a snapshot."""
    values = (stats.min, stats.max, stats.mean, stats.std)
    shown = ("–" if value is None else f"{value:.4g}" for value in values)
    zeros = f"{stats.zeros:.2%}" if stats.count else "–"
    return (stats.name, shape(stats.shape), stats.dtype, *shown, zeros, holes(stats))


def shape(sizes: Sequence[int]) -> str:
    """A shape as "64×3×7×7".

    >>> shape((64, 3, 7, 7)), shape(())
    ('64×3×7×7', 'scalar')
    """
    return "×".join(map(str, sizes)) or "scalar"


def block(title: str, words: Iterable[str], body: str) -> str:
    """A line, warnings, and a table to unfold."""
    warned = "".join(f'<div style="margin:2px 0">⚠ {escape(text)}</div>' for text in words)
    return (
        f"<div><div>{escape(title)}</div>{warned}"
        f'<details><summary style="cursor:pointer">Show as table</summary>'
        f'<div style="max-height:24em;overflow:auto">{body}</div></details></div>'
    )


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Iterable[int] = (),
    shown: int = SHOWN,
) -> str:
    """An HTML table of escaped texts; the columns in ``right`` are aligned right."""
    styles = [NUMBER if at in right else CELL for at in range(len(heads))]
    head = line("th", heads, styles)
    body = "".join(line("td", row, styles) for row in rows[:shown])
    more = len(rows) - shown
    foot = f'<div style="{CELL}">and {more:,} more</div>' if more > 0 else ""
    start = '<table style="border-collapse:collapse">'
    return f"{start}<thead>{head}</thead><tbody>{body}</tbody></table>{foot}"


def line(tag: str, texts: Sequence[str], styles: Sequence[str]) -> str:
    """One row of a table."""
    cells = (
        f'<{tag} style="{style}">{escape(text)}</{tag}>'
        for text, style in zip(texts, styles, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"
