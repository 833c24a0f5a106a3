"""Singular values as small multiples, in an SVG that needs no script."""

from __future__ import annotations

import math
from collections.abc import Sequence

from brickbook.html import escape, format_2g, format_shape, shorten
from brickbook.i18n import Texts
from brickbook.measure.spectra import Spectra, Spectrum
from brickbook.views.data.depth_curves import COLOURS
from brickbook.views.svg.histograms import Picture
from brickbook.views.svg.primitives import INK, document, element, group, path, rect, text

__all__ = ["spectra_picture", "spectra_svg"]

LEFT, GAP, TITLE, HEIGHT, WIDTH = 40, 16, 30, 64, 150
MAX_POINTS = 150
MAX_MATRICES = 24  # in a notebook


def spectra_picture(found: Spectra, language: str | None = None) -> Picture:
    """Return the picture of the first matrices for a notebook."""
    names = [row.name for row in found.rows[:MAX_MATRICES]]
    svg = spectra_svg(found, names=names, language=language)
    return Picture(svg, describe_spectra(found, Texts(language)))


def spectra_svg(
    found: Spectra,
    *,
    names: Sequence[str] | None = None,
    columns: int = 3,
    language: str | None = None,
) -> str:
    """Draw the singular values of each matrix, the largest first, up to its rank.

    Between the dashed lines would be those of a matrix of independent elements of the same size.
    Where only the largest are known the line ends early.

    Args:
        found: What `brickbook.measure.spectra.spectra` found.
        names: Which are drawn; None for all.
        columns: How many stand beside each other.
        language: "en" or "zh", None for the reader's.

    Raises:
        UnknownNameError: A matrix is not there.
    """
    texts = Texts(language)
    chosen = list(found) if names is None else [found[name] for name in names]
    wide, high = LEFT + WIDTH + GAP, TITLE + HEIGHT + GAP
    drawn = "".join(
        group(at % columns * wide, at // columns * high, draw_spectrum(row))
        for at, row in enumerate(chosen)
    )
    summary = describe_spectra(found, texts)
    return document(
        wide * min(columns, max(1, len(chosen))),
        max(1, math.ceil(len(chosen) / columns)) * high,
        element("title", escape(summary)) + drawn,
        role="img",
        aria_label=summary,
        style=f"fill:var(--bb-page-soft,{INK})",
    )


def draw_spectrum(row: Spectrum) -> str:
    """Draw the singular values of one matrix."""
    drawn = text(LEFT, 12, shorten(row.name, 24), font_weight="600")
    drawn += text(LEFT, 25, f"{row.kind} · {format_shape(row.shape)}")
    drawn += rect(LEFT, TITLE, WIDTH, HEIGHT, fill="none", stroke=INK, stroke_opacity=".3")
    if row.largest is None:
        return drawn
    edges = row.independent or (0.0, 0.0)
    top = max(row.largest, edges[1]) or 1.0

    def y_of(value: float) -> float:
        return TITLE + HEIGHT * (1 - value / top)

    drawn += text(LEFT - 4, TITLE + 9, format_2g(top), text_anchor="end")
    drawn += text(LEFT - 4, TITLE + HEIGHT, "0", text_anchor="end")
    for value in edges:
        dash = path(f"M{LEFT} {y_of(value):.1f}h{WIDTH}", stroke=INK, stroke_dasharray="3 3")
        drawn += dash if value else ""
    count, rank = len(row.values), min(row.shape)
    places = range(count)
    if count > MAX_POINTS:
        places = [round(at * (count - 1) / (MAX_POINTS - 1)) for at in range(MAX_POINTS)]
    points = [
        f"{LEFT + WIDTH * at / max(1, rank - 1):.1f} {y_of(row.values[at]):.1f}" for at in places
    ]
    style = {"stroke": COLOURS[0], "stroke_width": "1.5", "stroke_linecap": "round"}
    line = "L".join(points) if len(points) > 1 else f"{points[0]}h3"
    return drawn + path(f"M{line}", fill="none", **style)


def describe_spectra(found: Spectra, texts: Texts) -> str:
    """Say what a picture shows to those who do not see it."""
    said = [texts("init.line", place=row.name, text=describe_row(row, texts)) for row in found.rows]
    return texts("spectra.summary", matrices=texts["depth.semicolon"].join(said))


def describe_row(row: Spectrum, texts: Texts) -> str:
    """Say between what values one matrix lies."""
    if row.largest is None:
        return texts["depth.nothing"]
    if row.smallest is None:
        return texts("spectra.largest", high=format_2g(row.largest))
    return texts("spectra.between", low=format_2g(row.smallest), high=format_2g(row.largest))
