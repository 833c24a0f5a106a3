"""The coordinate check as curves over the width, in an SVG that needs no script."""

from __future__ import annotations

import math

from brickbook.html import escape, format_2g, shorten
from brickbook.i18n import Texts
from brickbook.measure.coordinate_check import CoordinateCheck
from brickbook.views.data.depth_curves import COLOURS, format_power
from brickbook.views.svg.depth import DASHES
from brickbook.views.svg.histograms import Picture
from brickbook.views.svg.primitives import (
    INK,
    coordinate,
    document,
    element,
    group,
    path,
    rect,
    stroke,
    text,
)

__all__ = ["coordinates_picture", "coordinates_svg"]

LEFT, GAP, TOP, WIDTH, HEIGHT, NAMES = 44, 20, 22, 200, 150, 190
MAX_LAYERS = 20  # names beside the curves


def coordinates_picture(found: CoordinateCheck, language: str | None = None) -> Picture:
    """Return the picture for a notebook."""
    return Picture(coordinates_svg(found, language=language), describe(found, Texts(language)))


def coordinates_svg(found: CoordinateCheck, *, language: str | None = None) -> str:
    """Draw mean |x| of every layer over the width, before the first update and after the last.

    Both axes are logarithmic: a layer that keeps its size is a flat line. Beside its name stands
    the slope after the last update (`CoordinateCheck.slope`). A size that is 0 or not finite is
    left out.

    Args:
        found: What `brickbook.coordinate_check` found.
        language: "en" or "zh", None for the reader's.
    """
    texts = Texts(language)
    steps = list(dict.fromkeys([*found.steps[:1], *found.steps[-1:]]))
    some = [row.size for row in found.rows if row.step in steps and 0 < row.size < math.inf]
    low = math.floor(math.log10(min(some, default=0.1)))
    high = max(low + 1, math.ceil(math.log10(max(some, default=1.0))))
    drawn = "".join(
        group(at * (LEFT + WIDTH + GAP), 0, draw_step(found, step, low, high, texts))
        for at, step in enumerate(steps)
    )
    wide = max(1, len(steps)) * (LEFT + WIDTH + GAP)
    shown = found.layers[:MAX_LAYERS]
    for at, layer in enumerate(shown):
        y = TOP + 6 + 15 * at
        label = f"{shorten(layer, 18)}  {slope_text(found.slope(layer, steps[-1]))}"
        drawn += path(f"M{wide} {y}h20", **line_style(at)) + text(wide + 26, y + 4, label)
    if len(shown) < len(found.layers):
        words = texts("triple.some", shown=len(shown), n=len(found.layers))
        drawn += text(wide, TOP + 10 + 15 * len(shown), words)
    drawn += text(wide, 12, texts["coordinates.slope"]) if shown else ""
    summary = describe(found, texts)
    return document(
        wide + NAMES,
        max(TOP + HEIGHT + 34, TOP + 20 + 15 * (len(shown) + 1)),
        element("title", escape(summary)) + drawn,
        role="img",
        aria_label=summary,
        style=f"fill:var(--bb-page-soft,{INK})",
    )


def draw_step(found: CoordinateCheck, step: int, low: int, high: int, texts: Texts) -> str:
    """Draw the curves of all layers after so many updates."""
    widths = found.widths
    first, last = math.log2(widths[0]), math.log2(widths[-1])

    def x_of(width: int) -> float:
        return LEFT + WIDTH * (math.log2(width) - first) / ((last - first) or 1.0)

    def y_of(size: float) -> float:
        return TOP + HEIGHT * (high - math.log10(size)) / (high - low)

    drawn = text(LEFT, 12, texts("coordinates.step", n=step), font_weight="600")
    drawn += rect(LEFT, TOP, WIDTH, HEIGHT, fill="none", stroke=INK, stroke_opacity=".3")
    for power in range(low, high + 1, max(1, math.ceil((high - low) / 5))):
        y = y_of(10.0**power)
        drawn += text(LEFT - 4, y + 4, format_power(power), text_anchor="end")
        drawn += path(f"M{LEFT} {coordinate(y)}h{WIDTH}", stroke=INK, stroke_opacity=".3")
    for at, layer in enumerate(found.layers):
        points = [
            f"{coordinate(x_of(width))} {coordinate(y_of(size))}"
            for width, size in found.sizes(layer, step).items()
            if 0 < size < math.inf
        ]
        drawn += path("M" + "L".join(points), **line_style(at)) if len(points) > 1 else ""
    below = TOP + HEIGHT + 14
    drawn += text(LEFT, below, f"{widths[0]:,}")
    drawn += text(LEFT + WIDTH, below, f"{widths[-1]:,}", text_anchor="end")
    return drawn + text(LEFT + WIDTH / 2, below, texts["coordinates.width"], text_anchor="middle")


def line_style(at: int) -> dict[str, str]:
    """Return the line of a layer."""
    return stroke(COLOURS[at % len(COLOURS)], DASHES[at // len(COLOURS) % len(DASHES)])


def slope_text(slope: float) -> str:
    """Write a slope with its sign; a dash for none.

    >>> slope_text(0.5), slope_text(-0.002), slope_text(math.nan)
    ('+0.50', '0.00', '–')
    """
    if not math.isfinite(slope):
        return "–"
    return f"{slope:+.2f}".replace("-", "−") if abs(slope) >= 0.005 else "0.00"


def describe(found: CoordinateCheck, texts: Texts) -> str:
    """Say what a picture shows to those who do not see it."""
    last = found.steps[-1] if found.steps else 0
    said = []
    for layer in found.layers:
        sizes = [format_2g(size) for size in found.sizes(layer, last).values()] or ["–"]
        words = texts("coordinates.from_to", first=sizes[0], last=sizes[-1],
                      slope=slope_text(found.slope(layer, last)))  # fmt: skip
        said.append(texts("init.line", place=layer, text=words))
    return texts("coordinates.summary", layers=texts["depth.semicolon"].join(said))
