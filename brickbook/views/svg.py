"""A record as one SVG file: small multiples that need neither a browser nor a script to be made.

The colours are attributes, for viewers that know no style sheets; a small style sheet in the file
sets them again for light and dark, from the ``--bb-page-*`` variables where a page has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil, sqrt
from typing import TYPE_CHECKING

from brickbook.init.laws import Law
from brickbook.measure.comparisons import together
from brickbook.texts import Texts
from brickbook.views.picture import (
    BEFORE,
    GAP,
    HIGH,
    INK,
    PLOT,
    WIDE,
    all_are,
    cell,
    clipped,
    ends,
    legend,
    short,
    steps,
    words,
)
from brickbook.views.theory import body, curve, is_constant

if TYPE_CHECKING:
    from brickbook.init.initplan import InitPlan
    from brickbook.init.rows import Row
    from brickbook.measure.alternatives import Alternatives
    from brickbook.measure.comparisons import Comparison

__all__ = ["alternatives_svg", "comparison_svg", "plan_svg", "size_of"]

ENGLISH = Texts("en")  # files are in English, as the records that they show
MARGIN, TITLE = 12, 28
# Beside a colour each config has a dash of its own. Okabe and Ito's colours.
STROKES = (
    ("#0072B2", ""),
    ("#D55E00", "5 2"),
    ("#009E73", "2 2"),
    ("#CC79A7", "7 2 2 2"),
    ("#767676", "1 3"),
)
STYLE = """
.bb-picture{--bb-p:var(--bb-page-paper,#fff);--bb-i:var(--bb-page-ink,#1f1f1f);
--bb-s:var(--bb-page-soft,#5a5a5a);--bb-b:#0072b2;fill:var(--bb-i);color-scheme:light dark}
.bb-picture .bb-paper{fill:var(--bb-p)}
.bb-picture [stroke="#767676"]{stroke:var(--bb-s)}
.bb-picture [stroke="#0072B2"]{stroke:var(--bb-b)}
@media (prefers-color-scheme:dark){
.bb-picture{--bb-p:var(--bb-page-paper,#161616);--bb-i:var(--bb-page-ink,#e8e8e8);
--bb-s:var(--bb-page-soft,#aaa);--bb-b:#56b4e9}
.bb-picture [fill="#D55E00"]{fill-opacity:.8}}
"""


def comparison_svg(
    comparison: Comparison, plan: InitPlan | None = None, title: str = "", *, alone: bool = False
) -> str:
    """Draw the histograms of all parameters: before an outline, after a fill, the law a line.

    ``alone`` is for numbers at one moment, where there is no before.
    """
    rows = plan if plan is not None else {}
    shown = {name: item for name, item in comparison.items() if item.kind == "parameter"}
    cells = [
        cell(item, rows[name].law if name in rows else None, ENGLISH)
        for name, item in shown.items()
    ]
    untouched = any(not item.changed for item in shown.values())
    return document(cells, "" if alone else legend(ENGLISH, untouched), title)


def plan_svg(plan: InitPlan, title: str = "", columns: int = 0) -> str:
    """Draw the density of every law of a plan; nothing is drawn for what is left as it is.

    ``columns=0`` makes the picture about as wide as high.
    """
    return document([law_cell(row) for row in plan.rows], "", title, columns=columns)


def alternatives_svg(alternatives: Alternatives, title: str = "", columns: int = 0) -> str:
    """Draw what each config would make of every parameter, one line a config over common bins."""
    cells = [overlay(alternatives, name) for name in alternatives.parameters]
    marks = ""
    for at, name in enumerate(alternatives):
        x = at * 150
        marks += f'<path d="M{x} 9h26" {stroke(at)}/>'
        marks += f'<text x="{x + 32}" y="13">{escape(clipped(name, 18))}</text>'
    return document(cells, marks, title, least=150 * len(alternatives), columns=columns)


def size_of(svg: str) -> tuple[int, int]:
    """Return the width and height of a picture of this module, in pixels.

    >>> size_of(document([], "", ""))
    (304, 82)
    """
    words = svg[: svg.index(">")].split('"')
    return int(words[words.index(" width=") + 1]), int(words[words.index(" height=") + 1])


def document(
    cells: Sequence[str], marks: str, title: str, *, least: int = 0, columns: int = 0
) -> str:
    """Set cells in a grid below a title and a legend; ``least`` is how wide those are."""
    square = max(1, ceil(sqrt(len(cells) * HIGH / WIDE)), 2 if len(cells) > 1 else 1)
    columns = min(columns, max(1, len(cells))) if columns else square
    rows = ceil(len(cells) / columns)
    top = MARGIN + (TITLE if title else 0) + (24 if marks else 0)
    width = max(columns * (WIDE + GAP) - GAP, least) + 2 * MARGIN
    height = top + max(rows * (HIGH + GAP) - GAP, 0) + MARGIN
    height += 0 if cells else 58
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" class="bb-picture" role="img" '
        f'font-family="system-ui, sans-serif" font-size="11" fill="{INK}">'
        f"<title>{escape(title or told(len(cells)))}</title><style>{STYLE}</style>"
        f'<rect class="bb-paper" width="{width}" height="{height}" fill="#fff"/>'
        f"{head(title, width)}"
        f'<g transform="translate({MARGIN} {top - 24})">{marks}</g>'
        f"{''.join(placed(cells, columns, top)) or nothing(top)}</svg>"
    )


def told(count: int) -> str:
    """Say how many histograms there are."""
    return "1 histogram" if count == 1 else f"{count} histograms"


def head(title: str, width: int) -> str:
    """The title, cut to what fits."""
    if not title:
        return ""
    words = escape(clipped(title, max(20, width // 9)))
    return f'<text x="{MARGIN}" y="{MARGIN + 14}" font-size="15" font-weight="600">{words}</text>'


def nothing(top: int) -> str:
    """Say that there is nothing to draw."""
    return f'<text x="{MARGIN}" y="{top + 24}">no parameters</text>'


def placed(cells: Sequence[str], columns: int, top: int) -> Iterator[str]:
    """Move every cell to its place."""
    for at, drawn in enumerate(cells):
        x = MARGIN + at % columns * (WIDE + GAP)
        y = top + at // columns * (HIGH + GAP)
        yield f'<g transform="translate({x} {y})">{drawn}</g>'


def law_cell(row: Row) -> str:
    """Draw the law of one parameter: its density, point masses as vertical lines."""
    size = " × ".join(map(str, row.shape)) or "scalar"
    if row.law is None:
        return words(row.name, size, f"left: {row.reason}")
    low, high = body(row.law, 4.0)
    if low == high:
        low, high = low - (abs(low) or 1.0), high + (abs(high) or 1.0)
    expected = f"expected mean {short(row.law.mean)}, std {short(row.law.std)}"
    return (
        words(row.name, f"{size} · {row.law}", expected)
        + ends(low, high)
        + density(row.law, low, high)
    )


def density(law: Law, low: float, high: float) -> str:
    """The law over ``[low, high]``; its highest point fills the height."""
    left, top, width, height = PLOT
    base = top + height
    xs, ys = curve(law, 1.0)
    tallest = max(ys, default=0.0) or 1.0

    def x_of(value: float) -> float:
        return left + width * (value - low) / (high - low)

    line = f'fill="none" stroke="{BEFORE}" stroke-width="1.5"'
    path = "L".join(
        f"{x_of(x):.1f} {base - y / tallest * height:.1f}" for x, y in zip(xs, ys, strict=True)
    )
    drawn = f'<path d="M{path}" {line}/>' if path else ""
    for value, share in law.atoms:
        tall = height * (1.0 if is_constant(law) else share)
        drawn += f'<path d="M{x_of(value):.1f} {base}v{-tall:.1f}" {line}/>'
    return drawn


def overlay(alternatives: Alternatives, name: str) -> str:
    """Draw one parameter under every config."""
    sides = [one.snapshot.tensors.get(name) for one in alternatives.values()]
    low, width, shown = together(sides, alternatives.start.bins)
    size = " × ".join(map(str, alternatives.start[name].shape)) or "scalar"
    marks = (
        ["differs" if alternatives.differs(name) else "the same"] if len(alternatives) > 1 else []
    )
    found = "std " + ", ".join(one.std(name) for one in alternatives.values())
    drawn = words(name, " · ".join([size, *marks]), found)
    if not any(map(any, shown)):
        return drawn
    if len(shown[0]) == 1:
        value = next((stats.min for stats in sides if stats and stats.min is not None), 0.0)
        return drawn + constants(value, len(shown))
    scale = PLOT[3] / max(max(bars) for bars in shown)
    lines = (steps(bars, scale, stroke(at)) for at, bars in enumerate(shown))
    return drawn + ends(low, low + width * len(shown[0])) + "".join(lines)


def constants(value: float, count: int) -> str:
    """Draw one value that all configs give to all elements, as lines in the middle."""
    left, top, width, height = PLOT
    lines = "".join(
        f'<path d="M{left + width / 2:g} {top}v{height}" {stroke(at)}/>' for at in range(count)
    )
    return all_are(value, ENGLISH) + lines


def stroke(at: int) -> str:
    """The line of one config: a colour and a dash."""
    colour, dash = STROKES[at % len(STROKES)]
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'fill="none" stroke="{colour}" stroke-width="1.5"{dashed}'
