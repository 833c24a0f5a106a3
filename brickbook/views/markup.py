"""What is seen of a comparison where there is no kernel: one picture and one table, as HTML.

It passes the filter of an untrusted notebook: no script, no style sheet, no ``<svg>`` element, but
an image that holds one, and inline styles. Its ink is a grey that is read on light and dark.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from brickbook.markup import block, table
from brickbook.measure.comparisons import comparison_columns
from brickbook.views.picture import comparison_picture

if TYPE_CHECKING:
    from brickbook.init.initplan import InitPlan
    from brickbook.init.report import InitReport
    from brickbook.measure.comparisons import Comparison

__all__ = ["Static", "static"]


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
    most: int = 24,
) -> Static:
    """Return a still view of a comparison for a notebook that must look right without a kernel.

    The picture shows at most ``most`` parameters, those that changed before the others; the table
    below has the first 200 tensors, so that a notebook stays small. A report's plan goes before
    ``plan``: its laws are what was written.
    """
    done = report.plan if report is not None else plan
    names = [name for name, item in comparison.items() if item.kind == "parameter"]
    first = sorted(names, key=lambda name: not comparison[name].changed)[:most]
    chosen = [name for name in names if name in set(first)]
    said = repr(report if report is not None else comparison)
    words = f"{title}: {said}" if title else said
    if len(chosen) < len(names):
        words += f"; {len(chosen)} of {len(names)} parameters in the picture"
    warnings = [str(item) for item in done.unmatched] if done is not None else []
    picture = comparison_picture(comparison, done, names=chosen, columns=3)._repr_html_()
    heads, rows, right = comparison_columns(comparison.values())
    below = block("", [], table(heads, rows, right=right))
    warned = "".join(f'<div style="margin:2px 0">⚠ {escape(text)}</div>' for text in warnings)
    drawn = f'<div style="margin:6px 0">{picture}</div>' if chosen else ""
    return Static(f"<div><div>{escape(words)}</div>{warned}{drawn}{below}</div>", words)
