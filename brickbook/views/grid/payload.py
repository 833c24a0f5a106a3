"""The histogram grid as JSON and one buffer."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from brickbook.errors import BadValueError
from brickbook.i18n import Texts
from brickbook.measure.snapshot import (
    Comparison,
    Status,
    TensorChange,
    TensorStats,
    bin_edges,
    rebin_common,
)
from brickbook.views.data.law_curves import CumulativeLaw, cumulative_law, mass_interval
from brickbook.views.data.rule_badges import current_rows, pending, rule_badges, winning_rule
from brickbook.views.grid.bundle import ScriptBundle, StyleBundle

if TYPE_CHECKING:
    from brickbook.init.execution import InitReport
    from brickbook.init.laws import Law
    from brickbook.init.planning import InitPlan, PlanRow

__all__ = [
    "GRID_CSS",
    "GRID_JS",
    "GridPayload",
    "Variant",
    "expected_law",
    "grid_payload",
    "missing_values",
]

# The narrowest that holds the largest count; the names are those of grid_cells.js.
COUNT_TYPES = (("u1", 2**8), ("u2", 2**16), ("u4", 2**32), ("f8", 2**53))


class Interner:
    """A list of values in which equal ones stand once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.positions: dict[Hashable, int] = {}

    def index(self, key: Hashable, value: Any) -> int:
        """Return where the value of a key stands."""
        if key not in self.positions:
            self.positions[key] = len(self.values)
            self.values.append(value)
        return self.positions[key]


class PayloadBuilder:
    """A payload in the making: the buffer, and the lists that cells point into."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.offsets: dict[tuple[str, bytes], int] = {}
        self.modules, self.reasons, self.laws, self.rules = (Interner() for _ in range(4))
        self.densities: list[CumulativeLaw | None] = []

    def lists(self) -> dict[str, list[Any]]:
        """Return the lists by name."""
        names = ("modules", "reasons", "laws", "rules")
        return {name: getattr(self, name).values for name in names}

    def add_array(self, values: Sequence[float], dtype: str = "") -> list[object]:
        """Put numbers into the buffer, equal arrays once; return their place.

        Without a ``dtype`` they are whole and not negative, and take the narrowest type.
        """
        if not dtype:
            most = max(values, default=0)
            dtype = next((code for code, limit in COUNT_TYPES if most < limit), "f8")
        data = np.asarray(values, dtype=f"<{dtype}").tobytes()
        start = self.offsets.setdefault((dtype, data), len(self.buffer))
        if start == len(self.buffer):
            self.buffer += data
        return [dtype, start, len(values)]

    def add_law(self, law: Law) -> int:
        """Return the place of a law, with its density made ready."""
        # A law of one's own need not be hashable.
        key = law if type(law).__hash__ is not None else id(law)
        facts = {"text": str(law), "mean": six_digits(law.mean), "std": six_digits(law.std)}
        if law.atoms:
            facts["atoms"] = [[six_digits(value), six_digits(share)] for value, share in law.atoms]
        at = self.laws.index(key, facts)
        if at == len(self.densities):
            self.densities.append(cumulative_law(law))
        return at

    def pack_side(
        self,
        stats: TensorStats | None,
        law: Law | None,
        counts: Sequence[int],
        edges: Sequence[float],
        total: int,
    ) -> dict[str, Any]:
        """Pack what became of a tensor: its moments and counts, the law and what that expects.

        ``edges`` are those of the bins; ``total`` is how many values there are where there are no
        counts.
        """
        places: dict[str, list[object]] = {}
        if stats is not None:
            places["after"] = self.add_array(counts)
        found: dict[str, Any] = {"after": rounded_moments(stats), "at": places}
        if law is not None:
            found["law"] = self.add_law(law)
            curve = self.densities[found["law"]]
            if curve is not None and counts:
                places["law"] = self.add_array(
                    curve.expected_counts(edges, sum(counts) or total), "f4"
                )
        return found


def without_empty(found: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what has no value."""
    # Not by equality: 0 is a value, and equal to False.
    return {k: v for k, v in found.items() if v is not None and v is not False and v != ""}


def rounded_moments(stats: TensorStats | None) -> list[float] | None:
    """Return mean and standard deviation, where there are any."""
    if stats is None or stats.mean is None or stats.std is None:
        return None
    return [six_digits(stats.mean), six_digits(stats.std)]


def six_digits(value: float) -> float:
    """Round to six digits: what anyone reads, and a third of the bytes."""
    return float(f"{value:.6g}")


GRID_JS = ScriptBundle((
    "grid_words.js", "grid_nodes.js", "grid_cells.js", "grid_search.js", "grid_picture.js",
    "grid_cell.js", "grid_bar.js", "grid_table.js", "grid_list.js", "grid_keys.js",
    "grid.js",
))  # fmt: skip

GRID_CSS = StyleBundle(("grid_bar.css", "grid_cell.css", "grid_table.css", "grid.css"))
MAX_VARIANTS = 4  # more lines in one picture cannot be told apart


@dataclass(frozen=True)
class GridPayload:
    """The traits of the grid: ``meta`` is JSON-able, ``buffer`` holds the counts.

    ``meta["cells"]`` has one entry per parameter; its ``at`` says where each array lies in the
    buffer: type (u1, u2, u4, f4 or f8, little-endian), first byte, length. A cell's ``module``,
    ``reason``, ``law`` and ``rule`` are places in the lists ``modules``, ``reasons``, ``laws`` and
    ``rules`` of ``meta``. ``variants`` are the labels of what the parameters may become, and each
    cell has one entry for each; ``texts`` is what the grid says, in ``language``. Without a
    ``status`` a parameter is untouched, and is after what it was before: that is not sent twice.
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
        return expected_law(current_rows(self.plan, self.report).get(name), self.report)


class CellContext(NamedTuple):
    """What the plan and the report have on a parameter; ``tied_name`` is another name of it.

    ``note`` says what its histogram cannot show, ``texts`` are those of the reader's language.
    """

    row: PlanRow | None
    report: InitReport | None
    tied_name: str | None
    note: str
    texts: Texts


def grid_payload(
    comparison: Comparison,
    plan: InitPlan | None = None,
    report: InitReport | None = None,
    variants: Mapping[str, Comparison | Variant] | None = None,
    *,
    language: str | None = None,
) -> GridPayload:
    """Pack the parameters of a comparison, with the laws of a plan or of what was done by it.

    Buffers are left out: no law fills them. Where the plan is another than that of the
    report, a law is what comes next and not what the values should follow. With ``variants``, by
    label, what stands before is drawn against the after of each of them, not of ``comparison``.

    Raises:
        ValueError: There are more than four variants, or there is no such language.
    """
    texts = Texts(language)
    if len(variants or ()) > MAX_VARIANTS:
        problem = f"at most {MAX_VARIANTS} can be told apart, got {len(variants or ())}."
        raise BadValueError("variants", problem)
    several = {
        label: v if isinstance(v, Variant) else Variant(v) for label, v in (variants or {}).items()
    }
    rows = current_rows(plan, report)
    bins = max(snap.bins for snap in all_snapshots(comparison, several))
    packing = PayloadBuilder()
    for source, mark in rule_badges(plan, report).items():
        packing.rules.index(source, mark.to_dict())
    # A tensor of several names is shown once, under the first.
    tied = {row.tied_to: row.name for row in rows.values() if row.tied_to}
    cells = [
        pack_cell(
            item,
            several,
            CellContext(
                rows.get(item.name),
                report,
                tied.get(item.name),
                missing_values(item.latest, texts),
                texts,
            ),
            bins,
            packing,
        )
        for item in comparison.values()
        if item.kind == "parameter"
    ]
    meta = {
        "version": 3,
        "language": texts.language,
        "texts": texts.section("grid"),
        **packing.lists(),
        "variants": list(several),
        "cells": cells,
    }
    return GridPayload(meta, bytes(packing.buffer))


def all_snapshots(comparison: Comparison, variants: Mapping[str, Variant]) -> Iterator[Any]:
    """Yield every snapshot there is to draw."""
    yield from (comparison.before, comparison.after)
    for variant in variants.values():
        yield variant.comparison.after


def expected_law(row: PlanRow | None, report: InitReport | None = None) -> Law | None:
    """The law a parameter should follow; None where something else was written in the end."""
    if row is None or row.law is None:
        return None
    record = report.get(row.name) if report is not None and not pending(row, report) else None
    return row.law if record is None or record.action == "written" else None


def pack_cell(
    item: TensorChange,
    variants: Mapping[str, Variant],
    context: CellContext,
    max_bins: int,
    builder: PayloadBuilder,
) -> dict[str, Any]:
    """One histogram of at most ``most`` bins; keys without a value are left out."""
    sides = (
        variant_sides(item, variants)
        if variants
        else [(item.after, expected_law(context.row, context.report), item.status)]
    )
    laws = [mass_interval(law, 3.0) for _, law, _ in sides if law is not None]
    cover = (min(low for low, _ in laws), max(high for _, high in laws)) if laws else None
    low, width, counts = rebin_common([item.before, *(side[0] for side in sides)], max_bins, cover)
    ends, total = bin_edges(low, width, len(counts[0])), sum(counts[0])
    packed = [
        builder.pack_side(stats if shown_status(status) else None, law, found, ends, total)
        for (stats, law, status), found in zip(sides, counts[1:], strict=True)
    ]
    found = {
        "name": item.name,
        "shape": list(item.latest.shape),
        "count": item.latest.count,
        "low": low,
        "width": width,
        "bins": len(counts[0]),
        "before": rounded_moments(item.before),
        "note": context.note,
        **cell_texts(item, context, builder),
        "at": {"before": builder.add_array(counts[0])} if item.before is not None else {},
    }
    if not variants:
        return without_empty(found | packed[0] | {"at": found["at"] | packed[0]["at"]})
    states = [shown_status(status) for _, _, status in sides]
    found["status"] = next(filter(None, states), "")
    found["same"] = not found["status"] and bool(laws)
    both = zip(packed, states, strict=True)
    return without_empty(
        found | {"variants": [without_empty({**side, "status": state}) for side, state in both]}
    )


def variant_sides(
    item: TensorChange, variants: Mapping[str, Variant]
) -> list[tuple[Any, Law | None, Status]]:
    """Return what each variant makes of a parameter: its numbers, its law, and its status.

    The status is beside the "before" that is drawn, whatever the variant was compared with.
    """
    pairs = ((variant, variant.comparison.get(item.name)) for variant in variants.values())
    return [
        (
            pair.after,
            variant.law(item.name),
            TensorChange(item.name, item.before, pair.after).status,
        )
        if pair is not None
        else (None, None, "removed")
        for variant, pair in pairs
    ]


def shown_status(status: str) -> str:
    """Return the status to show: none for what most parameters are."""
    return "" if status == "untouched" else status


def cell_texts(item: TensorChange, context: CellContext, builder: PayloadBuilder) -> dict[str, Any]:
    """Return the texts of a cell: what the plan and the report have on its parameter."""
    row, report, twin, _, texts = context
    reason = row.why.text(texts) if row is not None and row.why is not None else ""
    record = report.get(item.name) if report is not None else None
    found: dict[str, Any] = {
        "status": shown_status(item.status),
        # Written, with the values that were there.
        "same": item.status == "untouched" and record is not None and record.action != "left",
    }
    if row is None:
        return found
    source, _ = winning_rule(row, report)
    return found | {
        "next": bool(row.law) and pending(row, report),
        "module": builder.modules.index(row.module, row.module),
        "rule": builder.rules.positions.get(source),
        "reason": builder.reasons.index(reason, reason) if reason else None,
        "frozen": row.frozen,
        "tied": row.tied_to or twin,
    }


def missing_values(stats: TensorStats, texts: Texts) -> str:
    """What a histogram cannot show: "2 NaN, 1 infinite", "no values (meta)", or ""."""
    if not stats.count:
        return (
            texts("missing.none_for", reason=stats.missing)
            if stats.missing
            else texts["missing.none"]
        )
    parts = [("nan", stats.nan), ("inf", stats.inf)]
    return texts["list.comma"].join(texts(f"missing.{key}", n=n) for key, n in parts if n)
