"""Signals through depth as plain numbers, and their axis: what both pictures are drawn of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from brickbook.html import format_2g, format_percent
from brickbook.i18n import Texts
from brickbook.measure.diagnosis import layer_label
from brickbook.measure.probe import Signal, Signals, largest_inactive

__all__ = [
    "COLOURS",
    "CurveStyle",
    "DepthCurve",
    "DepthPoint",
    "LogAxis",
    "Quantity",
    "depth_axis",
    "depth_curves",
    "describe_curves",
    "format_power",
    "inactive_title",
    "shown_quantities",
]

# Okabe and Ito's, the blue between their two: contrast 3 on white and on near black. A dash and a
# marker are the second cue; where the colours begin again, the dashes do not.
COLOURS = ("#2B8AC6", "#D55E00", "#009E73", "#B9669A", "#7a7a7a")
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

Quantity = Literal["std", "grad", "inactive"]  # what a panel shows: a field of `DepthPoint`
CurveStyle = Literal["line", "ghost", "expected"]
QUANTITIES: tuple[Quantity, ...] = ("std", "grad", "inactive")


@dataclass(frozen=True)
class DepthPoint:
    """One layer: the std of its output and of the gradient by it, None where there is none.

    ``inactive`` is the share of the units that are dead, or of the outputs that are saturated, in
    the activation that follows; ``inactive_reason`` says which of the two ("dead", "saturated").
    """

    name: str
    kind: str
    std: float | None
    grad: float | None
    inactive: float | None = None
    inactive_reason: str = ""

    @property
    def label(self) -> str:
        """What to call the layer."""
        return layer_label(self.name, self.kind)


@dataclass(frozen=True)
class DepthCurve:
    """The layers of one model in the order they ran, under the name of its config.

    ``style`` tells a "ghost", what was before, and what is "expected" from the other lines;
    ``number`` is which of these it is, or belongs to, from 0: its colour.
    """

    label: str
    points: tuple[DepthPoint, ...]
    style: CurveStyle = "line"
    number: int = 0

    def values(self, quantity: Quantity) -> list[float | None]:
        """Return one of the numbers, layer by layer."""
        return [getattr(point, quantity) for point in self.points]

    def has(self, quantity: Quantity) -> bool:
        """Whether any layer has such a number, other than 0 for a share."""
        values = self.values(quantity)
        return any(values) if quantity == "inactive" else any(value is not None for value in values)


def depth_curves(
    signals: Signals | Mapping[str, Signals],
    ghost: str = "",
    expected: Mapping[str, Signals] | None = None,
    expected_label: str = "",
) -> tuple[DepthCurve, ...]:
    """Return one curve for each record: its layers with weights, all outputs if it has none.

    What is expected of a record, by its label, goes under the layers of the same names.
    """
    named = {"": signals} if isinstance(signals, Signals) else signals
    found: list[DepthCurve] = []
    lines = [label for label in named if not ghost or label != ghost]
    for label, item in named.items():
        number = lines.index(label) if label in lines else 0
        style: CurveStyle = "line" if label in lines else "ghost"
        found.append(DepthCurve(label, layer_points(item), style, number))
    for label, item in (expected or {}).items():
        points = {point.name: point for point in layer_points(item)}
        whole = tuple(
            points.get(p.name, DepthPoint(p.name, p.kind, None, None))
            for p in layer_points(named[label])
        )
        found.append(DepthCurve(expected_label, whole, "expected", lines.index(label)))
    return tuple(sorted(found, key=lambda curve: curve.style != "ghost"))


def layer_points(signals: Signals) -> tuple[DepthPoint, ...]:
    """Return a point for each layer."""
    rows = list(signals)
    layers = [at for at, row in enumerate(rows) if row.part == "layer"] or list(range(len(rows)))
    return tuple(layer_point(rows[at], rows[at:end]) for at, end in pairwise([*layers, len(rows)]))


def layer_point(row: Signal, until_next: Sequence[Signal]) -> DepthPoint:
    """Return the point of a layer, with the largest inactive share before the next one."""
    share, reason = largest_inactive(until_next)
    return DepthPoint(row.label, row.kind, row.std, row.grad, share, reason)


def describe_curves(curves: Sequence[DepthCurve], texts: Texts) -> str:
    """Say what a picture shows to those who do not see it.

    >>> some = (DepthPoint("a", "Linear", 1.0, None), DepthPoint("b", "Linear", 0.1, None))
    >>> describe_curves([DepthCurve("", some)], Texts("en"))
    'Signals through depth: std 1 at a, 0.1 at b (2 layers)'
    """
    sentences = [
        texts("init.line", place=curve.label, text=describe_curve(curve, texts))
        if curve.label
        else describe_curve(curve, texts)
        for curve in curves
        if curve.style != "expected"
    ]
    return texts("depth.summary", curves=texts["depth.semicolon"].join(sentences))


def describe_curve(curve: DepthCurve, texts: Texts) -> str:
    """Say where one curve begins and ends, and where most is inactive."""
    some = [point for point in curve.points if point.std is not None]
    text = texts["depth.nothing"]
    if some:
        first, last = some[0], some[-1]
        text = texts("depth.at", std=format_2g(first.std or 0), layer=first.label)
        if last is not first:
            text = texts("depth.to", text=text, std=format_2g(last.std or 0), layer=last.label)
        text = texts("depth.layers", text=text, n=len(curve.points))
    worst = max(curve.points, key=lambda point: point.inactive or 0.0, default=None)
    if worst is None or not worst.inactive:
        return text
    share, reason = format_percent(worst.inactive), texts[f"depth.{worst.inactive_reason}"]
    return texts("depth.inactive", text=text, share=share, reason=reason, layer=worst.label)


def shown_quantities(curves: Sequence[DepthCurve], gradients: bool) -> list[Quantity]:
    """Return what has a panel, from the top: the outputs, and what there are numbers of."""
    found = [key for key in QUANTITIES if any(curve.has(key) for curve in curves)]
    return ["std", *(key for key in found if key == "inactive" or (key == "grad" and gradients))]


def inactive_title(curves: Sequence[DepthCurve], texts: Texts, separator: str) -> str:
    """Name what is inactive, each reason once: "dead", "saturated" or both."""
    reasons = (p.inactive_reason for curve in curves for p in curve.points if p.inactive)
    return separator.join(dict.fromkeys(texts[f"depth.{reason}"] for reason in reasons))


@dataclass(frozen=True)
class LogAxis:
    """A logarithmic axis: the powers of ten at its ends, and where 0 stands if there is one."""

    low: int
    high: int
    has_zero: bool = False

    @property
    def floor(self) -> float:
        """What is drawn for 0: the lower end."""
        return 10.0**self.low

    def ticks(self, count: int) -> list[tuple[float, str]]:
        """Return about ``count`` powers of ten with their labels, 1 among them, and the 0.

        >>> LogAxis(-2, 1).ticks(4)
        [(0.01, '0.01'), (0.1, '0.1'), (1.0, '1'), (10.0, '10')]
        >>> LogAxis(-9, 0, has_zero=True).ticks(4)
        [(1e-09, '0'), (1e-06, '10⁻⁶'), (0.001, '0.001'), (1.0, '1')]
        """
        step = max(1, math.ceil((self.high - self.low) / max(1, count - 1)))
        least = self.low + (step + 1) // 2 if self.has_zero else self.low
        powers = range(-(-least // step) * step, self.high + 1, step)
        found = [(10.0**power, format_power(power)) for power in powers]
        return [(self.floor, "0"), *found] if self.has_zero else found


def log_axis(values: Sequence[float | None], with_one: bool) -> LogAxis:
    """Return the axis for some values, with 1 on it if ``with_one``.

    >>> log_axis([0.02, 3.0], True), log_axis([2e-7, 0.0], False)
    (LogAxis(low=-2, high=1, has_zero=False), LogAxis(low=-8, high=-6, has_zero=True))
    """
    some = [value for value in values if value]
    zero = any(value == 0 for value in values)
    if with_one or not some:
        some.append(1.0)
    low, high = math.floor(math.log10(min(some))), math.ceil(math.log10(max(some)))
    if zero:
        low -= 1
    return LogAxis(low - (low == high), high + (low == high), zero)


def format_power(power: int) -> str:
    """Write a power of ten: short ones as numbers.

    >>> format_power(-2), format_power(-12)
    ('0.01', '10⁻¹²')
    """
    return f"{10.0**power:g}" if -3 <= power <= 3 else f"10{str(power).translate(SUPERSCRIPTS)}"


def depth_axis(curves: Sequence[DepthCurve], quantity: Quantity) -> LogAxis:
    """Return the axis of a panel over all curves; that of the outputs has a 1."""
    values = [value for curve in curves for value in curve.values(quantity)]
    return log_axis(values, with_one=quantity == "std")
