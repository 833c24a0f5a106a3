"""A law as a picture: what theory says and what was drawn, and a signal through many layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from brickbook.html import escape, format_number, format_percent, shorten
from brickbook.i18n import Texts
from brickbook.measure.law_study import LawStudy
from brickbook.views.data.depth_curves import COLOURS
from brickbook.views.data.law_curves import density_curve
from brickbook.views.data.race_curves import LinearAxis, LogarithmicAxis
from brickbook.views.svg.histograms import Picture
from brickbook.views.svg.primitives import (
    INK,
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

__all__ = [
    "chain_svg",
    "describe_chain",
    "describe_law",
    "law_study_picture",
    "law_study_svg",
    "law_svg",
    "moment_rows",
]

LEFT, RIGHT, TOP, BOTTOM, HEIGHT = 44, 14, 40, 34, 150
LETTER_WIDTH, ROW = 6.2, 17
THEORY, SAMPLE = COLOURS[1], COLOURS[0]
FAR = 1e12  # from the largest to the least value drawn of a chain
PERIOD = 8  # between two columns of the table


def law_study_picture(study: LawStudy, language: str | None = None) -> Picture:
    """Return the picture of a study for a notebook."""
    texts = Texts(language)
    words = texts("law.both", law=describe_law(study, texts), chain=describe_chain(study, texts))
    return Picture(law_study_svg(study, language=language), words)


def law_study_svg(study: LawStudy, *, width: int = 760, language: str | None = None) -> str:
    """Draw a study whole: formula, density, moments, and the signal through many layers.

    Args:
        study: What `brickbook.measure.law_study.study_law` found.
        width: In pixels.
        language: "en" or "zh", None for the reader's.
    """
    texts, half = Texts(language), width // 2
    letters = int(width / LETTER_WIDTH) - 2
    title = f"{study.title}: {study.law}"
    drawn = text(2, 14, shorten(title, letters, keep_end=False), font_size="12", font_weight="600")
    drawn += text(2, 32, shorten(study.formula, letters, keep_end=False), font_size="12")
    drawn += group(0, 44, draw_law(study, half - 8, texts))
    drawn += group(half + 8, 44, draw_chain(study, half - 8, texts))
    top = 44 + TOP + HEIGHT + BOTTOM
    drawn += group(0, top, draw_moments(study, texts))
    summary = texts("law.both", law=describe_law(study, texts), chain=describe_chain(study, texts))
    return framed(drawn, width, top + 7 * ROW + 6, summary)


def law_svg(study: LawStudy, *, width: int = 360, language: str | None = None) -> str:
    """Draw what theory expects of a tensor's elements, over what was drawn.

    That is a density over a histogram, with a stick for each value that has a share of its own; of
    a matrix that is drawn as a whole the singular values.
    """
    texts = Texts(language)
    height = TOP + HEIGHT + BOTTOM
    return framed(draw_law(study, width, texts), width, height, describe_law(study, texts))


def chain_svg(study: LawStudy, *, width: int = 360, language: str | None = None) -> str:
    """Draw the std of a signal after each of many layers, by theory and of nets drawn."""
    texts = Texts(language)
    height = TOP + HEIGHT + BOTTOM
    return framed(draw_chain(study, width, texts), width, height, describe_chain(study, texts))


def framed(drawn: str, width: int, height: int, summary: str) -> str:
    """Return a whole picture with words for those who do not see it."""
    title = element("title", escape(summary))
    return document(width, height, title + drawn, role="img", aria_label=summary)


def describe_law(study: LawStudy, texts: Texts) -> str:
    """Say what the first panel shows to those who do not see it."""
    if study.singular_values:
        low, high = study.singular_values[-1], study.singular_values[0]
        return texts("law.spectrum_alt", n=len(study.singular_values), low=low, high=high)
    std = study.moment("std")
    found = format_number(std.sample)
    return texts("law.density_alt", law=str(study.law), theory=std.theory or 0.0, sample=found)


def describe_chain(study: LawStudy, texts: Texts) -> str:
    """Say what the second panel shows to those who do not see it."""
    signals = study.signals
    if signals.not_drawn:
        return texts[f"law.no_chain.{signals.not_drawn}"]
    depth = max(map(len, (signals.expected, *signals.drawn)))
    last = ", ".join(format_number(net[-1], 3) for net in signals.drawn)
    words = texts("law.chain_alt", n=depth, activation=signals.activation, drawn=last)
    if signals.not_expected:
        return texts("law.pair", first=words, second=texts[f"law.no_theory.{signals.not_expected}"])
    expected = texts("law.chain_expected", std=format_number(signals.expected[-1], 3))
    return texts("law.pair", first=words, second=expected)


def moment_rows(study: LawStudy, texts: Texts) -> list[tuple[str, str, str]]:
    """Return the name of each moment, and its numbers by theory and of the sample."""

    def write(name: str, value: float | None) -> str:
        if name == "zeros" and value is not None:
            return format_percent(value) if value in (0, 1) else f"{100 * value:.3g} %"
        return format_number(value).replace("inf", "∞").replace("-", "−")

    return [
        (texts[f"law.moment.{name}"], write(name, theory), write(name, sample))
        for name, theory, sample in study.moments
    ]


def draw_moments(study: LawStudy, texts: Texts) -> str:
    """Draw the table of moments."""
    heads = ("", texts["law.theory"], sample_words(study, texts))
    rows = [heads, *moment_rows(study, texts)]
    ends = (0.0, 210.0, 370.0)
    drawn = ""
    for at, row in enumerate(rows):
        y = ROW * (at + 1) - 5
        drawn += text(2, y, row[0])
        for end, cell in zip(ends[1:], row[1:], strict=True):
            weight = "600" if at == 0 else None
            drawn += text(end, y, cell, text_anchor="end", font_weight=weight)
    return drawn


def sample_words(study: LawStudy, texts: Texts) -> str:
    """Say what the sample is."""
    return texts("law.sample", n=study.size) if study.size else texts["law.no_sample"]


def draw_law(study: LawStudy, width: int, texts: Texts) -> str:
    """Draw the first panel."""
    if study.singular_values:
        return draw_spectrum(study, width, texts)
    return draw_density(study, width, texts)


def legend(items: Sequence[tuple[str, str]], y: float = 30) -> str:
    """Draw a line for each colour and what it is."""
    drawn, x = "", 2.0
    for colour, words in items:
        drawn += path(f"M{coordinate(x)} {coordinate(y - 4)}h18", **stroke(colour))
        drawn += text(x + 23, y, words)
        x += 38 + LETTER_WIDTH * len(words) * (2 if not words.isascii() else 1)
    return drawn


def draw_density(study: LawStudy, width: int, texts: Texts) -> str:
    """Draw the density over the histogram, and sticks for values with a share of their own."""
    law, edges = study.law, study.edges
    x_values, y_values = density_curve(law, 1.0)
    wide = [edges[at + 1] - edges[at] for at in range(len(study.counts))]
    bars = [n / study.size / w for n, w in zip(study.counts, wide, strict=True)]
    atoms = law.atoms
    if atoms and edges:  # their elements are in the sticks
        bars = [0.0 if holds(edges, at, atoms) else bar for at, bar in enumerate(bars)]
    places = [*x_values, *edges, *(value for value, _ in atoms)] or [0.0]
    low, high = min(places), max(places)
    room = (high - low) * 0.03 or abs(low) or 1.0
    axis = LinearAxis(low - room, high + room)
    most = max([*y_values, *bars], default=0.0)
    at_x = placing(axis, width)
    drawn = text(2, 12, texts["law.density"], font_weight="600")
    marks = [(SAMPLE, sample_words(study, texts)), (THEORY, texts["law.theory"])]
    drawn += legend(marks)
    for at, bar in enumerate(bars):
        if bar and most:
            left, right = at_x(edges[at]), at_x(edges[at + 1])
            tall = HEIGHT * 0.96 * bar / most
            drawn += rect(left, TOP + HEIGHT - tall, right - left, tall, **fill(SAMPLE))
    if x_values and most:
        points = zip(x_values, y_values, strict=True)
        line = "L".join(
            f"{coordinate(at_x(x))} {coordinate(TOP + HEIGHT * (1 - 0.96 * y / most))}"
            for x, y in points
        )
        drawn += path(f"M{line}", **stroke(THEORY))
    return drawn + draw_atoms(study, at_x) + draw_axis(axis, width, TOP + HEIGHT)


def holds(edges: Sequence[float], at: int, atoms: Sequence[tuple[float, float]]) -> bool:
    """Whether a value with a share of its own stands in a bin; the last has its upper end."""
    last = at == len(edges) - 2
    return any(edges[at] <= v < edges[at + 1] or (last and v == edges[-1]) for v, _ in atoms)


def draw_atoms(study: LawStudy, at_x) -> str:
    """Draw a stick for each value that has a share of its own, as high as its share."""
    drawn = ""
    for value, share in study.law.atoms[:12]:
        x, tall = at_x(value), HEIGHT * 0.9 * share
        line = f"M{coordinate(x)} {TOP + HEIGHT}v{coordinate(-max(tall, 2))}"
        drawn += path(line, **{**stroke(THEORY), "stroke_width": "3"})
        words = format_percent(share) if share > 0.0995 or share == 0 else f"{100 * share:.2g} %"
        drawn += text(x, TOP + HEIGHT - max(tall, 2) - 4, words, text_anchor="middle")
    return drawn


def placing(axis: LinearAxis, width: int):
    """Return what turns a value into pixels."""
    return lambda value: LEFT + (width - LEFT - RIGHT) * axis.place(value)


def draw_axis(axis: LinearAxis, width: int, y: float) -> str:
    """Draw the axis below a panel with its ticks."""
    at_x = placing(axis, width)
    drawn = path(f"M{LEFT} {coordinate(y)}H{width - RIGHT}", stroke=INK)
    for value, label in axis.ticks(5):
        drawn += path(f"M{coordinate(at_x(value))} {coordinate(y)}v4", stroke=INK)
        drawn += text(at_x(value), y + 16, label.replace("-", "−"), text_anchor="middle")
    return drawn


def draw_y_ticks(axis: LinearAxis | LogarithmicAxis, width: int, guide: float | None = None) -> str:
    """Draw lines across a panel with their labels; a dashed one at ``guide``."""
    drawn = ""
    for value, label in axis.ticks(4):
        y = TOP + HEIGHT * (1 - axis.place(value))
        dash = {"stroke_dasharray": "3 3"} if value == guide else {"stroke_opacity": ".3"}
        drawn += path(f"M{LEFT} {coordinate(y)}H{width - RIGHT}", stroke=INK, **dash)
        drawn += text(LEFT - 4, y + 4, label, text_anchor="end")
    return drawn


def draw_spectrum(study: LawStudy, width: int, texts: Texts) -> str:
    """Draw the singular values from the largest to the least."""
    values = study.singular_values
    axis = LinearAxis(0.0, (max(values) or 1.0) * 1.1)
    rows, columns = study.matrix or (0, 0)
    drawn = text(2, 12, texts["law.spectrum"], font_weight="600")
    drawn += legend([(SAMPLE, texts("law.of_matrix", rows=rows, columns=columns))])
    drawn += draw_y_ticks(axis, width)
    each = (width - LEFT - RIGHT) / len(values)
    for at, value in enumerate(values):
        tall = HEIGHT * axis.place(value)
        drawn += rect(LEFT + each * at, TOP + HEIGHT - tall, each, tall, **fill(SAMPLE))
    drawn += text(LEFT, TOP + HEIGHT + 16, "1")
    return drawn + text(width - RIGHT, TOP + HEIGHT + 16, f"{len(values):,}", text_anchor="end")


def draw_chain(study: LawStudy, width: int, texts: Texts) -> str:
    """Draw the second panel: the std after each layer."""
    signals = study.signals
    title = texts("law.chain", activation=signals.activation)
    drawn = text(2, 12, title, font_weight="600")
    if signals.not_drawn:
        return drawn + text(2, 34, texts[f"law.no_chain.{signals.not_drawn}"])
    lines = [*signals.drawn, signals.expected]
    depth = max(map(len, lines))
    known = [value for line in lines for value in line if math.isfinite(value) and value > 0]
    high = max([1.0, *known])
    axis = LogarithmicAxis(max(min([1.0, *known]), high / FAR) / 1.5, high * 1.5)
    drawn += draw_y_ticks(axis, width, guide=1.0)
    each = (width - LEFT - RIGHT) / max(1, depth - 1)

    def curve(values: Sequence[float], style: dict[str, str]) -> str:
        points = [
            (LEFT + each * at, TOP + HEIGHT * (1 - axis.place(min(max(y, axis.low), axis.high))))
            for at, y in enumerate(values)
            if not math.isnan(y)
        ]
        line = "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in points)
        marked = path(f"M{line}", **style)
        x, y = points[-1] if points else (LEFT, TOP)
        if values and not math.isfinite(values[-1]):
            name = "NaN" if math.isnan(values[-1]) else "∞"
            marked += text(x, y - 4, name, text_anchor="middle", fill=style["stroke"])
        return marked

    for net in signals.drawn:
        drawn += curve(net, stroke(SAMPLE))
    marks = [(SAMPLE, texts("law.nets", n=len(signals.drawn)))]
    if signals.expected:
        drawn += curve(signals.expected, stroke(THEORY, "6 3"))
        marks.append((THEORY, texts["law.mean_field"]))
    bottom = TOP + HEIGHT + 16
    drawn += text(LEFT, bottom, "1") + text(width - RIGHT, bottom, str(depth), text_anchor="end")
    drawn += text((LEFT + width - RIGHT) / 2, bottom, texts["law.layer"], text_anchor="middle")
    return drawn + legend(marks)
