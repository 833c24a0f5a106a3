"""Gains against the activations that follow: what multiplies along a chain of layers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from brickbook.callables import name_of
from brickbook.init.auto_gain import gain_after
from brickbook.init.following import Activation, UnknownActivationError
from brickbook.measure.chains import Link
from brickbook.measure.diagnosis_rules import FOREIGN, GAIN
from brickbook.measure.diagnosis_weights import Weight
from brickbook.measure.findings import Finding, Phrase, Word, called, finding, many, short

__all__ = ["gains"]

TANHS = (nn.Tanh, F.tanh, torch.tanh)
SIGMOIDS = (nn.Sigmoid, F.sigmoid, torch.sigmoid)
NEAR = 0.1  # how near a std must be to what fan_out asks for


@dataclass(frozen=True)
class Gain:
    """The gain of a layer, and those that the activation after it wants."""

    weight: Weight
    word: str
    wanted: tuple[float, ...]

    @property
    def gain(self) -> float:
        """``std·√fan_in``."""
        return self.weight.size * math.sqrt(self.weight.fans[0])

    @property
    def fan_out_gain(self) -> float:
        """``std·√fan_out``."""
        return self.weight.size * math.sqrt(self.weight.fans[1])

    def off(self, gain: float) -> float:
        """Return by which factor a gain misses the nearest that is wanted."""
        ratios = [gain / wanted for wanted in self.wanted]
        return min(ratios, key=lambda ratio: abs(math.log(ratio)))


def gains(weights: Sequence[Weight], chains: Iterable[Sequence[Link]]) -> Iterator[Finding]:
    """Find the chains whose gains multiply to too much or too little, and foreign gains."""
    by_layer = {weight.layer: weight for weight in weights if weight.name.endswith("weight")}
    foreign: list[Gain] = []
    for chain in chains:
        for run in runs(chain, by_layer):
            foreign += [item for item in run if is_foreign(item)]
            yield from product([item for item in run[1:] if item.word != "Sigmoid"])
    yield from strangers(foreign)


def runs(chain: Sequence[Link], by_layer: Mapping[str, Weight]) -> Iterator[list[Gain]]:
    """Yield the parts of a chain whose gains and activations are known, at least one layer."""
    found: list[Gain] = []
    for link in chain:
        # A last layer with nothing after it is an output: its size is no signal to others.
        item = None
        if not link.normed and (link.activation is not None or link is not chain[-1]):
            item = gain_of_link(link, by_layer.get(link.name))
        if item is not None:
            found.append(item)
        elif found:
            yield found
            found = []
    if found:
        yield found


def gain_of_link(link: Link, weight: Weight | None) -> Gain | None:
    """Return a layer's gain and what is wanted; None where there is no telling."""
    if weight is None or not link.known or not weight.dense or not weight.size:
        return None
    # Equal rows add up, they do not average out: no formula for random numbers holds.
    if weight.alike or not math.isfinite(weight.size):
        return None
    try:
        wanted = (gain_after(link.activation),)
    except UnknownActivationError:
        return None
    word = spoken(link.activation)
    if word in ("Tanh", "SELU"):  # papers give 1, torch another
        wanted = tuple(sorted((1.0, *wanted)))
    return Gain(weight, word, wanted)


def spoken(activation: Activation | None) -> str:
    """Name an activation."""
    if activation is None:
        return "Linear"
    if isinstance(activation, nn.Module):
        return type(activation).__name__
    if activation in TANHS:
        return "Tanh"
    return "Sigmoid" if activation in SIGMOIDS else name_of(activation)


def product(run: Sequence[Gain]) -> Iterator[Finding]:
    """Find where the product of the gains is furthest from what is wanted."""
    total, worst, at = 0.0, 0.0, 0
    for place, item in enumerate(run):
        total += math.log(item.off(item.gain))
        if abs(total) > abs(worst) + NEAR:
            worst, at = total, place
    factor = math.exp(min(abs(worst), 700.0))
    if factor < GAIN[0] or (factor < GAIN[1] and all(is_foreign(item) for item in run)):
        return
    some = run[: at + 1]
    side = "low" if worst < 0 else "high"
    fits = all(abs(math.log(item.off(item.fan_out_gain))) < NEAR for item in run)
    words: dict[str, Word] = {
        "gain": span(item.gain for item in some),
        "needed": needed(some),
        "activation": ", ".join(dict.fromkeys(item.word for item in some)),
        "factor": many(factor),
        "first": called(some[0].weight.layer, some[0].weight.kind),
        "last": called(some[-1].weight.layer, some[-1].weight.kind),
    }
    severity = "warning" if factor >= GAIN[1] else "note"
    names = tuple(item.weight.name for item in some)
    said = f"gain.fan_out.{side}" if fits else f"gain.{side}"
    yield finding("gain", severity, names, said, words, factor=factor, gain=some[at].gain)


def is_foreign(item: Gain) -> bool:
    """Whether a layer has a rectifier's gain, and a tanh or sigmoid follows."""
    far = abs(item.gain / math.sqrt(2) - 1)
    return item.word in ("Tanh", "Sigmoid") and far < FOREIGN


def strangers(found: Sequence[Gain]) -> Iterator[Finding]:
    """Say, for each kind of activation, which layers have the gain of another."""
    for word in dict.fromkeys(item.word for item in found):
        some = [item for item in found if item.word == word]
        words: dict[str, Word] = {
            "gain": span(item.gain for item in some),
            "activation": word,
            "needed": needed(some),
        }
        names = tuple(item.weight.name for item in some)
        yield finding("gain", "note", names, "gain.foreign", words, gain=some[0].gain)


def span(values: Iterable[float]) -> Word:
    """Write the least and the greatest of some numbers, or the one that they are."""
    shown = sorted(values)
    low, high = short(shown[0]), short(shown[-1])
    return low if low == high else Phrase("gain.to", {"first": low, "second": high})


def needed(items: Sequence[Gain]) -> Word:
    """Write what is wanted: one gain, one of two, or those of several activations."""
    wanted = list(dict.fromkeys(item.wanted for item in items))
    if len(wanted) == 1 and len(wanted[0]) == 2:
        first, second = wanted[0]
        return Phrase("gain.or", {"first": f"{first:.3g}", "second": f"{second:.3g}"})
    every = sorted({gain for some in wanted for gain in some})
    low, high = f"{every[0]:.3g}", f"{every[-1]:.3g}"
    return low if low == high else Phrase("gain.to", {"first": low, "second": high})
