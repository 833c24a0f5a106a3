"""The axes of the pictures of depth: decades, names of layers, panels one below the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from brickbook.texts import Texts
from brickbook.views.depth import Point

__all__ = ["Scale", "axis_label", "clipped", "domains", "layer_ticks", "scale_of"]

NAMED = 16  # layers whose names an axis has; more are numbered
MOST = 18  # letters of a name there
SPACE = 0.06  # between panels, of the height
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Scale:
    """A logarithmic axis: the powers of ten at its ends, and where 0 stands if there is one."""

    low: int
    high: int
    zero: bool = False

    @property
    def floor(self) -> float:
        """What is drawn for 0: the lower end."""
        return 10.0**self.low

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Return about ``most`` powers of ten with their words, 1 among them; and the 0.

        >>> Scale(-2, 1).ticks(4)
        [(0.01, '0.01'), (0.1, '0.1'), (1.0, '1'), (10.0, '10')]
        >>> Scale(-9, 0, zero=True).ticks(4)
        [(1e-09, '0'), (1e-06, '10⁻⁶'), (0.001, '0.001'), (1.0, '1')]
        """
        step = max(1, math.ceil((self.high - self.low) / max(1, most - 1)))
        least = self.low + (step + 1) // 2 if self.zero else self.low
        powers = range(-(-least // step) * step, self.high + 1, step)
        found = [(10.0**power, axis_label(power)) for power in powers]
        return [(self.floor, "0"), *found] if self.zero else found


def scale_of(values: Sequence[float | None], one: bool) -> Scale:
    """Return the axis for some values, with 1 on it if ``one`` says so.

    >>> scale_of([0.02, 3.0], True), scale_of([2e-7, 0.0], False)
    (Scale(low=-2, high=1, zero=False), Scale(low=-8, high=-6, zero=True))
    """
    some = [value for value in values if value]
    zero = any(value == 0 for value in values)
    if one or not some:
        some.append(1.0)
    low, high = math.floor(math.log10(min(some))), math.ceil(math.log10(max(some)))
    if zero:
        low -= 1
    return Scale(low - (low == high), high + (low == high), zero)


def axis_label(power: int) -> str:
    """Write a power of ten: short ones as numbers.

    >>> axis_label(-2), axis_label(-12)
    ('0.01', '10⁻¹²')
    """
    return f"{10.0**power:g}" if -3 <= power <= 3 else f"10{str(power).translate(RAISED)}"


def domains(heights: Sequence[float]) -> list[tuple[float, float]]:
    """Return where panels lie, from the first at the top, by their heights.

    >>> domains([1.0]), domains([3.0, 1.0])
    ([(0.0, 1.0)], [(0.295, 1.0), (0.0, 0.235)])
    """
    room = 1 - SPACE * (len(heights) - 1)
    found: list[tuple[float, float]] = []
    top = 1.0
    for height in heights:
        low = max(0.0, top - room * height / sum(heights))
        found.append((round(low, 6), round(top, 6)))
        top = low - SPACE
    return found


def layer_ticks(points: Sequence[Point], texts: Texts) -> dict[str, Any]:
    """Return plotly's ticks of the axis of layers: names if they are few, else numbers.

    Names are escaped: plotly takes texts for markup.
    """
    if not points or len(points) > NAMED:
        return {"title": {"text": texts["depth.order"]}}
    return {
        "tickvals": list(range(1, len(points) + 1)),
        "ticktext": [escape(clipped(point.label, MOST)) for point in points],
        "tickangle": -35 if any(len(point.label) > 4 for point in points) else 0,
    }


def clipped(text: str, most: int, end: bool = True) -> str:
    """Cut a text that is too long: of a layer's name the end says most, of a label the beginning.

    >>> clipped("layer4.1.conv2", 8), clipped("Kaiming, uniform", 8, end=False), clipped("fc", 8)
    ('…1.conv2', 'Kaiming…', 'fc')
    """
    if len(text) <= most:
        return text
    return f"…{text[len(text) - most + 1 :]}" if end else f"{text[: most - 1]}…"
