"""The course of signals through depth, as plain numbers: what both pictures of it are drawn of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from brickbook.measure.findings import called, short, whole
from brickbook.measure.signals import Signal, Signals
from brickbook.texts import Texts

__all__ = ["COLOURS", "Curve", "Point", "curves", "words"]

# Okabe and Ito's, the blue between their two: contrast 3 on white and on near black. A dash and a
# marker are the second cue; where the colours begin again, the dashes do not.
COLOURS = ("#2B8AC6", "#D55E00", "#009E73", "#B9669A", "#7a7a7a")


@dataclass(frozen=True)
class Point:
    """One layer: the std of its output and of the gradient by it, None where there is none.

    ``lost`` is the share of the units that are dead, or of the outputs that are saturated, in the
    activation that follows; ``why`` says which of the two ("dead", "saturated").
    """

    name: str
    kind: str
    std: float | None
    grad: float | None
    lost: float | None = None
    why: str = ""

    @property
    def label(self) -> str:
        """What to call the layer."""
        return called(self.name, self.kind)


@dataclass(frozen=True)
class Curve:
    """The layers of one model in the order they ran, under the name of its config."""

    label: str
    points: tuple[Point, ...]

    def has(self, key: str) -> bool:
        """Whether any layer has such a number, other than 0 for a share."""
        values = [getattr(point, key) for point in self.points]
        return any(values) if key == "lost" else any(value is not None for value in values)


def curves(signals: Signals | Mapping[str, Signals]) -> tuple[Curve, ...]:
    """Return one curve for each record: its layers with weights, all outputs if it has none."""
    named = {"": signals} if isinstance(signals, Signals) else signals
    return tuple(Curve(label, points_of(item)) for label, item in named.items())


def points_of(signals: Signals) -> tuple[Point, ...]:
    """Return a point for each layer."""
    rows = list(signals)
    places = [at for at, row in enumerate(rows) if row.part == "layer"] or list(range(len(rows)))
    return tuple(point_of(rows[at], rows[at:end]) for at, end in pairwise([*places, len(rows)]))


def point_of(row: Signal, until: Sequence[Signal]) -> Point:
    """Return the point of a layer, with what is lost before the next one."""
    found = [(item.dead, "dead") for item in until if item.dead is not None]
    found += [(item.saturated, "saturated") for item in until if item.saturated is not None]
    lost, why = max(found, default=(None, ""), key=lambda item: item[0] or 0.0)
    return Point(row.label, row.kind, row.std, row.grad, lost, why)


def words(found: Sequence[Curve], texts: Texts) -> str:
    """Say what a picture shows to those who do not see it.

    >>> some = (Point("a", "Linear", 1.0, None), Point("b", "Linear", 0.1, None))
    >>> words([Curve("", some)], Texts("en"))
    'Signals through depth: std 1 at a, 0.1 at b (2 layers)'
    """
    told = [
        texts("init.line", place=curve.label, text=course(curve, texts))
        if curve.label
        else course(curve, texts)
        for curve in found
    ]
    return texts("depth.told", told=texts["depth.semicolon"].join(told))


def course(curve: Curve, texts: Texts) -> str:
    """Say where one curve begins and ends, and where most is lost."""
    some = [point for point in curve.points if point.std is not None]
    text = texts["depth.nothing"]
    if some:
        first, last = some[0], some[-1]
        text = texts("depth.at", std=short(first.std or 0), layer=first.label)
        if last is not first:
            text = texts("depth.to", text=text, std=short(last.std or 0), layer=last.label)
        text = texts("depth.layers", text=text, n=len(curve.points))
    worst = max(curve.points, key=lambda point: point.lost or 0.0, default=None)
    if worst is None or not worst.lost:
        return text
    share, why = whole(worst.lost), texts[f"depth.{worst.why}"]
    return texts("depth.lost", text=text, share=share, why=why, layer=worst.label)
