"""The learning rate over a training, before and after a migration, as a small SVG."""

from __future__ import annotations

from collections.abc import Sequence

from brickbook.html import escape, format_2g
from brickbook.i18n import Texts
from brickbook.migrate import LearningRates
from brickbook.views.data.depth_curves import COLOURS
from brickbook.views.svg.primitives import (
    INK,
    coordinate,
    document,
    element,
    group,
    path,
    stroke,
    text,
)

__all__ = ["describe_rates", "learning_rate_svg"]

HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 130, 34, 12, 30, 34
POINTS = 400  # of a curve, beside its jumps
JUMP = 0.01  # of the height
LETTER_WIDTH = 6.2  # about
STYLES = {"before": stroke(COLOURS[1], "6 3"), "after": stroke(COLOURS[0])}


def learning_rate_svg(
    rates: LearningRates, *, width: int = 640, language: str | None = None
) -> str:
    """Draw both curves in units of the base learning rate, and where they are farthest apart.

    Args:
        rates: the curves.
        width: in pixels.
        language: "en" or "zh", None for the reader's.
    """
    texts = Texts(language)
    highest = max(*rates.before, *rates.after, 1e-12)
    wide = width - LEFT - RIGHT
    drawn = legend(texts, width)
    for value in (0, highest / 2, highest):
        y = HEIGHT * (1 - value / highest)
        line = path(f"M0 {coordinate(y)}h{wide}", stroke=INK, stroke_opacity=".3")
        label = text(-5, y + 4, format_2g(value), text_anchor="end")
        drawn += group(LEFT, TOP, line + label)
    curves = ""
    for name, values in (("before", rates.before), ("after", rates.after)):
        places = points(values, highest)
        d = "L".join(f"{coordinate(x * wide)} {coordinate(y)}" for x, y in places)
        curves += path(f"M{d}", **STYLES[name])
    drawn += group(LEFT, TOP, curves + mark(rates, highest, wide)) + time_axis(rates, texts, width)
    summary = describe_rates(rates, texts)
    return document(
        width,
        TOP + HEIGHT + BOTTOM,
        element("title", escape(summary)) + drawn,
        role="img",
        aria_label=summary,
    )


def legend(texts: Texts, width: int) -> str:
    """Draw what the lines are."""
    drawn, x = "", float(LEFT)
    for name, style in STYLES.items():
        label = texts[f"rates.{name}"]
        drawn += path(f"M{coordinate(x)} 10h24", **style) + text(x + 29, 14, label)
        x += 45 + LETTER_WIDTH * len(label)
    return drawn + text(width - RIGHT, 14, texts["rates.unit"], text_anchor="end")


def points(values: Sequence[float], highest: float) -> list[tuple[float, float]]:
    """Return a curve as shares of the width and pixels of height: evenly, and at every jump."""
    last, wanted = len(values) - 1, {0, len(values) - 1}
    wanted.update(range(0, last, max(last // POINTS, 1)))
    for at in range(1, last + 1):
        if abs(values[at] - values[at - 1]) > JUMP * highest:
            wanted |= {at - 1, at}
    return [(at / max(last, 1), HEIGHT * (1 - values[at] / highest)) for at in sorted(wanted)]


def mark(rates: LearningRates, highest: float, wide: float) -> str:
    """Draw a line between the curves where they are farthest apart."""
    at = min(round(rates.moment * len(rates.before)), len(rates.before) - 1)
    x = wide * at / max(len(rates.before) - 1, 1)
    ends = sorted(HEIGHT * (1 - curve[at] / highest) for curve in (rates.before, rates.after))
    if ends[1] - ends[0] < 1:
        return ""
    d = f"M{coordinate(x - 3)} {coordinate(ends[0])}h6m-3 0V{coordinate(ends[1])}m-3 0h6"
    return path(d, fill="none", stroke=INK, stroke_width="1.5")


def time_axis(rates: LearningRates, texts: Texts, width: int) -> str:
    """Draw the beginning and the end of the training, and what is said of the distance."""
    y, length = TOP + HEIGHT + 15, rates.length
    if length.epochs is None:
        end = texts("rates.iterations", n=length.iterations)
    else:
        end = texts("rates.epochs", n=length.epochs)
    ends = text(LEFT, y, "0") + text(width - RIGHT, y, end, text_anchor="end")
    return ends + text((LEFT + width - RIGHT) / 2, y + 13, distance(rates, texts),
                       text_anchor="middle")  # fmt: skip


def distance(rates: LearningRates, texts: Texts) -> str:
    """Say how far the curves are apart."""
    values = {"percent": format_2g(100 * rates.distance), "at": format_2g(100 * rates.moment)}
    return texts("rates.distance", **values) if rates.distance > 1e-8 else texts["rates.same"]


def describe_rates(rates: LearningRates, texts: Texts) -> str:
    """Say in words what the picture shows."""
    curves = {"before": rates.before, "after": rates.after}
    parts = (
        texts(
            "rates.curve", name=texts[f"rates.{name}"], first=format_2g(curve[0]),
            highest=format_2g(max(curve)), last=format_2g(curve[-1]),
        )
        for name, curve in curves.items()
    )  # fmt: skip
    gap = texts["migrator.gap"]
    return gap.join([f"{texts['rates.title']}", *parts, distance(rates, texts)])
