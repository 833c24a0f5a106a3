"""A record as a file: HTML, SVG, PNG, CSV or JSON, by the end of the file's name.

`export` takes a plan, a report, a snapshot, a comparison, alternatives, a model (its numbers now)
or an open init lab (its comparison, plan and report).
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from brickbook.errors import BadArgumentError, BadValueError, MissingFileError
from brickbook.init.initplan import InitPlan
from brickbook.init.report import InitReport, Record, planned
from brickbook.markup import table
from brickbook.measure.alternatives import Alternatives
from brickbook.measure.comparisons import Comparison, compare
from brickbook.measure.snapshots import Snapshot, snapshot
from brickbook.views import records, svg, text
from brickbook.views.page import page, still
from brickbook.views.screenshot import png

__all__ = [
    "SUFFIXES", "export", "from_json", "to_bins_csv", "to_csv", "to_html", "to_json", "to_png",
    "to_svg",
]  # fmt: skip

FORMULA = ("=", "+", "-", "@")


def export(
    value: Any,
    file: str | os.PathLike[str],
    *,
    force: bool = False,
    title: str = "",
) -> Path:
    """Write a record to a file in the format that the end of its name says (`SUFFIXES`).

    ``.csv`` are the statistics, ``.bins.csv`` the histograms. A file that is there already is
    replaced only with ``force``.

    Raises ValueError for an unknown ending, for a file that is there, and for a record that has no
    such format; TypeError for a value that is no record; FileNotFoundError for a missing folder.
    """
    path = Path(file).expanduser()
    make = SUFFIXES[suffix_of(path)]
    if not path.parent.is_dir():
        raise MissingFileError("file", f"the folder {path.parent} does not exist.")
    if path.exists() and not force:
        raise BadValueError(
            "file", f"{path} is there already.", "Add force=True, or --force, to replace it."
        )
    made = make(value, title)
    path.write_bytes(made if isinstance(made, bytes) else made.encode())
    return path


def suffix_of(path: Path) -> str:
    """Return the ending of a file's name that says its format."""
    name = path.name.lower()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix) and name != suffix:
            return suffix
    problem = f"{path.name} has no ending that names a format."
    raise BadValueError("file", problem, f"Known: {', '.join(SUFFIXES)}.")


def parts_of(value: Any) -> tuple[Comparison | None, InitPlan | None, InitReport | None]:
    """Return what there is of a record: numbers, plan, report; TypeError for anything else."""
    if isinstance(value, InitPlan):
        return None, value, None
    if isinstance(value, InitReport):
        return None, value.plan, value
    if isinstance(value, nn.Module):
        value = snapshot(value)
    if isinstance(value, Snapshot):
        return compare(value, value), None, None
    if isinstance(value, Comparison):
        return value, None, None
    if isinstance(found := getattr(value, "comparison", None), Comparison):  # the init lab
        return found, getattr(value, "plan", None), getattr(value, "report", None)
    raise BadArgumentError(
        "value",
        "expected a plan, a report, a snapshot, a comparison, alternatives, a model or the init "
        f"lab, got {type(value).__name__}.",
    )


def to_html(value: Any, title: str = "") -> str:
    """Return a self-contained page that follows the reader's light or dark colours."""
    title = title or type(value).__name__
    if isinstance(value, Alternatives):
        picture = svg.alternatives_svg(value, columns=4)
        return still(title, repr(value), value.words, picture, whole(value))
    comparison, plan, report = parts_of(value)
    if comparison is not None:
        return page(title, comparison, plan, report)
    plan = plan or InitPlan(())
    told = report if report is not None else plan
    warnings = map(str, plan.unmatched)
    return still(title, repr(told), warnings, svg.plan_svg(plan, columns=4), whole(told))


def whole(value: Any) -> str:
    """A record as an HTML table with all its rows."""
    heads, rows, _ = text.TEXTS[type(value)](value)
    return table(heads, rows, shown=len(rows))


def to_svg(value: Any, title: str = "") -> str:
    """Return a picture of small multiples for any viewer: histograms, of a plan its laws."""
    if isinstance(value, Alternatives):
        return svg.alternatives_svg(value, title)
    comparison, plan, report = parts_of(value)
    if comparison is None:
        return svg.plan_svg(plan or InitPlan(()), title)
    done = report.plan if report is not None else plan
    alone = comparison.before is comparison.after
    return svg.comparison_svg(comparison, done, title, alone=alone)


def to_png(value: Any, title: str = "") -> bytes:
    """Return the picture of `to_svg` in its light colours, two pixels to a unit.

    It is drawn by a Chromium on this machine, which may take some seconds; RuntimeError if there
    is none.
    """
    drawn = to_svg(value, title)
    return png(drawn, *svg.size_of(drawn))


def to_csv(value: Any) -> str:
    """Return the statistics, one line per tensor, full precision; shapes as 64x3x7x7."""
    if isinstance(value, Alternatives):
        kinds = records.alternatives_types(value)
        return lines(("name", *kinds), records.alternatives_records(value))
    comparison, plan, report = parts_of(value)
    if report is not None and comparison is None:
        return lines(Record._fields, records.report_records(report))
    if comparison is None:
        return lines(("name", *records.PLAN), records.plan_records(plan or InitPlan(())))
    if comparison.before is comparison.after:
        return lines(("name", *records.SNAPSHOT), records.snapshot_records(comparison.after))
    done = report.plan if report is not None else plan
    rows = records.comparison_records(comparison, done)
    return lines(("name", *records.COMPARISON), rows)


def to_bins_csv(value: Any) -> str:
    """Return the histograms: name, whose, the bin's ends and its count, one line per bin."""
    found: Any = value
    if not isinstance(value, Alternatives):
        found, _, _ = parts_of(value)
        if found is None:
            raise BadValueError("value", f"{type(value).__name__} has no histograms.")
        found = found.after if found.before is found.after else found
    return lines(("name", "of", "low", "high", "count"), records.bin_records(found))


def lines(heads: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV."""
    heads = list(heads)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([word(row[head]) for head in heads] for row in rows)
    return out.getvalue()


def word(value: Any) -> Any:
    """One cell; a name that a spreadsheet would run as a formula gets an apostrophe before it."""
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


def to_json(value: Any) -> str:
    """Return what `from_json` reads back; of a model its snapshot, of the init lab its numbers."""
    if not isinstance(value, (InitPlan, InitReport, Snapshot, Comparison, Alternatives)):
        comparison, _, _ = parts_of(value)
        value = comparison.after if isinstance(value, nn.Module) and comparison else comparison
    return json.dumps(value.to_dict())


def from_json(told: str, path: str = "json") -> Any:
    """Read what `to_json` wrote: a plan, report, snapshot, comparison or alternatives.

    Raises ValueError for a text that is none of them.
    """
    try:
        data = json.loads(told)
    except json.JSONDecodeError as error:
        raise BadValueError(path, f"is no JSON: {error}.") from None
    for keys, read in READERS.items():
        if isinstance(data, dict) and keys <= data.keys():
            return read(data)
    raise BadValueError(path, "holds no plan, report, snapshot, comparison or alternatives.")


def read_report(data: Mapping[str, Any]) -> InitReport:
    """Read a report; what its plan does not say of a tensor stands in its records."""
    plan = InitPlan.from_json(json.dumps(data["plan"]))
    found = [Record(**item) for item in data["records"]]
    told = {item.name: item for item in found if item != planned(plan[item.name])}
    return InitReport(plan, told, data["seed"])


# By the keys that only such a record has.
READERS: dict[frozenset[str], Callable[[Mapping[str, Any]], Any]] = {
    frozenset({"rows", "unmatched"}): lambda data: InitPlan.from_json(json.dumps(data)),
    frozenset({"records", "plan"}): read_report,
    frozenset({"bins", "tensors"}): Snapshot.from_dict,
    frozenset({"before", "after"}): Comparison.from_dict,
    frozenset({"start", "choices"}): Alternatives.from_dict,
}
SUFFIXES: dict[str, Callable[[Any, str], str | bytes]] = {
    ".html": to_html,
    ".svg": to_svg,
    ".png": to_png,
    ".csv": lambda value, _title: to_csv(value),
    ".bins.csv": lambda value, _title: to_bins_csv(value),
    ".json": lambda value, _title: to_json(value),
}
