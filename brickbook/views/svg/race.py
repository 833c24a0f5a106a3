"""A race as a small SVG that needs no script: losses and metrics over the steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from brickbook.html import escape, shorten
from brickbook.i18n import Texts
from brickbook.measure.race import Curve, Race
from brickbook.views.data.depth_curves import COLOURS
from brickbook.views.data.race_curves import (
    RacePanel,
    describe_race,
    race_panels,
    stop_label,
    tail,
    tails,
)
from brickbook.views.svg.depth import DASHES, LETTER_WIDTH, LINE_HEIGHT, PANEL_GAP
from brickbook.views.svg.histograms import Picture
from brickbook.views.svg.primitives import (
    INK,
    Style,
    coordinate,
    document,
    element,
    group,
    path,
    stroke,
    text,
)

__all__ = ["race_picture", "race_svg"]

LEFT, RIGHT = 48, 12
LOSS_HEIGHT, METRIC_HEIGHT = 150, 80
LABEL_HEIGHT = 13  # between the names beside the ends of the lines
MAX_LABEL = 22
BOLD_WIDTH = 7.2  # of a letter, about
MAX_POINTS = 400  # of a line: more are not seen, and weigh

YOf = Callable[[float], float]  # from a value to pixels


def race_picture(race: Race, language: str | None = None) -> Picture:
    """Return the picture of a race for a notebook."""
    return Picture(race_svg(race, language=language), describe_race(race, Texts(language)))


def race_svg(race: Race, *, width: int = 560, title: str = "", language: str | None = None) -> str:
    """Draw the loss, and below it each metric, of every variant over the steps.

    A line is the mean over the seeds, the band from the least to the largest of them; its name
    stands at its end. Where a seed has stopped the mean ends: those that go on are thin lines, and
    a cross says where and how one diverged. The loss of a model that knows nothing, ln(classes), is
    a dashed line. Losses over more than a decade have a logarithmic axis; those of 1,000 times the
    lowest start, or chance, are drawn at its upper end, beside a "≥".

    Args:
        race: What `brickbook.measure.race.race` found.
        width: In pixels; the height follows from what is drawn.
        title: What stands above it.
        language: "en" or "zh", None for the reader's.
    """
    texts, panels = Texts(language), race_panels(race)
    longest = max((len(shorten(name, MAX_LABEL)) for name in race.variants), default=0)
    right = RIGHT + math.ceil(BOLD_WIDTH * longest)
    scale = StepScale(race.steps, LEFT, width - right)
    drawn, top = "", 0
    if title:
        cut = shorten(title, int(width / LETTER_WIDTH) - 2, keep_end=False)
        drawn, top = text(2, 13, cut, font_size="12", font_weight="600"), LINE_HEIGHT
    for panel in panels:
        tall = LOSS_HEIGHT if panel.metric == "loss" else METRIC_HEIGHT
        drawn += group(0, top + PANEL_GAP, draw_panel(race, panel, scale, tall, texts))
        top += PANEL_GAP + tall
    drawn += scale.draw(top + LINE_HEIGHT, texts["race.step"])
    summary = describe_race(race, texts)
    return document(
        width,
        top + 2 * LINE_HEIGHT,
        element("title", escape(summary)) + drawn,
        role="img",
        aria_label=summary,
        style=f"fill:var(--bb-page-soft,{INK})",
    )


class StepScale:
    """The axis of the steps, from the left end to the right in pixels."""

    def __init__(self, steps: int, left: float, right: float) -> None:
        self.last, self.left, self.right = max(1, steps - 1), left, right

    def x(self, step: float) -> float:
        """Return where a step stands."""
        return self.left + (self.right - self.left) * step / self.last

    def draw(self, y: float, label: str) -> str:
        """Draw the first and the last step, and what the axis is."""
        ends = text(self.left, y, "0") + text(self.right, y, f"{self.last:,}", text_anchor="end")
        return ends + text((self.left + self.right) / 2, y, label, text_anchor="middle")


def draw_panel(race: Race, panel: RacePanel, scale: StepScale, tall: int, texts: Texts) -> str:
    """Draw one panel: ticks, bands, lines, crosses, and the names at the ends."""

    def y_of(value: float) -> float:
        return tall * (1 - min(1.0, max(0.0, panel.axis.place(value))))

    title = texts["race.loss"] if panel.metric == "loss" else panel.metric
    drawn = text(2, -10, shorten(title, 60))
    for value, label in panel.axis.ticks(4):
        line = path(f"M{LEFT} {coordinate(y_of(value))}H{coordinate(scale.right)}", stroke=INK,
                    stroke_opacity=".3")  # fmt: skip
        drawn += line + text(LEFT - 4, y_of(value) + 4, label, text_anchor="end")
    if panel.cut:
        drawn += text(LEFT - 4, -4, "≥", text_anchor="end")
    if panel.expected is not None:
        y = y_of(panel.expected)
        drawn += path(f"M{LEFT} {coordinate(y)}H{coordinate(scale.right)}", stroke=INK,
                      stroke_dasharray="3 3")  # fmt: skip
        drawn += text(scale.right, y - 3, texts["race.chance"], text_anchor="end")
    ends: list[tuple[float, int, str]] = []
    for at, curve in enumerate(panel.curves):
        points = [(scale.x(step), y_of(value)) for step, value in enumerate(curve.mean)]
        drawn += draw_band(curve, at, scale, y_of) + draw_line(points, line_style(at))
        marks = draw_stops(race, curve, at, scale, y_of, texts) if panel.metric == "loss" else ""
        drawn += marks
        if points:
            ends.append((points[-1][1], at, curve.name))
    return drawn + draw_names(ends, scale.right + 4, tall)


def draw_band(curve: Curve, at: int, scale: StepScale, y_of: YOf) -> str:
    """Draw the band between the seeds."""
    if curve.low == curve.high or len(curve.mean) < 2:
        return ""
    steps = thinned(len(curve.mean))
    there = [(scale.x(step), y_of(curve.high[step])) for step in steps]
    back = [(scale.x(step), y_of(curve.low[step])) for step in reversed(steps)]
    colour = COLOURS[at % len(COLOURS)]
    return path(f"M{joined([*there, *back])}z", fill=colour, fill_opacity=".18", stroke="none")


def draw_line(points: Sequence[tuple[float, float]], style: Style) -> str:
    """Draw one line; a single point as a dot."""
    if len(points) == 1:
        x, y = points[0]
        return element("circle", cx=x, cy=y, r=2, fill=style["stroke"])
    return (
        path(f"M{joined([points[at] for at in thinned(len(points))])}", **style) if points else ""
    )


def draw_stops(race: Race, curve: Curve, at: int, scale: StepScale, y_of: YOf, texts: Texts) -> str:
    """Draw the seeds that go on where the mean has ended, and a cross where one diverged."""
    drawn = ""
    for run, begin in tails(race, curve):
        steps = range(begin, begin + len(tail(run, curve)) + (len(curve.mean) > 0))
        points = [(scale.x(step), y_of(run.losses[step])) for step in steps]
        drawn += draw_line(points, {**line_style(at), "stroke_opacity": ".45"})
    for run in curve.stopped:
        if run.status != "diverged":
            continue
        before = run.losses[-2] if len(run.losses) > 1 else math.inf
        x, y = scale.x(len(run.losses) - 1), y_of(before) if math.isfinite(before) else 0.0
        cross = f"M{coordinate(x - 3)} {coordinate(y - 3)}l6 6m0 -6l-6 6"
        title = element("title", escape(f"{run.variant}: {stop_label(run, texts)}"))
        drawn += element("g", title + path(cross, **stroke(COLOURS[at % len(COLOURS)])))
    return drawn


def draw_names(ends: Sequence[tuple[float, int, str]], x: float, tall: int) -> str:
    """Draw the names beside the ends of their lines, moved apart where these are near."""
    drawn, floor = "", -math.inf
    free = max(0.0, tall - LABEL_HEIGHT * (len(ends) - 1))
    for place, (y, at, name) in enumerate(sorted(ends)):
        y = max(min(y, free + LABEL_HEIGHT * place), floor)
        floor = y + LABEL_HEIGHT
        label = shorten(name, MAX_LABEL, keep_end=False)
        drawn += text(x, y + 4, label, fill=COLOURS[at % len(COLOURS)], font_weight="600")
    return drawn


def line_style(at: int) -> Style:
    """Return the attributes of the line of a variant."""
    colour, dash = COLOURS[at % len(COLOURS)], DASHES[at // len(COLOURS) % len(DASHES)]
    return stroke(colour, dash)


def thinned(count: int) -> list[int]:
    """Return at most `MAX_POINTS` places, the first and the last among them."""
    if count <= MAX_POINTS:
        return list(range(count))
    return [round(at * (count - 1) / (MAX_POINTS - 1)) for at in range(MAX_POINTS)]


def joined(points: Sequence[tuple[float, float]]) -> str:
    """Write points as the data of a path."""
    return "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in points)
