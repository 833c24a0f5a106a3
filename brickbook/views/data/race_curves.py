"""Races as plain numbers: which lines a picture has, and over what axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from brickbook.html import format_2g, format_number
from brickbook.i18n import Texts
from brickbook.measure.race import Curve, Race, Run
from brickbook.views.data.depth_curves import format_power

__all__ = [
    "LinearAxis",
    "LogarithmicAxis",
    "RacePanel",
    "describe_race",
    "race_panels",
    "stop_label",
    "tail",
    "tails",
]

MAX_DECADES_LINEAR = 1.0  # beyond, losses have a logarithmic axis
MAX_RISE = 1000.0  # above the least start, or above chance: there the axis of losses ends
MOST_BELOW = 1e12


@dataclass(frozen=True)
class LinearAxis:
    """An axis from ``low`` to ``high``."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Return where a value stands, from 0 at the lower end to 1."""
        return (value - self.low) / (self.high - self.low)

    def ticks(self, count: int) -> list[tuple[float, str]]:
        """Return about ``count`` round numbers with their labels.

        >>> [label for _, label in LinearAxis(0.0, 2.5).ticks(4)]
        ['0', '1', '2']
        """
        rough = (self.high - self.low) / max(1, count - 1)
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * many for many in (1, 2, 5, 10) if unit * many >= rough * 0.999)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [(at * step, format_number(at * step)) for at in range(first, last + 1)]


@dataclass(frozen=True)
class LogarithmicAxis:
    """A logarithmic axis from ``low`` to ``high``; what is below or above stands at its ends."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Return where a value stands, from 0 at the lower end to 1."""
        low, high = math.log10(self.low), math.log10(self.high)
        return (math.log10(min(max(value, self.low), self.high)) - low) / (high - low)

    def ticks(self, count: int) -> list[tuple[float, str]]:
        """Return about ``count`` round numbers with their labels: powers of ten if there are some.

        >>> [label for _, label in LogarithmicAxis(0.05, 3.0).ticks(4)]
        ['0.05', '0.1', '0.2', '0.5', '1', '2']
        >>> [label for _, label in LogarithmicAxis(0.05, 3e9).ticks(4)]
        ['0.1', '1000', '10⁷']
        """
        least, most = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
        powers = range(least, most + 1, max(1, math.ceil((most - least) / max(1, count - 1))))
        if len(powers) > 2:
            return [(10.0**power, format_power(power)) for power in powers]
        fine = [many * 10.0**power for power in range(least - 1, most + 1) for many in (1, 2, 5)]
        return [(x, format_2g(x)) for x in fine if self.low * 0.999 <= x <= self.high * 1.001]


@dataclass(frozen=True)
class RacePanel:
    """One panel: the loss or a metric of every variant, and the value expected at the start.

    ``cut`` says that there is more above the axis.
    """

    metric: str
    curves: tuple[Curve, ...]
    axis: LinearAxis | LogarithmicAxis
    expected: float | None = None
    cut: bool = False


def race_panels(race: Race) -> tuple[RacePanel, ...]:
    """Return a panel for the loss and one for each metric."""
    found: list[RacePanel] = []
    for metric in ("loss", *race.metrics):
        curves = tuple(race.curve(variant, metric) for variant in race.variants)
        expected = race.expected_loss if metric == "loss" else None
        values = [value for curve in curves for value in (*curve.low, *curve.high)]
        values += [value for curve in curves for run in curve.stopped for value in tail(run, curve)]
        values += [expected] if expected is not None else []
        some = [value for value in values if math.isfinite(value)]
        starts = [curve.mean[0] for curve in curves if curve.mean]
        ceiling = MAX_RISE * max(0.0, min(starts, default=0.0), expected or 0.0) or math.inf
        kept = [value for value in some if value <= ceiling] if metric == "loss" else some
        axis, cut = choose_axis(kept, metric == "loss"), len(kept) < len(some)
        found.append(RacePanel(metric, curves, axis, expected, cut))
    return tuple(found)


def choose_axis(values: Sequence[float], is_loss: bool) -> LinearAxis | LogarithmicAxis:
    """Return a linear axis, from 0 where nothing is negative; for many decades a logarithmic."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    positive = min((value for value in values if value > 0), default=0.0)
    if low >= 0 and positive:
        if is_loss and math.log10(high / positive) > MAX_DECADES_LINEAR:
            return LogarithmicAxis(max(positive, high / MOST_BELOW), high)
        low = 0.0
    return LinearAxis(low, high if high > low else low + 1.0)


def tail(run: Run, curve: Curve) -> tuple[float, ...]:
    """Return the finite losses of a run from where the mean of its variant ends."""
    return tuple(loss for loss in run.losses[len(curve.mean) :] if math.isfinite(loss))


def tails(race: Race, curve: Curve) -> list[tuple[Run, int]]:
    """Return the runs of a variant that go on where its mean has ended, and from which step."""
    end = len(curve.mean)
    runs = [run for run in race.runs if run.variant == curve.name]
    return [(run, max(0, end - 1)) for run in runs if len(run.losses) > end + 1]


def describe_race(race: Race, texts: Texts) -> str:
    """Say what a picture shows to those who do not see it."""
    said: list[str] = []
    for variant in race.variants:
        curve = race.curve(variant)
        words = texts["depth.nothing"]
        if curve.mean:
            first, last = format_2g(curve.mean[0]), format_2g(curve.mean[-1])
            words = texts("race.from_to", first=first, last=last)
        for run in curve.stopped:
            words = texts("race.and_stopped", text=words, stopped=stop_label(run, texts))
        said.append(texts("init.line", place=variant, text=words))
    return texts("race.summary", curves=texts["depth.semicolon"].join(said))


def stop_label(run: Run, texts: Texts) -> str:
    """Say how a run stopped, in a few words."""
    step = len(run.losses)
    if run.status == "diverged":
        return texts("race.diverged", seed=run.seed, value=run.losses[-1], step=step - 1)
    return texts(f"race.{run.status}", seed=run.seed, step=step)
