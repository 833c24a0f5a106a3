"""A comparison as one HTML file that needs neither a kernel nor a network."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from brickbook.init.showing import plan_columns
from brickbook.markup import table
from brickbook.measure.comparisons import Comparison
from brickbook.views.grid import GRID_CSS, GRID_JS, grid_payload

if TYPE_CHECKING:
    from brickbook.init.initplan import InitPlan
    from brickbook.init.report import InitReport

__all__ = ["page", "still"]

PAGE_CSS = Path(__file__).with_name("page.css")
# The browser itself refuses any request to anywhere.
POLICY = "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'"
NO_SCRIPT = "default-src 'none'; style-src 'unsafe-inline'"
# The module is told of no kernel: its traits never change but for what is chosen.
START = """
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
FRAME = """<!DOCTYPE html>
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
GRID = """<noscript><p>The histograms are drawn by a script in this file.</p></noscript>
<main id="grid"></main>
{plan}
<script type="application/json" id="meta">{meta}</script>
<script type="text/plain" id="counts">{counts}</script>
<script type="module">{start}</script>"""
STILL = """<main>
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
    body = GRID.format(
        plan=plan_section(todo),
        # A name may contain "</script>"; JSON may spell any letter as a number.
        meta=json.dumps(payload.meta, separators=(",", ":")).replace("<", "\\u003c"),
        counts=base64.b64encode(payload.buffer).decode(),
        start=START.format(module=module),
    )
    css = PAGE_CSS.read_text(encoding="utf-8") + GRID_CSS.read_text(encoding="utf-8")
    return framed(title, POLICY, css, words(comparison, todo, report), body)


def still(title: str, told: str, warnings: Iterable[str], picture: str, table: str) -> str:
    """Return a self-contained HTML page without any script: words, an SVG and a table below it.

    ``picture`` and ``table`` are HTML already. It follows the reader's light or dark colours.
    """
    lines = [f'<p class="done">{escape(told)}</p>']
    lines += (f'<p class="warn">{escape(text)}</p>' for text in warnings)
    body = STILL.format(picture=picture, table=table)
    return framed(title, NO_SCRIPT, PAGE_CSS.read_text(encoding="utf-8"), lines, body)


def framed(title: str, policy: str, css: str, words: Iterable[str], body: str) -> str:
    """A whole page."""
    told = "\n".join(words)
    return FRAME.format(policy=policy, title=escape(title), css=css, words=told, body=body)


def words(
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
    for item in plan.unmatched if plan is not None else ():
        yield f'<p class="warn">{escape(str(item))}</p>'


def plan_section(plan: InitPlan | None) -> str:
    """The plan as a table, all of it."""
    if plan is None:
        return ""
    body = table(*plan_columns(plan.rows), shown=len(plan.rows))
    return f'<details id="plan"><summary>The plan, rule by rule</summary>{body}</details>'
