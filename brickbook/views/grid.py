"""The histogram grid: what ``grid.js`` needs to draw one small histogram per parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brickbook.measure.comparisons import Comparison, Pair, pair
from brickbook.measure.snapshots import TensorStats
from brickbook.views.theory import body, expected, is_constant

if TYPE_CHECKING:
    from brickbook.init.initplan import InitPlan
    from brickbook.init.laws import Law
    from brickbook.init.report import InitReport
    from brickbook.init.rows import Row

__all__ = [
    "GRID_CSS", "GRID_JS", "GridPayload", "grid_payload", "holes", "law_of", "pending",
]  # fmt: skip

GRID_JS = Path(__file__).with_name("grid.js")
GRID_CSS = Path(__file__).with_name("grid.css")
# The narrowest that holds the largest count; the names are those of grid.js.
CODES = (("u1", 2**8), ("u2", 2**16), ("u4", 2**32), ("f8", 2**53))


@dataclass(frozen=True)
class GridPayload:
    """The traits of the grid: ``meta`` is JSON-able, ``buffer`` holds the counts.

    ``meta["cells"]`` has one entry per parameter; its ``at`` says where each array lies in the
    buffer: type (u1, u2, u4, f4 or f8, little-endian), first byte, length.
    """

    meta: dict[str, Any] = field(repr=False)
    buffer: bytes = field(repr=False)


class Buffer:
    """Arrays one after the other."""

    def __init__(self) -> None:
        self.bytes = bytearray()

    def counts(self, values: Sequence[int]) -> list[object]:
        """Add whole numbers; returns their place."""
        most = max(values, default=0)
        return self.add(values, next((code for code, limit in CODES if most < limit), "f8"))

    def add(self, values: Sequence[float], code: str) -> list[object]:
        """Add numbers of one type; returns their place."""
        start = len(self.bytes)
        self.bytes += np.asarray(values, dtype=f"<{code}").tobytes()
        return [code, start, len(values)]


def grid_payload(
    comparison: Comparison, plan: InitPlan | None = None, report: InitReport | None = None
) -> GridPayload:
    """Pack the parameters of a comparison, with the laws of a plan or of what was done by it.

    Buffers are left out: no law speaks of them. Where the plan is another than that of the
    report, a law is what comes next and not what the values should follow.
    """
    rows = plan if plan is not None else report.plan if report is not None else {}
    buffer = Buffer()
    bins = max(comparison.before.bins, comparison.after.bins)
    cells = [
        cell(item, rows.get(item.name), law_of(rows.get(item.name), report), buffer, bins)
        | past(item, rows.get(item.name), report)
        for item in comparison.values()
        if item.kind == "parameter"
    ]
    return GridPayload({"version": 1, "cells": cells}, bytes(buffer.bytes))


def law_of(row: Row | None, report: InitReport | None = None) -> Law | None:
    """The law a parameter should follow; None where something else was written in the end."""
    if row is None or row.law is None:
        return None
    record = report.get(row.name) if report is not None and not pending(row, report) else None
    return row.law if record is None or record.action == "written" else None


def pending(row: Row | None, report: InitReport | None) -> bool:
    """Whether a plan's row says something else than what the report is of."""
    if row is None or report is None:
        return False
    done = report.plan.get(row.name)
    return done is None or (done.law, done.then) != (row.law, row.then)


def past(item: Pair, row: Row | None, report: InitReport | None) -> dict[str, bool]:
    """Say whether a parameter was written with its own values, and whether its law comes next."""
    record = report.get(item.name) if report is not None else None
    same = item.status == "untouched" and record is not None and record.action != "left"
    found = {"same": same, "next": row is not None and bool(row.law) and pending(row, report)}
    return {key: True for key, value in found.items() if value}


def cell(item: Pair, row: Row | None, law: Law | None, buffer: Buffer, bins: int) -> dict[str, Any]:
    """One histogram; keys without a value are left out."""
    if law is not None:
        item = pair(item.before, item.after, bins, cover=body(law, 3.0))
    stats = item.latest
    found = {
        "name": item.name,
        "shape": list(stats.shape),
        "count": stats.count,
        "status": item.status,
        "low": item.low,
        "width": item.width,
        "bins": len(item.counts_after),
        "before": moments(item.before),
        "after": moments(item.after),
        "note": holes(stats),
        "at": places(item, law, buffer),
        **words(row, law),
    }
    # Not by equality: 0 is a value, and equal to False.
    return {k: v for k, v in found.items() if v is not None and v is not False and v != ""}


def places(item: Pair, law: Law | None, buffer: Buffer) -> dict[str, list[object]]:
    """Put the counts into the buffer; equal ones once."""
    at: dict[str, list[object]] = {}
    if item.before is not None:
        at["before"] = buffer.counts(item.counts_before)
    if item.after is not None:
        same = item.counts_after == item.counts_before and "before" in at
        at["after"] = at["before"] if same else buffer.counts(item.counts_after)
    # A constant is a vertical line, for which grid.js needs no counts.
    if law is not None and not is_constant(law) and item.counts_after:
        total = sum(item.counts_after) or sum(item.counts_before)
        at["law"] = buffer.add(expected(law, item.edges, total), "f4")
    return at


def words(row: Row | None, law: Law | None) -> Mapping[str, Any]:
    """What the plan says of a parameter."""
    if row is None:
        return {}
    return {
        "module": row.module,
        "law": str(law) if law is not None else "",
        "expected": None if law is None else {"mean": short(law.mean), "std": short(law.std)},
        "rule": row.rule,
        "source": row.source,
        "reason": row.reason,
        "frozen": row.frozen,
    }


def moments(stats: TensorStats | None) -> dict[str, float] | None:
    """Mean and standard deviation, where there are any."""
    if stats is None or stats.mean is None or stats.std is None:
        return None
    return {"mean": short(stats.mean), "std": short(stats.std)}


def holes(stats: TensorStats) -> str:
    """What a histogram cannot show: "2 NaN, 1 infinite", "no values (meta)", or ""."""
    if not stats.count:
        return f"no values ({stats.missing})" if stats.missing else "no values"
    parts = [(stats.nan, "NaN"), (stats.inf, "infinite")]
    return ", ".join(f"{count:,} {word}" for count, word in parts if count)


def short(value: float) -> float:
    """Six digits: what anyone reads, and a third of the bytes."""
    return float(f"{value:.6g}")
