"""What needs no kernel: a static report in a notebook, and a whole HTML page in a file.

The report passes the filter of an untrusted notebook: no script, no style sheet, no ``<svg>``
element but an image that holds one, and inline styles. The page needs no network either.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from brickbook.html import collapsible, escape, format_shape, html_table, warning_lines
from brickbook.i18n import Texts
from brickbook.measure.snapshot import STATUS_LABELS, Comparison, Status, comparison_row
from brickbook.records import record_table
from brickbook.views.grid.payload import GRID_CSS, GRID_JS, grid_payload, missing_values
from brickbook.views.svg.histograms import comparison_picture

if TYPE_CHECKING:
    from brickbook.init.execution import InitReport
    from brickbook.init.planning import InitPlan

__all__ = ["StaticReport", "page", "static_page", "static_report"]


@dataclass(frozen=True, repr=False)
class StaticReport:
    """HTML with a line of text for those who show none."""

    html: str
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": self.text, "text/html": self.html}


def static_report(
    comparison: Comparison,
    plan: InitPlan | None = None,
    report: InitReport | None = None,
    *,
    title: str = "",
    message: str = "",
    max_histograms: int = 24,
    language: str | None = None,
) -> StaticReport:
    """Return a still view of a comparison for a notebook that must look right without a kernel.

    The table below the picture has the first 200 tensors, so that a notebook stays small.

    Args:
        comparison: The numbers before and after.
        plan: Gives the laws.
        report: What was done; its plan goes before ``plan``: its laws are what was written.
        title: What stands before the message.
        message: What is said above the picture; by default the line of the record itself.
        max_histograms: How many parameters the picture shows, those that changed before the others.
        language: "en" or "zh", None for the reader's.
    """
    texts = Texts(language)
    done = report.plan if report is not None else plan
    names = [name for name, item in comparison.items() if item.kind == "parameter"]
    first = sorted(names, key=lambda name: not comparison[name].changed)[:max_histograms]
    chosen = [name for name in names if name in set(first)]
    words = message or repr(report if report is not None else comparison)
    if title:
        words = texts("static.line", title=title, message=words)
    if len(chosen) < len(names):
        words = texts("static.some", message=words, shown=len(chosen), n=len(names))
    missed = (*done.unmatched, *done.overflows) if done is not None else ()
    warnings = [str(item) for item in missed]
    picture = comparison_picture(comparison, done, names=chosen, columns=3, language=texts.language)
    headings, rows, right = static_columns(comparison, texts)
    shown = html_table(headings, rows, right_aligned=right, more_template=texts["plan.more"])
    below = collapsible("", [], shown, texts["static.fold"])
    warned = warning_lines(warnings)
    drawn = f'<div style="margin:6px 0">{picture._repr_html_()}</div>' if chosen else ""
    return StaticReport(f"<div><div>{escape(words)}</div>{warned}{drawn}{below}</div>", words)


def static_columns(
    comparison: Comparison, texts: Texts
) -> tuple[list[str], list[list[str]], range]:
    """Return the headings and the rows of the table, and which columns are numbers."""
    keys = ("mean_before", "mean_after", "std_before", "std_after")
    numbers = (texts[f"grid.head.{key}"] for key in keys)
    bars = (texts[f"static.{key}"] for key in ("before", "after"))
    headings = [texts["static.tensor"], "", texts["grid.head.shape"], *numbers, *bars, ""]
    rows = []
    for item in comparison.values():
        name, _, _, *cells, _ = comparison_row(item)
        size = format_shape(item.latest.shape, texts["grid.scalar"])
        rows.append(
            [
                name,
                signed_status(item.status, texts),
                size,
                *cells,
                missing_values(item.latest, texts),
            ]
        )
    return headings, rows, range(3, 7)


def signed_status(status: Status, texts: Texts) -> str:
    """Say whether a tensor has changed, with the sign that it has in English."""
    sign, gap, _ = STATUS_LABELS[status].rpartition("\u00a0")
    return f"{sign}{gap}{texts[f'grid.{status}']}"


PAGE_CSS = Path(__file__).with_name("page.css")

# The browser itself refuses any request to anywhere.
POLICY = "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'"
NO_SCRIPT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

# There is no kernel: the traits never change but for the chosen parameter.
STARTUP_SCRIPT = """
import grid from "data:text/javascript;base64,{module}";
const read = (id) => document.getElementById(id).textContent;
const bytes = Uint8Array.from(atob(read("counts").trim()), (letter) => letter.charCodeAt(0));
const traits = {{ meta: JSON.parse(read("meta")), buffer: bytes, rev: 0, selected: "" }};
const model = {{
  get: (key) => traits[key], set: (key, value) => {{ traits[key] = value; }},
  on() {{}}, off() {{}}, save_changes() {{}},
}};
grid.render({{ model, el: document.getElementById("grid") }});
"""

DOCUMENT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{css}</style>
</head>
<body>
<h1>{title}</h1>
{words}
{body}
</body>
</html>
"""

GRID_BODY = """<noscript><p>The histograms are drawn by a script in this file.</p></noscript>
<main id="grid"></main>
{plan}
<script type="application/json" id="meta">{meta}</script>
<script type="text/plain" id="counts">{counts}</script>
<script type="module">{start}</script>"""

STATIC_BODY = """<main>
<details open><summary>Picture</summary><div style="overflow-x:auto">{picture}</div></details>
<details id="plan" open><summary>Table</summary>{table}</details>
</main>"""


def page(
    title: str,
    comparison: Comparison,
    plan: InitPlan | None = None,
    report: InitReport | None = None,
) -> str:
    """Return a self-contained HTML page: what was done, every parameter's histogram, the plan.

    It follows the reader's light or dark colours. Save it as UTF-8.
    """
    todo = plan if plan is not None else report.plan if report is not None else None
    payload = grid_payload(comparison, todo, report)
    module = base64.b64encode(GRID_JS.read_bytes()).decode()
    body = GRID_BODY.format(
        plan=plan_section(todo),
        # A name may contain "</script>"; JSON may spell any letter as a number.
        meta=json.dumps(payload.meta, separators=(",", ":")).replace("<", "\\u003c"),
        counts=base64.b64encode(payload.buffer).decode(),
        start=STARTUP_SCRIPT.format(module=module),
    )
    css = PAGE_CSS.read_text(encoding="utf-8") + GRID_CSS.read_text(encoding="utf-8")
    return html_document(title, POLICY, css, summary_paragraphs(comparison, todo, report), body)


def static_page(
    title: str, message: str, warnings: Iterable[str], picture_html: str, table_html: str
) -> str:
    """Return a self-contained HTML page without any script: words, an SVG and a table below it.

    ``picture`` and ``html_table`` are HTML already. It follows the reader's light or dark colours.
    """
    lines = [f'<p class="done">{escape(message)}</p>']
    lines += (f'<p class="warn">{escape(text)}</p>' for text in warnings)
    body = STATIC_BODY.format(picture=picture_html, table=table_html)
    return html_document(title, NO_SCRIPT_POLICY, PAGE_CSS.read_text(encoding="utf-8"), lines, body)


def html_document(title: str, policy: str, css: str, paragraphs: Iterable[str], body: str) -> str:
    """A whole page."""
    words = "\n".join(paragraphs)
    return DOCUMENT.format(policy=policy, title=escape(title), css=css, words=words, body=body)


def summary_paragraphs(
    comparison: Comparison, plan: InitPlan | None, report: InitReport | None
) -> Iterator[str]:
    """What was done, and what had no effect, as paragraphs."""
    stats = [item.latest for item in comparison.values() if item.kind == "parameter"]
    values = sum(item.count for item in stats)
    changed = sum(comparison[item.name].changed for item in stats)
    total = f"{len(stats):,} parameters with {values:,} values, {changed:,} changed."
    yield f'<p class="done">{total}</p>'
    done = report if report is not None else plan
    if done is not None:
        yield f'<p class="done">{escape(repr(done))}</p>'
    for item in (*plan.unmatched, *plan.overflows) if plan is not None else ():
        yield f'<p class="warn">{escape(str(item))}</p>'


def plan_section(plan: InitPlan | None) -> str:
    """The plan as a table, all of it."""
    if plan is None:
        return ""
    table = record_table(plan)
    body = html_table(table.headings, table.rows, max_rows=len(table.rows))
    return f'<details id="plan"><summary>The plan, rule by rule</summary>{body}</details>'
