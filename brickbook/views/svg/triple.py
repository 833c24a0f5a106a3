"""Weights, activations and gradients of every layer, in an SVG that needs no script."""

from __future__ import annotations

from collections.abc import Sequence

from brickbook.html import escape, format_2g, format_percent, shorten
from brickbook.i18n import Texts
from brickbook.measure.triple import Distribution, Triple, TripleRow
from brickbook.views.data.depth_curves import COLOURS
from brickbook.views.data.triple_rows import (
    GradientsOf,
    HistogramPanel,
    TriplePanels,
    choose_layers,
    describe_triple,
    triple_panels,
    update_place,
)
from brickbook.views.svg.histograms import Picture
from brickbook.views.svg.primitives import (
    INK,
    coordinate,
    document,
    element,
    group,
    path,
    rect,
    text,
)

__all__ = ["MAX_LAYERS", "triple_picture", "triple_svg"]

NAMES, GAP, UPDATES = 158, 18, 108  # pixels: the names on the left, between panels, the updates
NARROW, NARROW_NAMES = 640, 104  # of a picture, and of its names
MIN_WIDE = 104  # of a panel: both ends of its axis have room
HEAD, ROW, TALL = 34, 74, 38  # of the headings, of a row, of a histogram in it
LETTER_WIDTH = 6.4  # about
MAX_LAYERS = 24  # in a notebook


def triple_picture(found: Triple, language: str | None = None) -> Picture:
    """Return the picture for a notebook; of many layers some, evenly apart."""
    svg = triple_svg(found, layers=choose_layers(found, MAX_LAYERS), language=language)
    return Picture(svg, describe_triple(found, Texts(language)))


def triple_svg(
    found: Triple,
    *,
    layers: Sequence[str] | None = None,
    gradients: GradientsOf = "weights",
    common_x: bool = False,
    width: int = 720,
    language: str | None = None,
) -> str:
    """Draw a row for each layer: the histograms of weights, activations and gradients.

    Beside each stands the std, below it the ends of its axis; the highest bar of each fills its
    panel. On the left are the layer and the share that is dead or saturated after it. Where a step
    was made, ‖update‖ / ‖weight‖ is a dot on a logarithmic axis, with a dashed line at 0.001.

    Args:
        found: What `brickbook.triple` found.
        layers: Which are drawn; None for all.
        gradients: Those by the "weights" or by the "outputs".
        common_x: Whether all rows of a column have the same axis.
        width: In pixels.
        language: "en" or "zh", None for the reader's.

    Raises:
        BadValueError: ``gradients`` is neither.
        UnknownNameError: A layer has not run.
    """
    texts = Texts(language)
    rows = triple_panels(found, layers=layers, gradients=gradients, common_x=common_x)
    with_updates = any(row.update is not None for row in found.rows)
    names = NAMES if width >= NARROW else NARROW_NAMES
    room = width - names - (UPDATES + GAP if with_updates else 0)
    wide = max(MIN_WIDE, (room - 3 * GAP) // 3)
    lefts = [names + at * (wide + GAP) for at in range(3)]
    top = HEAD
    drawn = draw_headings(lefts, wide, gradients, found, with_updates, texts)
    if len(rows) < len(found.rows):
        words = texts("triple.some", shown=len(rows), n=len(found.rows))
        drawn += text(2, 14, shorten(words, letters(names), keep_end=False))
    for at, row in enumerate(rows):
        drawn += group(0, top + at * ROW, draw_row(row, lefts, wide, with_updates, texts))
    height = top + max(1, len(rows)) * ROW
    if not rows:
        drawn += text(2, top + 14, texts["depth.no_outputs"])
    if with_updates:
        x = update_x(1e-3, lefts, wide)
        drawn += path(f"M{coordinate(x)} {top}V{height - 8}", stroke=INK, stroke_dasharray="3 3")
    summary = describe_triple(found, texts)
    return document(
        lefts[2] + wide + GAP + (UPDATES if with_updates else 0),
        height,
        element("title", escape(summary)) + drawn,
        role="img",
        aria_label=summary,
        style=f"fill:var(--bb-page-soft,{INK})",
    )


def draw_headings(
    lefts: Sequence[int],
    wide: int,
    gradients: GradientsOf,
    found: Triple,
    with_updates: bool,
    texts: Texts,
) -> str:
    """Draw what stands above the columns."""
    keys = ("triple.weights", "triple.outputs", f"triple.gradients_by_{gradients}")
    drawn = ""
    for x, key in zip(lefts, keys, strict=True):
        words = texts[key]
        lines = [words] if len(words) <= letters(wide) else words.rsplit(" ", 1)
        drawn += "".join(
            text(x, 14 + 13 * at, line, font_weight="600") for at, line in enumerate(lines)
        )
    if with_updates:
        x = lefts[2] + wide + GAP
        drawn += text(x, 14, texts["triple.updates"], font_weight="600")
        drawn += text(x, 27, shorten(found.optimizer, 16, keep_end=False))
    return drawn


def draw_row(
    drawn_row: TriplePanels, lefts: Sequence[int], wide: int, with_updates: bool, texts: Texts
) -> str:
    """Draw one layer."""
    row = drawn_row.row
    fits = letters(lefts[0])
    drawn = text(2, 14, shorten(row.label, fits - 2), font_weight="600")
    drawn += text(2, 28, shorten(row.kind, fits))
    drawn += "".join(
        text(2, 42 + 14 * at, shorten(line, fits, keep_end=False))
        for at, line in enumerate(row_notes(row, texts))
    )
    for x, panel, colour in zip(lefts, drawn_row.panels, COLOURS, strict=False):
        drawn += group(x, 0, draw_panel(panel, wide, colour, texts))
    if with_updates and row.update is not None:
        x = update_x(row.update, lefts, wide)
        drawn += element("circle", cx=x, cy=14 + TALL / 2, r=4, fill=COLOURS[3])
        base = lefts[2] + wide + GAP
        drawn += text(base + UPDATES - 4, 12, format_2g(row.update), text_anchor="end")
        drawn += path(f"M{base} {14 + TALL}h{UPDATES - 4}", stroke=INK, stroke_opacity=".4")
    # On top, so that a click anywhere in the row is one on the layer.
    area = rect(0, 0, lefts[2] + wide, ROW - 8, fill="transparent", data_layer=row.name)
    return drawn + area


def letters(wide: float) -> int:
    """Return how many letters have room."""
    return int((wide - 6) / LETTER_WIDTH)


def row_notes(row: TripleRow, texts: Texts) -> list[str]:
    """Return what is said of a layer beside its class."""
    notes = [texts("triple.shares", layer=row.shares)] if row.shares else []
    if row.inactive:
        reason = texts[f"depth.{row.inactive_reason}"]
        notes.append(texts("triple.share", share=format_percent(row.inactive), reason=reason))
    return notes


def draw_panel(panel: HistogramPanel, wide: int, colour: str, texts: Texts) -> str:
    """Draw one histogram, its std and the ends of its axis."""
    base = 14 + TALL
    drawn = path(f"M0 {base}h{wide}", stroke=INK, stroke_opacity=".4")
    drawn += text(wide, 10, panel_label(panel.values, texts), text_anchor="end")
    if not panel.bars:
        return drawn
    if panel.low < 0 < panel.high:
        zero = coordinate(wide * -panel.low / (panel.high - panel.low))
        drawn += path(f"M{zero} 14V{base}", stroke=INK, stroke_opacity=".4")
    steps, end = "", None
    for left, right, tall in panel.bars:
        start, stop = wide * left, wide * max(right, left + 1 / wide)  # a pixel at least
        jump = "" if end is not None and abs(start - end) < 1e-6 else f"V{base}H{coordinate(start)}"
        steps += f"{jump}V{coordinate(base - TALL * tall)}H{coordinate(stop)}"
        end = stop
    first = coordinate(wide * panel.bars[0][0])
    drawn += path(f"M{first} {base}{steps}V{base}z", fill=colour, fill_opacity=".75")
    drawn += text(0, base + 12, signed(panel.low))
    return drawn + text(wide, base + 12, signed(panel.high), text_anchor="end")


def panel_label(values: Distribution | None, texts: Texts) -> str:
    """Return the std of some numbers, and how many are not finite."""
    if values is None:
        return texts["missing.none"]
    parts = [texts("grid.std", x=format_2g(values.std))] if values.std is not None else []
    parts += [texts("missing.nan", n=values.nan)] if values.nan else []
    parts += [texts("missing.inf", n=values.inf)] if values.inf else []
    return texts["list.comma"].join(parts) or texts["missing.none"]


def signed(value: float) -> str:
    """Write the end of an axis, with a true minus sign."""
    return format_2g(value).replace("-", "−")


def update_x(ratio: float, lefts: Sequence[int], wide: int) -> float:
    """Return where the dot of an update stands."""
    return lefts[2] + wide + GAP + (UPDATES - 4) * update_place(ratio)
