"""What is seen of a comparison where there is no kernel: one picture and one table, as HTML.

It passes the filter of an untrusted notebook: no script, no style sheet, no ``<svg>`` element, but
an image that holds one, and inline styles. Its ink is a grey that is read on light and dark.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from brickbook.markup import block, shape, table
from brickbook.measure.comparisons import MARKS, Status, comparison_row
from brickbook.texts import Texts
from brickbook.views.grid import holes
from brickbook.views.picture import comparison_picture

if TYPE_CHECKING:
    from brickbook.init.initplan import InitPlan
    from brickbook.init.report import InitReport
    from brickbook.measure.comparisons import Comparison

__all__ = ["Static", "static", "still_columns"]


@dataclass(frozen=True, repr=False)
class Static:
    """HTML with a line of text for those who show none."""

    html: str
    words: str

    def __repr__(self) -> str:
        return self.words

    def _repr_html_(self) -> str:
        return self.html

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": self.words, "text/html": self.html}


def static(
    comparison: Comparison,
    plan: InitPlan | None = None,
    report: InitReport | None = None,
    *,
    title: str = "",
    told: str = "",
    most: int = 24,
    language: str | None = None,
) -> Static:
    """Return a still view of a comparison for a notebook that must look right without a kernel.

    The picture shows at most ``most`` parameters, those that changed before the others; the table
    below has the first 200 tensors, so that a notebook stays small. A report's plan goes before
    ``plan``: its laws are what was written. ``told`` is what is said of it, by default the line of
    the record itself. ``language`` is "en" or "zh", None for the reader's.
    """
    texts = Texts(language)
    done = report.plan if report is not None else plan
    names = [name for name, item in comparison.items() if item.kind == "parameter"]
    first = sorted(names, key=lambda name: not comparison[name].changed)[:most]
    chosen = [name for name in names if name in set(first)]
    words = told or repr(report if report is not None else comparison)
    if title:
        words = texts("static.line", title=title, told=words)
    if len(chosen) < len(names):
        words = texts("static.some", told=words, shown=len(chosen), n=len(names))
    warnings = [str(item) for item in done.unmatched] if done is not None else []
    picture = comparison_picture(comparison, done, names=chosen, columns=3, language=texts.language)
    heads, rows, right = still_columns(comparison, texts)
    shown = table(heads, rows, right=right, rest=texts["plan.more"])
    below = block("", [], shown, texts["static.fold"])
    warned = "".join(f'<div style="margin:2px 0">⚠ {escape(text)}</div>' for text in warnings)
    drawn = f'<div style="margin:6px 0">{picture._repr_html_()}</div>' if chosen else ""
    return Static(f"<div><div>{escape(words)}</div>{warned}{drawn}{below}</div>", words)


def still_columns(comparison: Comparison, texts: Texts) -> tuple[list[str], list[list[str]], range]:
    """Return the heads and the rows of the table, and which columns are numbers."""
    keys = ("mean_before", "mean_after", "std_before", "std_after")
    numbers = (texts[f"grid.head.{key}"] for key in keys)
    bars = (texts[f"static.{key}"] for key in ("before", "after"))
    heads = [texts["static.tensor"], "", texts["grid.head.shape"], *numbers, *bars, ""]
    rows = []
    for item in comparison.values():
        name, _, _, *cells, _ = comparison_row(item)
        size = shape(item.latest.shape, texts["grid.scalar"])
        rows.append([name, mark(item.status, texts), size, *cells, holes(item.latest, texts)])
    return heads, rows, range(3, 7)


def mark(status: Status, texts: Texts) -> str:
    """Say whether a tensor has changed, with the sign that it has in English."""
    sign, gap, _ = MARKS[status].rpartition("\u00a0")
    return f"{sign}{gap}{texts[f'grid.{status}']}"
