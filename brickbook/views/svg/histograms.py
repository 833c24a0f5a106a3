"""Small histograms side by side, as SVG that needs neither a kernel nor a script.

The colours are attributes, for viewers that know no style sheets; files have a small style sheet
that sets them again for light and dark, from the ``--bb-page-*`` variables where a page has them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING

from brickbook.errors import BadValueError, nearest
from brickbook.html import escape, format_number, format_shape, shorten_middle
from brickbook.i18n import Texts
from brickbook.init.laws import Law
from brickbook.measure.snapshot import TensorChange, compare_stats, rebin_common
from brickbook.views.data.law_curves import density_curve, is_constant, mass_interval
from brickbook.views.svg.primitives import (
    INK,
    Style,
    coordinate,
    document,
    element,
    fill,
    group,
    path,
    rect,
    stroke,
    text,
)

if TYPE_CHECKING:
    from brickbook.init.planning import InitPlan, PlanRow
    from brickbook.measure.snapshot import Alternatives, Comparison

__all__ = [
    "Picture",
    "alternatives_svg",
    "comparison_picture",
    "comparison_svg",
    "plan_svg",
    "size_of",
]

ENGLISH = Texts("en")  # files are in English, as the records that they show
BEFORE, AFTER = "#0072B2", "#D55E00"  # Okabe and Ito's pair; outline and fill are the second cue
UNCHANGED = "#808080"  # the fill of what is untouched
LAW_STYLE = stroke(INK, "4 2")
# Beside a colour each config has a dash of its own. Okabe and Ito's colours.
VARIANT_STYLES = tuple(
    stroke(colour, dash)
    for colour, dash in (
        ("#0072B2", ""),
        ("#D55E00", "5 2"),
        ("#009E73", "2 2"),
        ("#CC79A7", "7 2 2 2"),
        ("#767676", "1 3"),
    )
)
STYLE_SHEET = """
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

CELL_WIDTH, CELL_HEIGHT, CELL_GAP = 280, 190, 12
LEFT, TOP, WIDTH, HEIGHT = 8, 40, CELL_WIDTH - 16, 96  # the histogram within a cell
BASE = TOP + HEIGHT
MARGIN, TITLE_HEIGHT, LEGEND_HEIGHT, EMPTY_HEIGHT = 12, 28, 24, 58
VARIANT_WIDTH = 150  # of a config in the legend
SINGLE_VALUE_BINS = 9  # the bar of a constant is so many times narrower than the axis


@dataclass(frozen=True)
class Picture:
    """An SVG text, with words for those who do not see it."""

    svg: str
    description: str

    def __repr__(self) -> str:
        return f"Picture({self.description})"

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.svg.encode()).decode()
        alt = escape(self.description, quote=True)
        return f'<img alt="{alt}" src="data:image/svg+xml;base64,{data}" style="max-width: 100%">'


def comparison_picture(
    comparison: Comparison,
    plan: InitPlan | None = None,
    *,
    names: Iterable[str] | None = None,
    columns: int = 2,
    language: str | None = None,
) -> Picture:
    """Draw the histograms of some tensors of a comparison, for a notebook.

    Before is an outline, after a fill over the same bins, a grey one where nothing has changed, the
    density of the plan's law a dashed line.

    Args:
        comparison: The numbers before and after.
        plan: Gives the laws.
        names: The tensors to draw; None for all parameters.
        columns: How many stand beside each other, at most.
        language: "en" or "zh", None for the reader's.

    Raises:
        BadValueError: the comparison does not have one of ``names``.
    """
    texts = Texts(language)
    chosen = list(
        names if names is not None else (n for n, p in comparison.items() if p.kind == "parameter")
    )
    for name in chosen:
        if name not in comparison:
            raise BadValueError("names", f"there is no tensor {name!r}.", nearest(name, comparison))
    cells = [draw_cell(comparison[name], law_in(plan, name), texts) for name in chosen]
    columns = max(1, min(columns, len(cells)))
    width, height = grid_size(len(cells), columns)
    untouched = any(not comparison[name].changed for name in chosen)
    drawn = draw_legend(texts, untouched) + place_cells(cells, columns, 0, LEGEND_HEIGHT)
    svg = document(width, LEGEND_HEIGHT + height, drawn)
    return Picture(svg, texts("picture.summary", n=len(cells)))


def comparison_svg(
    comparison: Comparison, plan: InitPlan | None = None, title: str = "", *, single: bool = False
) -> str:
    """Draw the histograms of all parameters as a file: before an outline, after a fill, the law.

    Args:
        comparison: The numbers before and after.
        plan: Gives the laws.
        title: What stands above.
        single: Whether these are numbers at one moment, which have no before to explain.
    """
    shown = [item for item in comparison.values() if item.kind == "parameter"]
    cells = [draw_cell(item, law_in(plan, item.name), ENGLISH) for item in shown]
    legend = draw_legend(ENGLISH, any(not item.changed for item in shown))
    return picture_file(cells, "" if single else legend, title)


def plan_svg(plan: InitPlan, title: str = "", columns: int = 0) -> str:
    """Draw the density of every law of a plan as a file; of what is left as it is, only words.

    Args:
        plan: The laws.
        title: What stands above.
        columns: How many stand beside each other; 0 makes the picture about as wide as high.
    """
    return picture_file([draw_law_cell(row) for row in plan.rows], "", title, columns=columns)


def alternatives_svg(alternatives: Alternatives, title: str = "", columns: int = 0) -> str:
    """Draw what each config would make of every parameter, one line a config over common bins.

    Args:
        alternatives: The configs' numbers.
        title: What stands above.
        columns: How many stand beside each other; 0 makes the picture about as wide as high.
    """
    cells = [draw_alternatives_cell(alternatives, name) for name in alternatives.parameters]
    legend = ""
    for at, name in enumerate(alternatives):
        x = at * VARIANT_WIDTH
        legend += path(f"M{x} 9h26", **variant_style(at)) + text(
            x + 32, 13, shorten_middle(name, 18)
        )
    min_width = VARIANT_WIDTH * len(alternatives)
    return picture_file(cells, legend, title, min_width=min_width, columns=columns)


def law_in(plan: InitPlan | None, name: str) -> Law | None:
    """Return the law that a plan has for a tensor."""
    return plan[name].law if plan is not None and name in plan else None


def size_of(svg: str) -> tuple[int, int]:
    """Return the width and height of a picture of this module, in pixels.

    >>> size_of(picture_file([], "", ""))
    (304, 82)
    """
    words = svg[: svg.index(">")].split('"')
    return int(words[words.index(" width=") + 1]), int(words[words.index(" height=") + 1])


def picture_file(
    cells: Sequence[str], legend: str, title: str, *, min_width: int = 0, columns: int = 0
) -> str:
    """Set cells in a grid below a title and a legend, on paper, with a style sheet."""
    square = max(1, ceil(sqrt(len(cells) * CELL_HEIGHT / CELL_WIDTH)), 2 if len(cells) > 1 else 1)
    columns = min(columns, max(1, len(cells))) if columns else square
    top = MARGIN + (TITLE_HEIGHT if title else 0) + (LEGEND_HEIGHT if legend else 0)
    inner_width, inner_height = grid_size(len(cells), columns)
    width = max(inner_width, min_width) + 2 * MARGIN
    height = top + (max(inner_height, 0) if cells else EMPTY_HEIGHT) + MARGIN
    count = f"{len(cells)} histogram{'' if len(cells) == 1 else 's'}"
    drawn = element("title", escape(title or count)) + element("style", STYLE_SHEET)
    drawn += rect(0, 0, width, height, **{"class": "bb-paper"}, fill="#fff")
    if title:
        cut = shorten_middle(title, max(20, width // 9))
        drawn += text(MARGIN, MARGIN + 14, cut, font_size="15", font_weight="600")
    if legend:
        drawn += group(MARGIN, top - LEGEND_HEIGHT, legend)
    if not cells:
        drawn += text(MARGIN, top + 24, "no parameters")
    drawn += place_cells(cells, columns, MARGIN, top)
    return document(width, height, drawn, **{"class": "bb-picture"}, role="img")


def grid_size(count: int, columns: int) -> tuple[int, int]:
    """Return the width and the height of so many cells."""
    rows = ceil(count / columns)
    width = columns * (CELL_WIDTH + CELL_GAP) - CELL_GAP
    return width, rows * (CELL_HEIGHT + CELL_GAP) - CELL_GAP


def place_cells(cells: Sequence[str], columns: int, left: int, top: int) -> str:
    """Move every cell to its place."""
    return "".join(
        group(
            left + at % columns * (CELL_WIDTH + CELL_GAP),
            top + at // columns * (CELL_HEIGHT + CELL_GAP),
            drawn,
        )
        for at, drawn in enumerate(cells)
    )


def draw_legend(texts: Texts, untouched: bool = False) -> str:
    """Say what outline, fills and line are."""
    drawn = path("M2 14V4h16v10", **stroke(BEFORE)) + text(24, 13, texts["grid.before"])
    drawn += rect(76, 4, 16, 10, **fill(AFTER)) + text(98, 13, texts["grid.after"])
    drawn += path("M142 9h18", **LAW_STYLE) + text(166, 13, texts["grid.law"])
    if untouched:
        drawn += rect(200, 4, 16, 10, **fill(UNCHANGED)) + text(222, 13, texts["grid.untouched"])
    return drawn


def draw_cell(item: TensorChange, law: Law | None, texts: Texts) -> str:
    """Draw one tensor: name, shape and law, the bars, the ends of the axis, the numbers."""
    if law is not None and is_single_value(item):  # the bins have to show the law
        item = compare_stats(item.before, item.after, include=mass_interval(law, 3.0))
    size = format_shape(item.latest.shape, texts["grid.scalar"], " × ")
    details = size if law is None else f"{size}  {law}"
    statistics = texts["grid.comma"].join(statistics_texts(item, law, texts))
    drawn = draw_texts(item.name, details, statistics)
    if not item.counts_after:
        return drawn
    if is_single_value(item):
        return drawn + draw_value_label(item.latest.mean or 0.0, texts) + draw_bars(item, law)
    return drawn + draw_axis_ends(item.edges[0], item.edges[-1]) + draw_bars(item, law)


def is_single_value(item: TensorChange) -> bool:
    """Whether there is one value only, before and after."""
    return len(item.counts_after) == 1 and item.latest.std == 0


def statistics_texts(item: TensorChange, law: Law | None, texts: Texts) -> Iterator[str]:
    """Say what is found and what is expected; of a constant the mean says more than the std."""
    key = "mean" if law is not None and law.std == 0 else "std"
    now, was = (getattr(side, key, None) for side in (item.latest, item.before))
    yield texts(f"grid.{key}", x=format_3g(now)) if now is not None else texts["missing.none"]
    if law is not None:
        yield texts("grid.expected", x=format_3g(getattr(law, key)))
    elif not item.changed:
        yield texts["grid.untouched"]
    elif item.status == "changed" and was is not None:
        yield texts("grid.was", x=format_3g(was))


def draw_bars(item: TensorChange, law: Law | None) -> str:
    """Draw the two histograms and the law over common bins; the highest bar fills the height.

    A constant is a bar in the middle, wherever it is in its bin.
    """
    low, high = item.edges[0], item.edges[-1]
    before, after = item.counts_before, item.counts_after
    if is_single_value(item):
        value, half = item.latest.mean or 0.0, (high - low) * SINGLE_VALUE_BINS / 2
        low, high = value - half, value + half
        beside = (0,) * (SINGLE_VALUE_BINS // 2)
        before, after = beside + before + beside, beside + after + beside
    total = sum(after)
    xs, ys = density_curve(law, total * item.width) if law is not None else ([], [])
    scale = HEIGHT / max(*before, *after, *ys, 1)
    drawn = draw_steps(after, scale, fill(AFTER if item.changed else UNCHANGED))
    drawn += draw_steps(before, scale, stroke(BEFORE))
    if law is None:
        return drawn
    for value, share in law.atoms:
        if low <= value <= high:
            tall = HEIGHT if is_constant(law) else min(HEIGHT, share * total * scale)
            middle = min(int((value - low) / item.width), len(after) - 1) + 0.5  # of its bin
            drawn += draw_atom(LEFT + WIDTH * middle / len(after), tall, LAW_STYLE)
    curve = ((x, y * scale) for x, y in zip(xs, ys, strict=True) if low <= x <= high)
    return drawn + draw_density(curve, low, high, LAW_STYLE)


def draw_law_cell(row: PlanRow) -> str:
    """Draw the law of one parameter: its density, point masses as vertical lines."""
    size = format_shape(row.shape, separator=" × ")
    if row.law is None:
        return draw_texts(row.name, size, f"left: {row.reason}")
    low, high = mass_interval(row.law, 4.0)
    if low == high:
        low, high = low - (abs(low) or 1.0), high + (abs(high) or 1.0)
    expected = f"expected mean {format_3g(row.law.mean)}, std {format_3g(row.law.std)}"
    xs, ys = density_curve(row.law, 1.0)
    tallest = max(ys, default=0.0) or 1.0
    curve = ((x, y / tallest * HEIGHT) for x, y in zip(xs, ys, strict=True))
    drawn = draw_texts(row.name, f"{size} · {row.law}", expected) + draw_axis_ends(low, high)
    drawn += draw_density(curve, low, high, stroke(BEFORE))
    for value, share in row.law.atoms:
        tall = HEIGHT * (1.0 if is_constant(row.law) else share)
        drawn += draw_atom(LEFT + WIDTH * (value - low) / (high - low), tall, stroke(BEFORE))
    return drawn


def draw_alternatives_cell(alternatives: Alternatives, name: str) -> str:
    """Draw one parameter under every config."""
    sides = [one.snapshot.tensors.get(name) for one in alternatives.values()]
    low, width, shown = rebin_common(sides, alternatives.start.bins)
    details = [format_shape(alternatives.start[name].shape, separator=" × ")]
    if len(alternatives) > 1:
        details.append("differs" if alternatives.differs(name) else "the same")
    found = "std " + ", ".join(format_number(stats.std if stats else None) for stats in sides)
    drawn = draw_texts(name, " · ".join(details), found)
    if not any(map(any, shown)):
        return drawn
    if len(shown[0]) == 1:  # one value that all configs give to all elements
        value = next((stats.min for stats in sides if stats and stats.min is not None), 0.0)
        lines = (path(f"M{LEFT + WIDTH // 2} {TOP}v{HEIGHT}", **variant_style(at))
                 for at in range(len(shown)))  # fmt: skip
        return drawn + draw_value_label(value, ENGLISH) + "".join(lines)
    scale = HEIGHT / max(max(counts) for counts in shown)
    lines = (draw_steps(counts, scale, variant_style(at)) for at, counts in enumerate(shown))
    return drawn + draw_axis_ends(low, low + width * len(shown[0])) + "".join(lines)


def variant_style(at: int) -> Style:
    """Return the line of a config."""
    return VARIANT_STYLES[at % len(VARIANT_STYLES)]


def draw_texts(name: str, details: str, statistics: str) -> str:
    """Draw the three lines of a cell and its axis."""
    return (
        text(LEFT, 14, shorten_middle(name, 40), font_weight="600")
        + text(LEFT, 30, shorten_middle(details, 48))
        + text(LEFT, BASE + 36, shorten_middle(statistics, 56))
        + path(f"M{LEFT} {BASE + 0.5}h{WIDTH}", stroke=INK, stroke_width="1")
    )


def draw_axis_ends(low: float, high: float) -> str:
    """Draw the two ends of the axis."""
    right = text(LEFT + WIDTH, BASE + 16, format_3g(high), text_anchor="end")
    return text(LEFT, BASE + 16, format_3g(low)) + right


def draw_value_label(value: float, texts: Texts) -> str:
    """Draw what stands below the axis where there is one value only."""
    label = texts("grid.all_are", x=format_3g(value))
    return text(LEFT + WIDTH / 2, BASE + 16, label, text_anchor="middle")


def draw_steps(counts: Sequence[int], scale: float, style: Style) -> str:
    """Draw counts as one stepped path."""
    if not any(counts):
        return ""
    each = WIDTH / len(counts)
    steps = "".join(
        f"V{coordinate(BASE - count * scale)}H{coordinate(LEFT + (at + 1) * each)}"
        for at, count in enumerate(counts)
    )
    return path(f"M{LEFT} {BASE}{steps}V{BASE}", **style)


def draw_density(
    curve: Iterable[tuple[float, float]], low: float, high: float, style: Style
) -> str:
    """Draw a density, given as x and its height in pixels."""
    points = "L".join(
        f"{coordinate(LEFT + WIDTH * (x - low) / (high - low))} {coordinate(BASE - tall)}"
        for x, tall in curve
    )
    return path(f"M{points}", **style) if points else ""


def draw_atom(x: float, tall: float, style: Style) -> str:
    """Draw the share of a law at one value as a vertical line."""
    return path(f"M{coordinate(x)} {coordinate(BASE - tall)}v{coordinate(tall)}", **style)


def format_3g(value: float) -> str:
    """Write a number with three digits and a true minus sign."""
    return format_number(value, 3).replace("-", "−")
