"""What the signals of one pass say: vanishing, exploding, dead, saturated, not finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from brickbook.measure.diagnosis_rules import DEAD, DEPTH, GRADIENT, SAMPLES, SATURATED
from brickbook.measure.findings import Finding, Severity, called, finding, many, short, whole
from brickbook.measure.signals import Signal, Signals

__all__ = ["signal_findings"]

SHRINKING, GROWING = 3, 2  # how many layers must stay beyond the factor
BEFORE_A_NORM = 5  # shrinking: there it may be a branch, which the norm makes up for
STEP_BACK = 2.0  # in a chain no layer is this much nearer to the start than the one before it
TINY = 1e-300


class Drift(NamedTuple):
    """From one layer on, all values are beyond a factor: where that begins, and the last."""

    begin: int
    factor: float


def signal_findings(signals: Signals) -> Iterator[Finding]:
    """Yield what the rules about signals find."""
    silent = list(dead(signals))
    yield from not_finite(signals)
    # Where all units are dead, it is said already that nothing goes on.
    yield from depth(signals, any(item.numbers["share"] == 1 for item in silent))
    yield from gradients(signals)
    yield from silent
    yield from saturated(signals)


def not_finite(signals: Signals) -> Iterator[Finding]:
    """Say where NaN or Inf first shows."""
    bad = [row for row in signals if row.nan or row.inf]
    if bad:
        first = bad[0]
        count, size = first.nan + first.inf, first.count
        words = {"bad": f"{count:,}", "size": f"{size:,}", "names": told(first)}
        said = "not-finite.signals" if len(bad) > 1 else "not-finite.signals.one"
        names = tuple(row.label for row in bad)
        words["count"] = f"{len(bad):,}"
        yield Finding("not-finite", "error", names, said, words, {"bad": count, "size": size})


def drift(
    values: Sequence[float], start: float, factor: float, grows: bool, least: int
) -> Drift | None:
    """Find the place from which on all values are ``factor`` times more, or less, than ``start``.

    ``least`` is how many they must be: a branch beside a skip connection may well be small.
    """
    if not values or not start:
        return None
    ratios = [value / start if grows else start / max(value, TINY) for value in values]
    begin = len(ratios)
    while begin and ratios[begin - 1] >= factor:
        begin -= 1
    return Drift(begin, ratios[-1]) if len(ratios) - begin >= least else None


def depth(signals: Signals, silent: bool) -> Iterator[Finding]:
    """Say where the std of the signals drifts away, between one norm and the next."""
    layers = signals.layers
    for segment, normed in segments(signals):
        for grows in (False, True):
            # The last layer of all may well start small: its output is no signal to others.
            rows = [row for row in segment if grows or row is not layers[-1]]
            values = [row.std or 0.0 for row in rows]
            if not values or returns(values, grows):
                continue
            least = GROWING if grows else BEFORE_A_NORM if normed else SHRINKING
            found = drift(values, values[0], DEPTH[0], grows, least)
            if found is not None and not (silent and rows[-1].std == 0):
                yield drifted(rows, layers, found, grows)


def returns(values: Sequence[float], grows: bool) -> bool:
    """Whether values go back on their way: then they are no chain, but branches of one stream."""
    way = [(after, value) if grows else (value, after) for value, after in pairwise(values)]
    return any(STEP_BACK * low < high for low, high in way)


def drifted(rows: Sequence[Signal], layers: Sequence[Signal], found: Drift, grows: bool) -> Finding:
    """Say how far the std of some layers drifts."""
    first, at, last = rows[0], rows[found.begin], rows[-1]
    low, high = sorted((first.std or 0.0, last.std or 0.0))
    place = layers.index(at) + 1
    words = {
        "threshold": f"{DEPTH[0]:g}",
        "layer": str(place),
        "at": told(at),
        "factor": many(found.factor),
        "last": told(last),
        "low": short(low),
        "high": short(high),
    }
    severity: Severity = "error" if found.factor >= DEPTH[1] else "warning"
    names = tuple(row.label for row in rows[found.begin :])
    said = "depth.explodes" if grows else "depth.vanishes" if low else "depth.stops"
    numbers = {"factor": found.factor, "layer": place, "low": low, "high": high}
    return Finding("depth", severity, names, said, words, numbers)


def told(row: Signal) -> str:
    """Return what to call a row."""
    return called(row.label, row.kind)


def segments(signals: Signals) -> Iterator[tuple[list[Signal], bool]]:
    """Yield the layers between one norm and the next, and whether a norm follows."""
    found: list[Signal] = []
    for row in signals:
        if row.part == "norm":
            yield found, True
            found = []
        elif row.part == "layer" and row.std is not None:
            found.append(row)
    yield found, False


def gradients(signals: Signals) -> Iterator[Finding]:
    """Say how the gradients drift on their way back, from the last layer to the first."""
    rows = [row for row in reversed(signals.layers) if row.grad_norm is not None]
    norms = [row.grad_norm or 0.0 for row in rows]
    if len(rows) < 2:
        return
    for grows in (False, True):
        # The last layer has the loss's own gradient: what counts is what comes through it. But
        # where the layer before it stands in a branch, the gradient may be as large beside it.
        start = max(norms[:2]) if grows and norms[1] else norms[1]
        found = drift(norms[1:], start, GRADIENT[0], grows, GROWING if grows else SHRINKING)
        if found is not None:
            yield returned(rows[1:], found, grows)


def returned(rows: Sequence[Signal], found: Drift, grows: bool) -> Finding:
    """Say how far the gradients drift, from the last layer to the first."""
    first, last = rows[-1], rows[0]
    low, high = sorted((last.grad_norm or 0.0, first.grad_norm or 0.0))
    words = {
        "factor": many(found.factor if low else math.inf),
        "first": told(first),
        "last": told(last),
        "low": short(low),
        "high": short(high),
    }
    severity: Severity = "error" if found.factor >= GRADIENT[1] else "warning"
    names = tuple(row.label for row in reversed(rows[found.begin :]))
    said = "gradients.explodes" if grows else "gradients.vanishes"
    numbers = {"factor": found.factor, "low": low, "high": high}
    return Finding("gradients", severity, names, said, words, numbers)


def dead(signals: Signals) -> Iterator[Finding]:
    """Say after which rectifiers most units are dead."""
    rows = [row for row in signals if row.dead is not None and row.samples >= SAMPLES]
    yield from shares("dead", rows, lambda row: row.dead or 0.0, DEAD[0], DEAD[1])


def saturated(signals: Signals) -> Iterator[Finding]:
    """Say which activations are saturated."""
    rows = [row for row in signals if row.saturated is not None]
    yield from shares("saturated", rows, lambda row: row.saturated or 0.0, SATURATED, 2.0)


def shares(
    rule: str, rows: Sequence[Signal], of: Callable[[Signal], float], least: float, most: float
) -> Iterator[Finding]:
    """Say which rows have a share above a threshold, in one finding."""
    beyond = [row for row in rows if of(row) > least]
    if not beyond:
        return
    worst = max(beyond, key=of)
    share = of(worst)
    words = {
        "share": whole(share),
        "least": whole(least),
        "worst": told(worst),
        "names": tuple(told(row) for row in beyond),
        "dead": f"{round(share * worst.units):,}",
        "units": f"{worst.units:,}",
        "samples": f"{worst.samples:,}",
    }
    names = tuple(row.label for row in beyond)
    severity: Severity = "error" if share >= most else "warning"
    yield finding(rule, severity, names, rule, words, share=share)
