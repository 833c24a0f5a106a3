"""Gains against the activations that follow: what multiplies along a chain of layers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from brickbook.config import name_of
from brickbook.html import format_2g, format_factor
from brickbook.init.initializers import gain_of_activation
from brickbook.introspect import Activation, ChainedLayer, UnknownActivationError
from brickbook.measure.diagnosis.finding import (
    Finding,
    MessagePart,
    MessageValue,
    layer_label,
    make_finding,
)
from brickbook.measure.diagnosis.rules import GAIN_FACTOR, RECTIFIER_TOLERANCE
from brickbook.measure.diagnosis.weights import WeightSummary

__all__ = ["find_gains"]

TANH_ACTIVATIONS = (nn.Tanh, F.tanh, torch.tanh)
SIGMOID_ACTIVATIONS = (nn.Sigmoid, F.sigmoid, torch.sigmoid)
GAIN_TOLERANCE = 0.1  # how near a std must be to what fan_out asks for


@dataclass(frozen=True)
class LayerGain:
    """The gain of a layer, and those that suit the activation after it."""

    weight: WeightSummary
    activation: str
    expected: tuple[float, ...]

    @property
    def gain(self) -> float:
        """``std·√fan_in``."""
        return self.weight.rms * math.sqrt(self.weight.fans[0])

    @property
    def fan_out_gain(self) -> float:
        """``std·√fan_out``."""
        return self.weight.rms * math.sqrt(self.weight.fans[1])

    def ratio_to_expected(self, gain: float) -> float:
        """Return the ratio of a gain to the nearest expected one."""
        ratios = [gain / expected for expected in self.expected]
        return min(ratios, key=lambda ratio: abs(math.log(ratio)))


def find_gains(
    weights: Sequence[WeightSummary], chains: Iterable[Sequence[ChainedLayer]]
) -> Iterator[Finding]:
    """Find the chains whose gains multiply to too much or too little, and mismatched gains."""
    by_layer = {weight.layer: weight for weight in weights if weight.name.endswith("weight")}
    mismatched: list[LayerGain] = []
    for chain in chains:
        for run in known_runs(chain, by_layer):
            mismatched += [item for item in run if is_mismatched(item)]
            yield from find_gain_product([item for item in run[1:] if item.activation != "Sigmoid"])
    yield from mismatched_gains(mismatched)


def known_runs(
    chain: Sequence[ChainedLayer], by_layer: Mapping[str, WeightSummary]
) -> Iterator[list[LayerGain]]:
    """Yield the parts of a chain whose gains and activations are known, at least one layer."""
    found: list[LayerGain] = []
    for link in chain:
        # A last layer with nothing after it is an output: its size is no signal to others.
        item = None
        if not link.followed_by_norm and (link.activation is not None or link is not chain[-1]):
            item = layer_gain(link, by_layer.get(link.name))
        if item is not None:
            found.append(item)
        elif found:
            yield found
            found = []
    if found:
        yield found


def layer_gain(chained: ChainedLayer, weight: WeightSummary | None) -> LayerGain | None:
    """Return a layer's gain and the expected ones; None where they are not known."""
    if weight is None or not chained.known or not weight.dense or not weight.rms:
        return None
    # Equal rows add up, they do not average out: no formula for random numbers holds.
    if weight.rows_equal or not math.isfinite(weight.rms):
        return None
    try:
        expected = (gain_of_activation(chained.activation),)
    except UnknownActivationError:
        return None
    name = activation_name(chained.activation)
    if name in ("Tanh", "SELU"):  # papers give 1, torch another
        expected = tuple(sorted((1.0, *expected)))
    return LayerGain(weight, name, expected)


def activation_name(activation: Activation | None) -> str:
    """Name an activation."""
    if activation is None:
        return "Linear"
    if isinstance(activation, nn.Module):
        return type(activation).__name__
    if activation in TANH_ACTIVATIONS:
        return "Tanh"
    return "Sigmoid" if activation in SIGMOID_ACTIVATIONS else name_of(activation)


def find_gain_product(run: Sequence[LayerGain]) -> Iterator[Finding]:
    """Find where the product of the gains is furthest from the expected one."""
    total, worst, at = 0.0, 0.0, 0
    for place, item in enumerate(run):
        total += math.log(item.ratio_to_expected(item.gain))
        if abs(total) > abs(worst) + GAIN_TOLERANCE:
            worst, at = total, place
    factor = math.exp(min(abs(worst), 700.0))
    if factor < GAIN_FACTOR[0] or (
        factor < GAIN_FACTOR[1] and all(is_mismatched(item) for item in run)
    ):
        return
    some = run[: at + 1]
    side = "low" if worst < 0 else "high"
    fits = all(
        abs(math.log(item.ratio_to_expected(item.fan_out_gain))) < GAIN_TOLERANCE for item in run
    )
    words: dict[str, MessageValue] = {
        "gain": format_range(item.gain for item in some),
        "needed": format_expected(some),
        "activation": ", ".join(dict.fromkeys(item.activation for item in some)),
        "factor": format_factor(factor),
        "first": layer_label(some[0].weight.layer, some[0].weight.kind),
        "last": layer_label(some[-1].weight.layer, some[-1].weight.kind),
    }
    severity = "warning" if factor >= GAIN_FACTOR[1] else "note"
    names = tuple(item.weight.name for item in some)
    key = f"gain.fan_out.{side}" if fits else f"gain.{side}"
    yield make_finding("gain", severity, names, key, words, factor=factor, gain=some[at].gain)


def is_mismatched(item: LayerGain) -> bool:
    """Whether a layer has a rectifier's gain, and a tanh or sigmoid follows."""
    far = abs(item.gain / math.sqrt(2) - 1)
    return item.activation in ("Tanh", "Sigmoid") and far < RECTIFIER_TOLERANCE


def mismatched_gains(found: Sequence[LayerGain]) -> Iterator[Finding]:
    """Yield, for each kind of activation, the layers that have a rectifier's gain."""
    for name in dict.fromkeys(item.activation for item in found):
        some = [item for item in found if item.activation == name]
        words: dict[str, MessageValue] = {
            "gain": format_range(item.gain for item in some),
            "activation": name,
            "needed": format_expected(some),
        }
        names = tuple(item.weight.name for item in some)
        yield make_finding("gain", "note", names, "gain.foreign", words, gain=some[0].gain)


def format_range(values: Iterable[float]) -> MessageValue:
    """Write the least and the greatest of some numbers, or the one that they are."""
    shown = sorted(values)
    low, high = format_2g(shown[0]), format_2g(shown[-1])
    return low if low == high else MessagePart("gain.to", {"first": low, "second": high})


def format_expected(items: Sequence[LayerGain]) -> MessageValue:
    """Write the expected gains: one, one of two, or those of several activations."""
    expected = list(dict.fromkeys(item.expected for item in items))
    if len(expected) == 1 and len(expected[0]) == 2:
        first, second = expected[0]
        return MessagePart("gain.or", {"first": f"{first:.3g}", "second": f"{second:.3g}"})
    every = sorted({gain for some in expected for gain in some})
    low, high = f"{every[0]:.3g}", f"{every[-1]:.3g}"
    return low if low == high else MessagePart("gain.to", {"first": low, "second": high})
