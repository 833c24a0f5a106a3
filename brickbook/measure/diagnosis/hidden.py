"""Weights whose size a norm hides: signals look well, and steps of training are not."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence

from brickbook.html import format_2g, format_factor
from brickbook.introspect import ChainedLayer
from brickbook.measure.diagnosis.finding import Finding, make_finding
from brickbook.measure.diagnosis.rules import HIDDEN_GAIN
from brickbook.measure.diagnosis.weights import WeightSummary
from brickbook.measure.probe import Signals

__all__ = ["find_hidden_sizes", "normed_layers"]


def normed_layers(
    chains: Iterable[Sequence[ChainedLayer]], signals: Signals | None
) -> frozenset[str]:
    """Return the layers whose output a norm takes, as the order or a batch shows."""
    found = {link.name for chain in chains for link in chain if link.followed_by_norm}
    return frozenset(found | {row.name for row in signals or () if row.normed})


def find_hidden_sizes(
    weights: Sequence[WeightSummary], normed: Collection[str]
) -> Iterator[Finding]:
    """Find weights before a norm that are far too large, or far too small."""
    gains = {
        weight.name: weight.rms * math.sqrt(weight.fans[0])
        for weight in weights
        if weight.layer in normed and weight.dense and weight.rms and not weight.rows_equal
    }
    sides = {
        "large": {name: gain for name, gain in gains.items() if gain > HIDDEN_GAIN},
        "small": {name: gain for name, gain in gains.items() if gain < 1 / HIDDEN_GAIN},
    }
    for side, beyond in sides.items():
        if beyond:
            worst = max(beyond.values(), key=lambda gain: abs(math.log(gain)))
            words = {"gain": format_2g(worst), "factor": format_factor(max(worst, 1 / worst) ** 2)}
            names = tuple(beyond)
            yield make_finding("hidden", "note", names, f"hidden.{side}", words, gain=worst)
