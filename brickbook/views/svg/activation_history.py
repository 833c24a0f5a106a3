"""Activations over training as heat maps, one for each layer, in an SVG that needs no script."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Sequence

from brickbook.html import escape, format_2g, format_percent, shorten
from brickbook.i18n import Texts
from brickbook.measure.recorder import ActivationHistory, ActivationRow, magnitude_edges
from brickbook.views.data.depth_curves import COLOURS, format_power
from brickbook.views.svg.histograms import Picture
from brickbook.views.svg.primitives import INK, document, element, group, path, rect, text

__all__ = ["history_picture", "history_svg"]

LEFT, GAP, TITLE, HEIGHT, WIDTH = 44, 14, 18, 96, 240
SHADES = 32
MAX_LAYERS = 24  # in a notebook


def history_picture(history: ActivationHistory, language: str | None = None) -> Picture:
    """Return the picture of the first layers for a notebook."""
    texts = Texts(language)
    svg = history_svg(history, layers=history.layers[:MAX_LAYERS], language=language)
    return Picture(svg, describe_history(history, texts))


def history_svg(
    history: ActivationHistory,
    *,
    layers: Sequence[str] | None = None,
    columns: int = 2,
    language: str | None = None,
) -> str:
    """Draw how large each layer's outputs are, over the steps.

    Across are the steps, up is |x| on a logarithmic scale, zeros in the lowest row; the darker, the
    more elements, on a logarithmic scale too. A line is the std. It is fastai's ``color_dim``, with
    all sizes in view.

    Args:
        history: What a `brickbook.measure.recorder.Recorder` has recorded.
        layers: Which are drawn; None for all.
        columns: How many stand beside each other.
        language: "en" or "zh", None for the reader's.

    Raises:
        UnknownNameError: A layer is not in the history.
    """
    texts = Texts(language)
    chosen = [history.layer(name) for name in (history.layers if layers is None else layers)]
    low, high = used_rows(chosen)
    cell_width, cell_height = LEFT + WIDTH + GAP, TITLE + HEIGHT + GAP + 6
    drawn = "".join(
        group(
            at % columns * cell_width,
            at // columns * cell_height,
            draw_layer(rows, low, high, texts),
        )
        for at, rows in enumerate(chosen)
    )
    summary = describe_history(history, texts)
    return document(
        cell_width * min(columns, max(1, len(chosen))),
        max(1, math.ceil(len(chosen) / columns)) * cell_height,
        element("title", escape(summary)) + drawn,
        role="img",
        aria_label=summary,
        style=f"fill:var(--bb-page-soft,{INK})",
    )


def used_rows(layers: Sequence[Sequence[ActivationRow]]) -> tuple[int, int]:
    """Return the first and the last bin that anything but zeros is in, over all layers."""
    used = [
        at
        for rows in layers
        for row in rows
        for at, count in enumerate(row.counts)
        if count and (at or row.zeros * row.sampled < count)
    ]
    return (min(used), max(used)) if used else (0, 1)


def draw_layer(rows: Sequence[ActivationRow], low: int, high: int, texts: Texts) -> str:
    """Draw the heat map of one layer."""
    first = max(0, low - 1)  # a row below for the zeros
    bins = high - first + 1
    label = f"{rows[0].layer} · {rows[0].kind}"
    drawn = text(LEFT, 12, shorten(label, 38), font_weight="600")
    drawn += rect(LEFT, TITLE, WIDTH, HEIGHT, fill="none", stroke=INK, stroke_opacity=".3")
    data = base64.b64encode(heat_map(rows, first, bins)).decode()
    drawn += element(
        "image", x=LEFT, y=TITLE, width=WIDTH, height=HEIGHT, preserveAspectRatio="none",
        style="image-rendering:pixelated", href=f"data:image/png;base64,{data}",
    )  # fmt: skip
    edges = magnitude_edges()

    def y_of(size: float) -> float:
        place = (math.log2(size) - math.log2(edges[first])) * 2 / bins
        return TITLE + HEIGHT * (1 - min(1.0, max(0.0, place)))

    least, most = math.ceil(math.log10(edges[first + 1])), math.floor(math.log10(edges[high + 1]))
    for power in range(least, most + 1, max(1, math.ceil((most - least) / 3))):
        drawn += text(LEFT - 4, y_of(10.0**power) + 4, format_power(power), text_anchor="end")
    points = [
        f"{LEFT + WIDTH * (at + 0.5) / len(rows):.1f} {y_of(row.std):.1f}"
        for at, row in enumerate(rows)
        if row.std
    ]
    if len(points) > 1:
        drawn += path("M" + "L".join(points), fill="none", stroke=COLOURS[1], stroke_width="1.5")
    below = TITLE + HEIGHT + 12
    drawn += text(LEFT, below, f"{texts['race.step']} {rows[0].step:,}")
    return drawn + text(LEFT + WIDTH, below, f"{rows[-1].step:,}", text_anchor="end")


def heat_map(rows: Sequence[ActivationRow], first: int, bins: int) -> bytes:
    """Return a PNG with a column for each row of the history, and a row for each bin."""
    lines = []
    for bin_number in reversed(range(first, first + bins)):
        shades = bytearray([0])  # the filter of the line: none
        for row in rows:
            count = sum(row.counts[: first + 1]) if bin_number == first else row.counts[bin_number]
            share = math.log1p(count) / math.log1p(max(1, row.sampled))
            shades.append(round((SHADES - 1) * share))
        lines.append(bytes(shades))
    return palette_png(len(rows), bins, b"".join(lines))


def palette_png(width: int, height: int, lines: bytes) -> bytes:
    """Return a PNG of shades of the first colour, from nothing to opaque; each line begins with 0.

    Source: https://www.w3.org/TR/png-3/, chunks IHDR, PLTE, tRNS, IDAT.
    """

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    return b"".join((
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        chunk(b"PLTE", bytes.fromhex(COLOURS[0].removeprefix("#")) * SHADES),
        chunk(b"tRNS", bytes(round(255 * at / (SHADES - 1)) for at in range(SHADES))),
        chunk(b"IDAT", zlib.compress(lines, 9)),
        chunk(b"IEND", b""),
    ))  # fmt: skip


def describe_history(history: ActivationHistory, texts: Texts) -> str:
    """Say what a picture shows to those who do not see it."""
    said: list[str] = []
    for name in history.layers:
        rows = history.layer(name)
        first, last = rows[0], rows[-1]
        values = {
            "first": format_2g(first.std) if first.std is not None else "–",
            "last": format_2g(last.std) if last.std is not None else "–",
            "zeros": format_percent(last.zeros),
        }
        said.append(texts("init.line", place=name, text=texts("history.from_to", **values)))
    return texts("history.summary", layers=texts["depth.semicolon"].join(said))
