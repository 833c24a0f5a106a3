"""A record as a file: HTML, SVG, PNG, CSV or JSON, by the end of the file's name.

`export` takes a plan, a report, a snapshot, a comparison, alternatives, a model (its numbers now),
an open init lab (its comparison, plan and report), or what was measured: signals, a triple, a
race, a history of activations, spectra, a mean field, a coordinate check, the
study of a law, a network.
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
from brickbook.files import write_whole
from brickbook.html import html_table
from brickbook.init.execution import InitReport
from brickbook.init.planning import InitPlan
from brickbook.init.tracing import History
from brickbook.measure import (
    ActivationHistory,
    CoordinateCheck,
    Identification,
    MeanField,
    Network,
    Race,
    Signals,
    Spectra,
    Triple,
)
from brickbook.measure.law_study import LawStudy
from brickbook.measure.snapshot import (
    COMPARISON_COLUMNS,
    Alternatives,
    Comparison,
    Snapshot,
    compare,
    compared_tensors,
    snapshot,
)
from brickbook.records import plain_rows, record_values
from brickbook.views.data.bin_rows import bin_rows
from brickbook.views.page import page, static_page
from brickbook.views.png import svg_to_png
from brickbook.views.svg import histograms as svg
from brickbook.views.text import terminal_table

__all__ = [
    "SUFFIXES",
    "export",
    "from_json",
    "to_bins_csv",
    "to_csv",
    "to_html",
    "to_json",
    "to_png",
    "to_svg",
]

# What was measured: one table, and a picture if the record has one.
MEASURED = (
    ActivationHistory, CoordinateCheck, Identification, LawStudy, MeanField, Network, Race, Signals,
    Spectra, Triple,
)  # fmt: skip

# What a spreadsheet takes for the beginning of a formula, in East Asian width too, or skips there.
FORMULA_PREFIXES = tuple("=+-@\uff1d\uff0b\uff0d\uff20\t\r\n")


def export(
    value: Any,
    file: str | os.PathLike[str],
    *,
    force: bool = False,
    title: str = "",
) -> Path:
    """Write a record to a file in the format that the end of its name says (`SUFFIXES`).

    Args:
        value: The record.
        file: The file; ``.csv`` are the statistics, ``.bins.csv`` the histograms.
        force: Replace a file that is there already, in one step: there is never half of one.
        title: Of a page or picture.

    Raises:
        ValueError: The ending is unknown, the file is there, or the record has no such format.
        TypeError: ``value`` is no record.
        FileNotFoundError: The folder is missing.
        OSError: The file cannot be written.
    """
    path = Path(file).expanduser()
    make = SUFFIXES[suffix_of(path)]
    if not path.parent.is_dir():
        raise MissingFileError("file", f"the folder {path.parent} does not exist.")
    if path.exists() and not force:
        raise BadValueError(
            "file", f"{path} is there already.", "Add force=True, or --force, to replace it."
        )
    write_whole(path, make(value, title))
    return path


def suffix_of(path: Path) -> str:
    """Return the ending of a file's name that says its format."""
    name = path.name.lower()
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix) and name != suffix:
            return suffix
    problem = f"{path.name} has no ending that names a format."
    raise BadValueError("file", problem, f"Known: {', '.join(SUFFIXES)}.")


def record_parts(value: Any) -> tuple[Comparison | None, InitPlan | None, InitReport | None]:
    """Return what there is of a record: numbers, plan, report; TypeError for anything else."""
    if isinstance(value, (InitPlan, History)):
        return None, value if isinstance(value, InitPlan) else value.plan, None
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
        return static_page(title, repr(value), value.unmatched_messages, picture, full_table(value))
    if isinstance(value, MEASURED):
        picture = value._draw()
        drawn = "" if picture is None else picture.svg
        return static_page(title, repr(value), value._warnings(), drawn, full_table(value))
    comparison, plan, report = record_parts(value)
    if comparison is not None:
        return page(title, comparison, plan, report)
    plan = plan or InitPlan(())
    record = value if isinstance(value, History) else report if report is not None else plan
    warnings = map(str, (*plan.unmatched, *plan.overflows))
    return static_page(
        title, repr(record), warnings, svg.plan_svg(plan, columns=4), full_table(record)
    )


def full_table(value: Any) -> str:
    """A record as an HTML table with all its rows."""
    table = terminal_table(value)
    return html_table(table.headings, table.rows, max_rows=len(table.rows))


def to_svg(value: Any, title: str = "") -> str:
    """Return a picture of small multiples for any viewer: histograms, of a plan its laws."""
    if isinstance(value, Alternatives):
        return svg.alternatives_svg(value, title)
    if isinstance(value, MEASURED):
        picture = value._draw()
        if picture is None:
            raise BadValueError("value", f"{type(value).__name__} has no picture.")
        return picture.svg
    comparison, plan, report = record_parts(value)
    if comparison is None:
        return svg.plan_svg(plan or InitPlan(()), title)
    done = report.plan if report is not None else plan
    alone = comparison.before is comparison.after
    return svg.comparison_svg(comparison, done, title, single=alone)


def to_png(value: Any, title: str = "") -> bytes:
    """Return the picture of `to_svg` in its light colours, two pixels to a unit.

    It is drawn by a Chromium on this machine, which may take some seconds; RuntimeError if there
    is none.
    """
    drawn = to_svg(value, title)
    return svg_to_png(drawn, *svg.size_of(drawn))


def to_csv(value: Any) -> str:
    """Return the statistics, one line per tensor, full precision; shapes as 64x3x7x7."""
    if isinstance(value, (Alternatives, History, *MEASURED)):
        return csv_text(*record_values(value))
    comparison, plan, report = record_parts(value)
    if comparison is None:
        return csv_text(*record_values(report or plan or InitPlan(())))
    if comparison.before is comparison.after:
        return csv_text(*record_values(comparison.after))
    done = report.plan if report is not None else plan
    keys, _ = record_values(comparison)
    return csv_text(keys, plain_rows(COMPARISON_COLUMNS, compared_tensors(comparison, done)))


def to_bins_csv(value: Any) -> str:
    """Return the histograms: name, whose, the bin's ends and its count, one line per bin."""
    found: Any = value
    if not isinstance(value, Alternatives):
        found, _, _ = record_parts(value)
        if found is None:
            raise BadValueError("value", f"{type(value).__name__} has no histograms.")
        found = found.after if found.before is found.after else found
    return csv_text(("name", "of", "low", "high", "count"), bin_rows(found))


def csv_text(headings: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV."""
    headings = list(headings)
    lines = [csv_line(headings), *(csv_line(row[head] for head in headings) for row in rows)]
    # Half a surrogate pair, which no file in UTF-8 can hold, becomes its escape.
    return "".join(lines).encode("utf-8", "backslashreplace").decode("utf-8")


def csv_line(cells: Iterable[Any]) -> str:
    """One row as a line."""
    out = io.StringIO()
    # Until Python 3.13 the module quotes only the line ends that it writes itself.
    csv.writer(out, lineterminator="\r\n").writerow(map(csv_cell, cells))
    return out.getvalue().removesuffix("\r\n") + "\n"


def csv_cell(value: Any) -> Any:
    """One cell; a name that a spreadsheet would run as a formula gets an apostrophe before it."""
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    if isinstance(value, str):
        value = value.replace("\0", r"\x00")  # Python 3.10 neither writes nor reads it in CSV
        return f"'{value}" if value.startswith(FORMULA_PREFIXES) else value
    return value


def to_json(value: Any) -> str:
    """Return what `from_json` reads back; of a model its snapshot, of the init lab its numbers."""
    known = (InitPlan, InitReport, History, Snapshot, Comparison, Alternatives, *MEASURED)
    if not isinstance(value, known):
        comparison, _, _ = record_parts(value)
        value = comparison.after if isinstance(value, nn.Module) and comparison else comparison
    return value.to_json()


def from_json(json_text: str, path: str = "json") -> Any:
    """Read what `to_json` wrote: a plan, report, snapshot, comparison, alternatives or a measure.

    Raises:
        ValueError: The text is none of them.
    """
    try:
        data = json.loads(json_text)
    except json.JSONDecodeError as error:
        raise BadValueError(path, f"is no JSON: {error}.") from None
    for keys, read in READERS.items():
        if isinstance(data, dict) and keys <= data.keys():
            return read(data)
    if isinstance(data, dict) and data.keys() == {"rows"}:
        return read_rows(data)
    raise BadValueError(path, "holds no plan, report, snapshot, comparison or alternatives.")


# By a key of the first row, where rows are all that there is.
ROW_READERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "width": CoordinateCheck.from_dict,
    "sampled": ActivationHistory.from_dict,
    "exact": Spectra.from_dict,
}


def read_rows(data: Mapping[str, Any]) -> Any:
    """Read a record that is rows and nothing else."""
    rows = data["rows"]
    first = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
    read = next((read for key, read in ROW_READERS.items() if key in first), History.from_dict)
    return read(data)


# By the keys that only such a record has.
READERS: dict[frozenset[str], Callable[[Mapping[str, Any]], Any]] = {
    frozenset({"rows", "unmatched"}): InitPlan.from_dict,
    frozenset({"records", "plan"}): InitReport.from_dict,
    frozenset({"bins", "tensors"}): Snapshot.from_dict,
    frozenset({"before", "after"}): Comparison.from_dict,
    frozenset({"starts"}): Identification.from_dict,
    frozenset({"start", "choices"}): Alternatives.from_dict,
    frozenset({"runs", "steps"}): Race.from_dict,
    frozenset({"rows", "optimizer"}): Triple.from_dict,
    frozenset({"rows", "source"}): Signals.from_dict,
    frozenset({"q_star", "chi"}): MeanField.from_dict,
    frozenset({"formula", "law"}): LawStudy.from_dict,
    frozenset({"nodes", "flow"}): Network.from_dict,
}

SUFFIXES: dict[str, Callable[[Any, str], str | bytes]] = {
    ".html": to_html,
    ".svg": to_svg,
    ".png": to_png,
    ".csv": lambda value, _title: to_csv(value),
    ".bins.csv": lambda value, _title: to_bins_csv(value),
    ".json": lambda value, _title: to_json(value),
}
