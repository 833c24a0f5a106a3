"""Signals through depth as a small SVG that needs no script."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from brickbook.html import escape, format_2g, format_percent, shorten
from brickbook.i18n import Texts
from brickbook.measure.probe import Signals
from brickbook.views.data.depth_curves import (
    COLOURS,
    DepthCurve,
    Quantity,
    depth_axis,
    depth_curves,
    describe_curves,
    inactive_title,
    shown_quantities,
)
from brickbook.views.svg.histograms import Picture
from brickbook.views.svg.primitives import (
    INK,
    Style,
    coordinate,
    document,
    element,
    group,
    path,
    rect,
    stroke,
    text,
)

__all__ = ["depth_svg", "signals_picture"]

PANEL_HEIGHTS: dict[Quantity, int] = {"std": 96, "grad": 64, "inactive": 36}
LEFT, RIGHT, PANEL_GAP, LINE_HEIGHT = 44, 10, 30, 16
LETTER_WIDTH = 6.2  # about
DASHES = ("", "6 3", "2 3", "7 3 2 3", "10 4", "10 3 2 3")
GHOST = "#8a8a8a"
MAX_MARKERS = 60  # layers, from which on there is no room for markers


def signals_picture(signals: Signals, language: str | None = None) -> Picture:
    """Return the picture of one record for a notebook: outputs and gradients through depth."""
    description = describe_curves(depth_curves(signals), Texts(language))
    return Picture(depth_svg(signals, gradients=True, width=480, language=language), description)


def depth_svg(
    signals: Signals | Mapping[str, Signals],
    *,
    gradients: bool = False,
    width: int = 360,
    title: str = "",
    ghost: str = "",
    expected: Mapping[str, Signals] | None = None,
    zones: bool = False,
    language: str | None = None,
) -> str:
    """Draw what `brickbook.views.plotly.depth.depth_figure` draws as a small SVG.

    Its background is transparent; its texts take ``--bb-page-soft`` where a page has it. Of the
    names on the axis there are the first and the last; the words for those who do not see it say
    where it begins and ends.

    Args:
        signals: What `brickbook.probe` found; of several models by label.
        gradients: Whether the gradients have a panel, where there are any.
        width: In pixels; the height follows from what is drawn.
        title: What stands above it.
        ghost: The label of the record that is drawn grey, as what was before.
        expected: What theory expects of records, by their labels: drawn thin and dashed.
        zones: Whether each layer has an area with its numbers as the tooltip and its name as
            ``data-layer``.
        language: "en" or "zh", None for the reader's.
    """
    texts = Texts(language)
    curves = depth_curves(signals, ghost, expected, texts["depth.expected"])
    shown = shown_quantities(curves, gradients)
    drawn, top = draw_legend(curves, width) if len(curves) > 1 else ("", 0)
    if title:
        cut = shorten(title, int(width / LETTER_WIDTH) - 2, keep_end=False)
        heading = text(2, 13, cut, font_size="12", font_weight="600")
        drawn, top = group(0, LINE_HEIGHT + 4, drawn) + heading, top + LINE_HEIGHT + 4
    for quantity in shown:
        draw = draw_inactive if quantity == "inactive" else draw_curves
        drawn += group(0, top + PANEL_GAP, draw(curves, quantity, width, texts))
        top += PANEL_GAP + PANEL_HEIGHTS[quantity]
    summary = describe_curves(curves, texts)
    drawn += draw_layer_ends(curves, width, top + LINE_HEIGHT, texts)
    if zones:
        drawn += draw_zones(curves, width, top + LINE_HEIGHT, texts)
    return document(
        width,
        top + LINE_HEIGHT + 6,
        element("title", escape(summary)) + drawn,
        role="img",
        aria_label=summary,
        style=f"fill:var(--bb-page-soft,{INK})",
    )


def draw_legend(curves: Sequence[DepthCurve], width: int) -> tuple[str, int]:
    """Draw the names of the curves in as many rows as they need; return that and its height."""
    x, y, drawn = 2.0, 0, ""
    seen: set[str] = set()
    for curve in curves:
        if curve.style == "expected" and curve.label in seen:
            continue
        seen.add(curve.label)
        label = shorten(curve.label, min(28, int((width - 44) / LETTER_WIDTH)), keep_end=False)
        wide = 40 + LETTER_WIDTH * len(label)
        if x > 2 and x + wide > width:
            x, y = 2.0, y + LINE_HEIGHT
        drawn += path(f"M{coordinate(x)} {y + 9}h24", **curve_style(curve))
        drawn += draw_marker(curve, x + 12, y + 9) + text(x + 29, y + 13, label)
        x += wide
    return drawn, y + LINE_HEIGHT


def draw_curves(curves: Sequence[DepthCurve], quantity: Quantity, width: int, texts: Texts) -> str:
    """Draw the panel of one number: its decades and a line for each curve."""
    axis, tall = depth_axis(curves, quantity), PANEL_HEIGHTS[quantity]
    drawn = text(2, -10, texts[f"depth.{quantity}"])

    def y_of(value: float) -> float:
        return tall * (axis.high - math.log10(value or axis.floor)) / (axis.high - axis.low)

    for value, label in axis.ticks(4):
        guide = label == "1" and quantity == "std"  # where a signal keeps its size
        drawn += draw_tick(y_of(value), label, width, "3 3" if guide else "")
    for curve in curves:
        for points in runs(curve, quantity, curves, width):
            drawn += draw_curve(curve, [(x, y_of(value), value == 0) for x, value in points])
    return drawn


def runs(
    curve: DepthCurve, quantity: Quantity, curves: Sequence[DepthCurve], width: int
) -> Iterator[list[tuple[float, float]]]:
    """Yield the stretches of a curve between its gaps, as x and value."""
    run: list[tuple[float, float]] = []
    for x, value in zip(layer_positions(curves, width), curve.values(quantity), strict=False):
        if value is not None:
            run.append((x, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def draw_curve(curve: DepthCurve, points: Sequence[tuple[float, float, bool]]) -> str:
    """Draw one line with its markers, through points given as x, y and whether it is a 0."""
    line = "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y, _ in points)
    drawn = path(f"M{line}", **curve_style(curve)) if len(points) > 1 else ""
    for x, y, is_zero in points:
        if is_zero and curve.style != "expected":
            cross = f"M{coordinate(x - 3)} {coordinate(y - 3)}l6 6m0 -6l-6 6"
            drawn += path(cross, **stroke(curve_colour(curve)))
        elif len(points) <= MAX_MARKERS:
            drawn += draw_marker(curve, x, y)
    return drawn


def draw_inactive(
    curves: Sequence[DepthCurve], quantity: Quantity, width: int, texts: Texts
) -> str:
    """Draw the shares of dead units or saturated outputs, as bars beside each other."""
    tall, positions = PANEL_HEIGHTS[quantity], layer_positions(curves, width)
    measured = [curve for curve in curves if curve.style != "expected"]
    each = max(1.0, min(14.0, 0.7 * (width - LEFT - RIGHT) / len(positions) / len(measured)))
    drawn = text(2, -10, inactive_title(curves, texts, texts["depth.or"]))
    drawn += draw_tick(0, format_percent(1.0), width) + draw_tick(tall, format_percent(0.0), width)
    for at, curve in enumerate(measured):
        shift = each * (at - len(measured) / 2)
        for x, share in zip(positions, curve.values(quantity), strict=False):
            if share:
                colour = curve_colour(curve)
                drawn += rect(x + shift, tall * (1 - share), each, tall * share, fill=colour)
    return drawn


def draw_tick(y: float, label: str, width: int, dash: str = "") -> str:
    """Draw a line across a panel with its label; a dashed one is not faint."""
    style = {"stroke_dasharray": dash} if dash else {"stroke_opacity": ".3"}
    line = path(f"M{LEFT} {coordinate(y)}H{width - RIGHT}", stroke=INK, **style)
    return line + text(LEFT - 4, y + 4, label, text_anchor="end")


def draw_layer_ends(curves: Sequence[DepthCurve], width: int, y: int, texts: Texts) -> str:
    """Draw the names of the first and the last layer below the axis."""
    points = max((curve.points for curve in curves), key=len, default=())
    if not points:
        return text(LEFT, y, texts["depth.no_outputs"])
    length = int((width - LEFT - RIGHT) / 2 / LETTER_WIDTH) - 1
    drawn = text(LEFT, y, shorten(points[0].label, length))
    if len(points) > 1:
        drawn += text(width - RIGHT, y, shorten(points[-1].label, length), text_anchor="end")
    return drawn


def layer_positions(curves: Sequence[DepthCurve], width: int) -> list[float]:
    """Return where the layers stand: as many as the longest curve has, one at least."""
    longest = max([1, *(len(curve.points) for curve in curves)])
    each = (width - LEFT - RIGHT) / longest
    return [LEFT + each * (at + 0.5) for at in range(longest)]


def draw_zones(curves: Sequence[DepthCurve], width: int, height: int, texts: Texts) -> str:
    """Lay an area over each layer, which says its numbers."""
    points = max((curve.points for curve in curves), key=len, default=())
    positions = layer_positions(curves, width)
    each = (width - LEFT - RIGHT) / len(positions)
    drawn = ""
    for at, (x, point) in enumerate(zip(positions, points, strict=False)):
        lines = [point.label, *(zone_line(c, at, texts) for c in curves if at < len(c.points))]
        words = element("title", escape("\n".join(filter(None, lines))))
        area = {"x": x - each / 2, "y": 0, "width": each, "height": height, "fill": "transparent"}
        drawn += element("rect", words, **area, data_layer=point.name)
    return drawn


def zone_line(curve: DepthCurve, at: int, texts: Texts) -> str:
    """Return what one curve has at a layer, in words; "" for nothing."""
    point = curve.points[at]
    parts = [
        f"{texts[f'depth.{key}']} {format_2g(value)}"
        for key, value in (("std", point.std), ("grad", point.grad))
        if value is not None
    ]
    if point.inactive:
        parts.append(f"{format_percent(point.inactive)} {texts[f'depth.{point.inactive_reason}']}")
    words = texts["list.comma"].join(parts)
    return texts("init.line", place=curve.label, text=words) if words and curve.label else words


def curve_colour(curve: DepthCurve) -> str:
    """Return the colour of a curve."""
    return GHOST if curve.style == "ghost" else COLOURS[curve.number % len(COLOURS)]


def curve_style(curve: DepthCurve) -> Style:
    """Return the line of a curve: its colour and its dash."""
    if curve.style == "expected":
        return {**stroke(curve_colour(curve), "5 4"), "stroke_width": "1"}
    if curve.style == "ghost":
        return {**stroke(GHOST), "stroke_width": "3", "stroke_opacity": "0.55"}
    return stroke(curve_colour(curve), DASHES[curve.number % len(DASHES)])


def draw_marker(curve: DepthCurve, x: float, y: float) -> str:
    """Draw the marker of a curve: a disc, a square, a diamond or a triangle; a line may do."""
    if curve.style != "line":
        return ""
    left, top, outline = (
        (2.5, 0.0, "a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0z"),
        (2.3, 2.3, "h4.6v4.6h-4.6z"),
        (0.0, 3.2, "l3.2 3.2l-3.2 3.2l-3.2 -3.2z"),
        (0.0, 3.0, "l3 5.4h-6z"),
    )[curve.number % 4]
    begin = f"M{coordinate(x - left)} {coordinate(y - top)}"
    return path(begin + outline, fill=curve_colour(curve))
