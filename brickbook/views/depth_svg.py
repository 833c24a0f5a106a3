"""The SVG of the course of signals through depth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from brickbook.measure.findings import whole
from brickbook.texts import Texts
from brickbook.views.depth import COLOURS, Curve, words
from brickbook.views.depth_axes import clipped, scale_of

__all__ = ["picture"]

INK = "#767676"  # 4.5:1 on white, 4.2:1 on JupyterLab's dark
HEIGHTS = {"std": 96, "grad": 64, "lost": 36}
LEFT, RIGHT, GAP, LINE = 44, 10, 30, 16
LETTER = 6.2  # the width of a letter, about
DASHES = ("", "6 3", "2 3", "7 3 2 3", "10 4", "10 3 2 3")
MANY = 60  # layers, from which on there is no room for markers


def picture(
    found: Sequence[Curve], keys: Sequence[str], width: int, title: str, texts: Texts
) -> str:
    """Set the panels one below the other, with a legend if there are several curves."""
    marks, top = legend(found, width) if len(found) > 1 else ("", 0)
    if title:
        marks = f'<g transform="translate(0 {LINE + 4})">{marks}</g>{heading(title, width)}'
        top += LINE + 4
    drawn = ""
    for key in keys:
        top += GAP
        drawn += f'<g transform="translate(0 {top})">{panel(found, key, width, texts)}</g>'
        top += HEIGHTS[key]
    height = top + LINE + 6
    told = escape(words(found, texts), quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{told}" '
        f'font-family="system-ui, sans-serif" font-size="11" fill="{INK}" '
        f'style="fill:var(--bb-page-soft,{INK})"><title>{told}</title>{marks}{drawn}'
        f"{ends(found, width, top + LINE, texts)}</svg>"
    )


def heading(title: str, width: int) -> str:
    """The title, cut to what fits."""
    shown = escape(clipped(title, int(width / LETTER) - 2, end=False))
    return f'<text x="2" y="13" font-size="12" font-weight="600">{shown}</text>'


def legend(found: Sequence[Curve], width: int) -> tuple[str, int]:
    """The names of the curves with their lines, in as many rows as they need; and their height."""
    x, y, drawn = 2.0, 0, ""
    for at, curve in enumerate(found):
        label = clipped(curve.label, min(28, int((width - 44) / LETTER)), end=False)
        wide = 40 + LETTER * len(label)
        if x > 2 and x + wide > width:
            x, y = 2.0, y + LINE
        drawn += (
            f'<path d="M{x:g} {y + 9}h24" {stroke(at)}/>{marker(at, x + 12, y + 9)}'
            f'<text x="{x + 29:g}" y="{y + 13}">{escape(label)}</text>'
        )
        x += wide
    return drawn, y + LINE


def panel(found: Sequence[Curve], key: str, width: int, texts: Texts) -> str:
    """One panel: its axis and its lines or bars."""
    if key == "lost":
        return lost(found, width, texts)
    values = [getattr(point, key) for curve in found for point in curve.points]
    scale, tall = scale_of(values, key == "std"), HEIGHTS[key]
    drawn = f'<text x="2" y="-10">{texts[f"depth.{key}"]}</text>'

    def y_of(value: float) -> float:
        share = (scale.high - math.log10(value or scale.floor)) / (scale.high - scale.low)
        return tall * share

    for value, word in scale.ticks(4):
        y = y_of(value)
        strong = ' stroke-dasharray="3 3"' if word == "1" and key == "std" else ""
        faint = "" if strong else ' stroke-opacity=".3"'
        drawn += (
            f'<path d="M{LEFT} {y:.1f}H{width - RIGHT}" stroke="{INK}"{faint}{strong}/>'
            f'<text x="{LEFT - 4}" y="{y + 4:.1f}" text-anchor="end">{word}</text>'
        )
    for at, curve in enumerate(found):
        spots: list[tuple[float, float, float]] = []
        for x, point in zip(xs(curve, found, width), curve.points, strict=True):
            value = getattr(point, key)
            if value is None:  # a gap
                drawn, spots = drawn + course(at, spots), []
            else:
                spots.append((x, y_of(value), value))
        drawn += course(at, spots)
    return drawn


def course(at: int, spots: Sequence[tuple[float, float, float]]) -> str:
    """One line with its markers; a 0 is a cross."""
    if not spots:
        return ""
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in spots)
    drawn = f'<path d="M{path}" {stroke(at)}/>' if len(spots) > 1 else ""
    for x, y, value in spots:
        if value == 0:
            drawn += f'<path d="M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6" {stroke(at, "")}/>'
        elif len(spots) <= MANY:
            drawn += marker(at, x, y)
    return drawn


def lost(found: Sequence[Curve], width: int, texts: Texts) -> str:
    """The shares of dead units or saturated outputs, as bars beside each other."""
    kinds = dict.fromkeys(texts[f"depth.{p.why}"] for c in found for p in c.points if p.lost)
    tall, base = HEIGHTS["lost"], HEIGHTS["lost"]
    longest = max([1, *(len(curve.points) for curve in found)])
    each = max(1.0, min(14.0, 0.7 * (width - LEFT - RIGHT) / longest / len(found)))
    drawn = f'<text x="2" y="-10">{texts["depth.or"].join(kinds)}</text>'
    for share, y in ((1.0, 0), (0.0, base)):
        drawn += (
            f'<path d="M{LEFT} {y}H{width - RIGHT}" stroke="{INK}" stroke-opacity=".3"/>'
            f'<text x="{LEFT - 4}" y="{y + 4}" text-anchor="end">{whole(share)}</text>'
        )
    for at, curve in enumerate(found):
        shift = each * (at - len(found) / 2)
        for x, point in zip(xs(curve, found, width), curve.points, strict=True):
            if point.lost:
                high = tall * point.lost
                drawn += (
                    f'<rect x="{x + shift:.1f}" y="{base - high:.1f}" width="{each:.1f}" '
                    f'height="{high:.1f}" fill="{COLOURS[at % len(COLOURS)]}"/>'
                )
    return drawn


def xs(curve: Curve, found: Sequence[Curve], width: int) -> Iterator[float]:
    """Where the layers of a curve stand."""
    longest = max([1, *(len(other.points) for other in found)])
    each = (width - LEFT - RIGHT) / longest
    yield from (LEFT + each * (at + 0.5) for at in range(len(curve.points)))


def ends(found: Sequence[Curve], width: int, y: int, texts: Texts) -> str:
    """The names of the first and the last layer below the axis."""
    points = max((curve.points for curve in found), key=len, default=())
    if not points:
        return f'<text x="{LEFT}" y="{y}">{texts["depth.no_outputs"]}</text>'
    most = int((width - LEFT - RIGHT) / 2 / LETTER) - 1
    first, last = points[0].label, points[-1].label
    drawn = f'<text x="{LEFT}" y="{y}">{escape(clipped(first, most))}</text>'
    if len(points) > 1:
        right = escape(clipped(last, most))
        drawn += f'<text x="{width - RIGHT}" y="{y}" text-anchor="end">{right}</text>'
    return drawn


def stroke(at: int, dash: str | None = None) -> str:
    """The line of one curve."""
    dashed = DASHES[at % len(DASHES)] if dash is None else dash
    pattern = f' stroke-dasharray="{dashed}"' if dashed else ""
    return f'fill="none" stroke="{COLOURS[at % len(COLOURS)]}" stroke-width="1.5"{pattern}'


def marker(at: int, x: float, y: float) -> str:
    """The marker of one curve: a disc, a square, a diamond, a triangle."""
    shapes = (
        f"M{x - 2.5:.1f} {y:.1f}a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0z",
        f"M{x - 2.3:.1f} {y - 2.3:.1f}h4.6v4.6h-4.6z",
        f"M{x:.1f} {y - 3.2:.1f}l3.2 3.2l-3.2 3.2l-3.2 -3.2z",
        f"M{x:.1f} {y - 3:.1f}l3 5.4h-6z",
    )
    return f'<path d="{shapes[at % 4]}" fill="{COLOURS[at % len(COLOURS)]}"/>'
