"""Findings about the signals of one pass: vanishing, exploding, dead, saturated, not finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from brickbook.html import format_2g, format_factor, format_percent
from brickbook.measure.diagnosis.finding import (
    Finding,
    Severity,
    layer_label,
    make_finding,
)
from brickbook.measure.diagnosis.rules import (
    COLLAPSED_SHARE,
    DEAD_SHARE,
    DEPTH_FACTOR,
    GRADIENT_FACTOR,
    LOSS_FACTOR,
    MIN_SAMPLES,
    OUTPUT_STD,
    SATURATED_SHARE,
)
from brickbook.measure.probe import Signal, Signals

__all__ = ["find_in_signals"]

SHRINKING_LAYERS, GROWING_LAYERS = 3, 2  # how many layers must stay beyond the factor
SHRINKING_LAYERS_BEFORE_NORM = 5  # shrinking: there it may be a branch, which the norm makes up for
MAX_REVERSAL = 2.0  # in a chain no layer is this much nearer to the start than the one before it
SMALLEST = 1e-300


class Drift(NamedTuple):
    """From one layer on, all values are beyond a factor: where that begins, and the last."""

    begin: int
    factor: float


def find_in_signals(signals: Signals) -> Iterator[Finding]:
    """Yield the findings of the rules about signals."""
    dead = list(find_dead(signals))
    yield from find_nonfinite_signals(signals)
    # Where all units are dead, it is said already that nothing goes on.
    drifts = list(find_depth_drift(signals, any(item.numbers["share"] == 1 for item in dead)))
    yield from drifts
    yield from find_gradient_drift(signals)
    yield from dead
    yield from find_silent(signals)
    yield from find_saturated(signals)
    yield from find_collapse(signals)
    explodes = any(item.message_key == "depth.explodes" for item in drifts)
    if not (explodes and signals.over_all_labels):
        yield from find_high_loss(signals)
    if not explodes:
        yield from find_large_output(signals)


def find_nonfinite_signals(signals: Signals) -> Iterator[Finding]:
    """Find where NaN or Inf first shows."""
    bad = [row for row in signals if row.nan or row.inf]
    if bad:
        first = bad[0]
        count, size = first.nan + first.inf, first.count
        words = {"bad": f"{count:,}", "size": f"{size:,}", "names": signal_label(first)}
        message_key = "not-finite.signals" if len(bad) > 1 else "not-finite.signals.one"
        names = tuple(row.label for row in bad)
        words["count"] = f"{len(bad):,}"
        yield Finding(
            "not-finite", "error", names, message_key, words, {"bad": count, "size": size}
        )


def find_drift(
    values: Sequence[float], reference: float, factor: float, grows: bool, min_layers: int
) -> Drift | None:
    """Find where all values begin to be ``factor`` times more, or less, than the reference.

    ``min_layers`` is how many they must be: a branch beside a skip connection may well be small.
    """
    if not values or not reference:
        return None
    ratios = [value / reference if grows else reference / max(value, SMALLEST) for value in values]
    begin = len(ratios)
    while begin and ratios[begin - 1] >= factor:
        begin -= 1
    return Drift(begin, ratios[-1]) if len(ratios) - begin >= min_layers else None


def find_depth_drift(signals: Signals, all_dead: bool) -> Iterator[Finding]:
    """Find where the std of the signals drifts away, between one norm and the next."""
    layers = signals.layers
    for segment, normed in split_at_norms(signals):
        for grows in (False, True):
            # The last layer of all may well start small: its output is no signal to others.
            rows = [row for row in segment if grows or row is not layers[-1]]
            values = [row.std or 0.0 for row in rows]
            if not values or reverses(values, grows):
                continue
            least = (
                GROWING_LAYERS
                if grows
                else SHRINKING_LAYERS_BEFORE_NORM
                if normed
                else SHRINKING_LAYERS
            )
            found = find_drift(values, values[0], DEPTH_FACTOR[0], grows, least)
            if found is not None and not (all_dead and rows[-1].std == 0):
                yield depth_finding(rows, layers, found, grows)


def reverses(values: Sequence[float], grows: bool) -> bool:
    """Whether values go back on their way: then they are no chain, but branches of one stream."""
    way = [(after, value) if grows else (value, after) for value, after in pairwise(values)]
    return any(MAX_REVERSAL * low < high for low, high in way)


def depth_finding(
    rows: Sequence[Signal], layers: Sequence[Signal], found: Drift, grows: bool
) -> Finding:
    """Return the finding about layers whose std drifts."""
    first, at, last = rows[0], rows[found.begin], rows[-1]
    low, high = sorted((first.std or 0.0, last.std or 0.0))
    place = layers.index(at) + 1
    words = {
        "threshold": f"{DEPTH_FACTOR[0]:g}",
        "layer": str(place),
        "at": signal_label(at),
        "factor": format_factor(found.factor),
        "last": signal_label(last),
        "low": format_2g(low),
        "high": format_2g(high),
    }
    reached = sum(found.factor >= bound for bound in DEPTH_FACTOR)
    severity: Severity = ("note", "warning", "error")[reached - 1]
    names = tuple(row.label for row in rows[found.begin :])
    message_key = "depth.explodes" if grows else "depth.vanishes" if low else "depth.stops"
    numbers = {"factor": found.factor, "layer": place, "low": low, "high": high}
    return Finding("depth", severity, names, message_key, words, numbers)


def signal_label(row: Signal) -> str:
    """Return what to call a row."""
    return layer_label(row.label, row.kind)


def split_at_norms(signals: Signals) -> Iterator[tuple[list[Signal], bool]]:
    """Yield the layers between one norm and the next, and whether a norm follows."""
    found: list[Signal] = []
    for row in signals:
        if row.part == "norm":
            yield found, True
            found = []
        elif row.part == "layer" and row.std is not None:
            found.append(row)
    yield found, False


def find_gradient_drift(signals: Signals) -> Iterator[Finding]:
    """Find how the gradients drift on their way back, from the last layer to the first."""
    rows = [row for row in reversed(signals.layers) if row.grad_norm is not None]
    norms = [row.grad_norm or 0.0 for row in rows]
    if len(rows) < 2:
        return
    for grows in (False, True):
        # The last layer has the loss's own gradient: what counts is what comes through it. But
        # where the layer before it stands in a branch, the gradient may be as large beside it.
        start = max(norms[:2]) if grows and norms[1] else norms[1]
        found = find_drift(
            norms[1:],
            start,
            GRADIENT_FACTOR[0],
            grows,
            GROWING_LAYERS if grows else SHRINKING_LAYERS,
        )
        if found is not None:
            yield gradient_finding(rows[1:], found, grows)


def gradient_finding(rows: Sequence[Signal], found: Drift, grows: bool) -> Finding:
    """Return the finding about gradients that drift."""
    first, last = rows[-1], rows[0]
    low, high = sorted((last.grad_norm or 0.0, first.grad_norm or 0.0))
    words = {
        "factor": format_factor(found.factor if low else math.inf),
        "first": signal_label(first),
        "last": signal_label(last),
        "low": format_2g(low),
        "high": format_2g(high),
    }
    severity: Severity = "error" if found.factor >= GRADIENT_FACTOR[1] else "warning"
    names = tuple(row.label for row in reversed(rows[found.begin :]))
    message_key = "gradients.explodes" if grows else "gradients.vanishes"
    numbers = {"factor": found.factor, "low": low, "high": high}
    return Finding("gradients", severity, names, message_key, words, numbers)


def find_collapse(signals: Signals) -> Iterator[Finding]:
    """Find from which layer on all samples look alike, up to the last one."""
    rows = [row for row in signals.layers if row.std and row.batch_std is not None]
    shares = [(row.batch_std or 0.0) / (row.std or 1.0) for row in rows]
    begin = len(rows)
    while begin and shares[begin - 1] < COLLAPSED_SHARE:
        begin -= 1
    # The last layer of all may start with zeros and biases. Where the samples are alike already at
    # the first layer, the batch is to blame.
    if len(rows) - begin < 2 or shares[0] < 10 * COLLAPSED_SHARE:
        return
    last = rows[-1]
    words = {
        "at": signal_label(rows[begin]),
        "last": signal_label(last),
        "batch": format_2g(last.batch_std or 0.0),
        "std": format_2g(last.std or 0.0),
    }
    names = tuple(row.label for row in rows[begin:])
    yield make_finding("collapse", "warning", names, "collapse", words, share=shares[-1])


def find_high_loss(signals: Signals) -> Iterator[Finding]:
    """Find a cross entropy far above that of a model that prefers no class."""
    found, expected = signals.cross_entropy, signals.expected_loss
    if found is None or not expected or found < LOSS_FACTOR[0] * expected:
        return
    if signals.over_all_labels and (signals.logits_std or 0.0) <= OUTPUT_STD:
        return  # it may be no classifier
    words = {
        "found": format_2g(found),
        "expected": format_2g(expected),
        "classes": f"{signals.classes:,}",
        "std": format_2g(signals.logits_std or 0.0),
    }
    is_high = found >= LOSS_FACTOR[1] * expected and not signals.over_all_labels
    severity: Severity = "warning" if is_high else "note"
    names = tuple(row.label for row in signals.layers[-1:])
    numbers = {"found": found, "expected": expected}
    message_key = "loss.logits" if signals.over_all_labels else "loss"
    yield Finding("loss", severity, names, message_key, words, numbers)


def find_large_output(signals: Signals) -> Iterator[Finding]:
    """Find outputs so large that a softmax of them has one class left; a loss tells more."""
    last = signals.rows[-1] if signals.rows else None
    if last is None or last.part != "layer" or signals.cross_entropy is not None:
        return
    if (last.std or 0.0) > OUTPUT_STD:
        words = {"std": format_2g(last.std or 0.0), "last": signal_label(last)}
        yield make_finding("output", "note", (last.label,), "output", words, std=last.std or 0.0)


def find_dead(signals: Signals) -> Iterator[Finding]:
    """Find after which rectifiers most units are dead."""
    rows = [row for row in signals if row.dead is not None and row.samples >= MIN_SAMPLES]
    yield from find_high_shares(
        "dead", rows, lambda row: row.dead or 0.0, DEAD_SHARE[0], DEAD_SHARE[1]
    )


def find_silent(signals: Signals) -> Iterator[Finding]:
    """Find at which rectifiers nothing but zeros arrives."""
    rows = [row for row in signals if row.silent]
    if rows:
        words = {"names": tuple(signal_label(row) for row in rows)}
        yield make_finding("dead", "note", tuple(row.label for row in rows), "dead.silent", words)


def find_saturated(signals: Signals) -> Iterator[Finding]:
    """Find which activations are saturated."""
    rows = [row for row in signals if row.saturated is not None]
    yield from find_high_shares(
        "saturated", rows, lambda row: row.saturated or 0.0, SATURATED_SHARE, 2.0
    )


def find_high_shares(
    rule: str,
    rows: Sequence[Signal],
    share_of: Callable[[Signal], float],
    warning_above: float,
    error_from: float,
) -> Iterator[Finding]:
    """Find which rows have a share above a threshold, in one finding."""
    beyond = [row for row in rows if share_of(row) > warning_above]
    if not beyond:
        return
    worst = max(beyond, key=share_of)
    share = share_of(worst)
    words = {
        "share": format_percent(share),
        "least": format_percent(warning_above),
        "worst": signal_label(worst),
        "names": tuple(signal_label(row) for row in beyond),
        "dead": f"{round(share * worst.units):,}",
        "units": f"{worst.units:,}",
        "samples": f"{worst.samples:,}",
    }
    names = tuple(row.label for row in beyond)
    severity: Severity = "error" if share >= error_from else "warning"
    yield make_finding(rule, severity, names, rule, words, share=share)
