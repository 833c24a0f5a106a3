"""The histogram grid: what ``grid.js`` needs to draw one small histogram per parameter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from brickbook.errors import BadValueError
from brickbook.measure.bins import edges
from brickbook.measure.comparisons import Comparison, Pair, Status, together
from brickbook.measure.snapshots import TensorStats
from brickbook.texts import Texts
from brickbook.views.marks import pending, rows_of, rule_marks, writer
from brickbook.views.packing import Packing, filled, moments
from brickbook.views.scripts import Script, Style
from brickbook.views.theory import body

if TYPE_CHECKING:
    from brickbook.init.initplan import InitPlan
    from brickbook.init.laws import Law
    from brickbook.init.report import InitReport
    from brickbook.init.rows import Row

__all__ = [
    "GRID_CSS", "GRID_JS", "MOST_VARIANTS", "GridPayload", "Variant", "grid_payload", "holes",
    "law_of", "pending",
]  # fmt: skip

GRID_JS = Script((
    "grid_words.js", "grid_nodes.js", "grid_cells.js", "grid_search.js", "grid_picture.js",
    "grid_cell.js", "grid_bar.js", "grid_table.js", "grid_list.js", "grid_keys.js",
    "grid.js",
))  # fmt: skip
GRID_CSS = Style(("grid_bar.css", "grid_cell.css", "grid_table.css", "grid.css"))
MOST_VARIANTS = 4  # more lines in one picture cannot be told apart


@dataclass(frozen=True)
class GridPayload:
    """The traits of the grid: ``meta`` is JSON-able, ``buffer`` holds the counts.

    ``meta["cells"]`` has one entry per parameter; its ``at`` says where each array lies in the
    buffer: type (u1, u2, u4, f4 or f8, little-endian), first byte, length. A cell's ``module``,
    ``reason``, ``law`` and ``rule`` are places in the lists ``modules``, ``reasons``, ``laws`` and
    ``rules`` of ``meta``. ``variants`` are the labels of what the parameters may become, and each
    cell has one entry for each; ``texts`` is what the grid says, in ``language``. Without a
    ``status`` a parameter is untouched, and is after what it was before: that is not told twice.
    """

    meta: dict[str, Any] = field(repr=False)
    buffer: bytes = field(repr=False)


@dataclass(frozen=True)
class Variant:
    """What one of several configs makes of a model; a plan gives its laws."""

    comparison: Comparison
    plan: InitPlan | None = None
    report: InitReport | None = None

    def law(self, name: str) -> Law | None:
        """Return the law that a parameter should follow."""
        return law_of(rows_of(self.plan, self.report).get(name), self.report)


class Said(NamedTuple):
    """What the plan and the report say of a parameter; ``twin`` is another name of it.

    ``note`` says what its histogram cannot show.
    """

    row: Row | None
    report: InitReport | None
    twin: str | None
    note: str


def grid_payload(
    comparison: Comparison,
    plan: InitPlan | None = None,
    report: InitReport | None = None,
    variants: Mapping[str, Comparison | Variant] | None = None,
    *,
    language: str | None = None,
) -> GridPayload:
    """Pack the parameters of a comparison, with the laws of a plan or of what was done by it.

    Buffers are left out: no law speaks of them. Where the plan is another than that of the
    report, a law is what comes next and not what the values should follow. With ``variants``, by
    label, what stands before is drawn against the after of each of them, not of ``comparison``.

    Raises ValueError for more than four variants and for a language that there is not.
    """
    texts = Texts(language)
    if len(variants or ()) > MOST_VARIANTS:
        problem = f"at most {MOST_VARIANTS} can be told apart, got {len(variants or ())}."
        raise BadValueError("variants", problem)
    several = {
        label: v if isinstance(v, Variant) else Variant(v) for label, v in (variants or {}).items()
    }
    rows = rows_of(plan, report)
    bins = max(snap.bins for snap in snapshots(comparison, several))
    packing = Packing()
    for source, mark in rule_marks(plan, report).items():
        packing.rules.place(source, mark.to_dict())
    # A tensor of several names is shown once, under the first.
    tied = {row.tied_to: row.name for row in rows.values() if row.tied_to}
    cells = [
        cell(
            item,
            several,
            Said(rows.get(item.name), report, tied.get(item.name), holes(item.latest, texts)),
            bins,
            packing,
        )
        for item in comparison.values()
        if item.kind == "parameter"
    ]
    meta = {
        "version": 3,
        "language": texts.language,
        "texts": texts.part("grid"),
        **packing.lists(),
        "variants": list(several),
        "cells": cells,
    }
    return GridPayload(meta, bytes(packing.bytes))


def snapshots(comparison: Comparison, several: Mapping[str, Variant]) -> Iterator[Any]:
    """Yield every snapshot there is to draw."""
    yield from (comparison.before, comparison.after)
    for variant in several.values():
        yield variant.comparison.after


def law_of(row: Row | None, report: InitReport | None = None) -> Law | None:
    """The law a parameter should follow; None where something else was written in the end."""
    if row is None or row.law is None:
        return None
    record = report.get(row.name) if report is not None and not pending(row, report) else None
    return row.law if record is None or record.action == "written" else None


def cell(
    item: Pair,
    several: Mapping[str, Variant],
    said: Said,
    most: int,
    packing: Packing,
) -> dict[str, Any]:
    """One histogram of at most ``most`` bins; keys without a value are left out."""
    sides = (
        afters(item, several)
        if several
        else [(item.after, law_of(said.row, said.report), item.status)]
    )
    laws = [body(law, 3.0) for _, law, _ in sides if law is not None]
    cover = (min(low for low, _ in laws), max(high for _, high in laws)) if laws else None
    low, width, counts = together([item.before, *(side[0] for side in sides)], most, cover)
    ends, total = edges(low, width, len(counts[0])), sum(counts[0])
    packed = [
        packing.side(stats if told(status) else None, law, found, ends, total)
        for (stats, law, status), found in zip(sides, counts[1:], strict=True)
    ]
    found = {
        "name": item.name,
        "shape": list(item.latest.shape),
        "count": item.latest.count,
        "low": low,
        "width": width,
        "bins": len(counts[0]),
        "before": moments(item.before),
        "note": said.note,
        **words(item, said, packing),
        "at": {"before": packing.add(counts[0])} if item.before is not None else {},
    }
    if not several:
        return filled(found | packed[0] | {"at": found["at"] | packed[0]["at"]})
    states = [told(status) for _, _, status in sides]
    found["status"] = next(filter(None, states), "")
    found["same"] = not found["status"] and bool(laws)
    both = zip(packed, states, strict=True)
    return filled(found | {"variants": [filled({**side, "status": state}) for side, state in both]})


def afters(item: Pair, several: Mapping[str, Variant]) -> list[tuple[Any, Law | None, Status]]:
    """Return what each variant makes of a parameter: its numbers, its law, and its status.

    The status is beside the "before" that is drawn, whatever the variant was compared with.
    """
    pairs = ((variant, variant.comparison.get(item.name)) for variant in several.values())
    return [
        (pair.after, variant.law(item.name), Pair(item.name, item.before, pair.after).status)
        if pair is not None
        else (None, None, "removed")
        for variant, pair in pairs
    ]


def told(status: str) -> str:
    """Return what is told of a status: nothing of what most parameters are."""
    return "" if status == "untouched" else status


def words(item: Pair, said: Said, packing: Packing) -> dict[str, Any]:
    """What the plan and the report say of a parameter."""
    row, report, twin, _ = said
    record = report.get(item.name) if report is not None else None
    found: dict[str, Any] = {
        "status": told(item.status),
        # Written, with the values that were there.
        "same": item.status == "untouched" and record is not None and record.action != "left",
    }
    if row is None:
        return found
    source, _ = writer(row, report)
    return found | {
        "next": bool(row.law) and pending(row, report),
        "module": packing.modules.place(row.module, row.module),
        "rule": packing.rules.places.get(source),
        "reason": packing.reasons.place(row.reason, row.reason) if row.reason else None,
        "frozen": row.frozen,
        "tied": row.tied_to or twin,
    }


def holes(stats: TensorStats, texts: Texts) -> str:
    """What a histogram cannot show: "2 NaN, 1 infinite", "no values (meta)", or ""."""
    if not stats.count:
        return texts("holes.none_for", why=stats.missing) if stats.missing else texts["holes.none"]
    parts = [("nan", stats.nan), ("inf", stats.inf)]
    return texts["list.comma"].join(texts(f"holes.{key}", n=n) for key, n in parts if n)
