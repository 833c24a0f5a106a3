"""What many layers with one law do to a signal: by mean-field theory, and by drawing them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from brickbook.init.initializers import Target, fans_as_computed
from brickbook.init.laws import (
    Centred,
    HadamardMatrix,
    IdentityMatrix,
    Law,
    Normal,
    OrthogonalMatrix,
    SparseNormal,
    Uniform,
)
from brickbook.measure.mean_field import slope_gain, variance_map
from brickbook.records import read_fields

__all__ = ["ChainSignals", "chain_signals", "narrowed"]

Reason = Literal["", "layer", "role", "fixed", "mean", "bias"]  # why something is not known

LARGEST_WEIGHT = 500_000  # elements drawn for a layer: twenty take some 40 ms
NETS = 3  # drawn, where a layer is so small that they take no longer
LARGEST_MATRIX = 256  # the longer side of a matrix that is drawn as a whole
OPERATIONS, MOST_OPERATIONS = 10_000_000, 60_000_000  # of a layer in a net, and in all nets
SPACE = 6  # how many places an axis of a convolution's input has, if its kernel is no longer
LARGEST = 1e12  # of a variance: beyond it is infinite
CONVOLUTIONS: Mapping[int, Callable[..., Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


@dataclass(frozen=True)
class ChainSignals:
    """The std of what comes out of each of some layers, one after the other.

    Each layer is linear, or a convolution whose padding wraps around, and is followed by the
    activation; the input is N(0, 1). The outputs of a layer that has not as many as its inputs are
    repeated or cut for the next one.

    Attributes:
        activation: What follows each layer.
        expected: By mean-field theory; () where ``not_expected`` says why there is none: "layer" is
            neither linear nor a convolution, "role" is no weight, "fixed" weights are not drawn,
            those of another "mean" than 0, or with a "bias", are beyond the theory.
        drawn: Of nets of such layers, one to three; () where ``not_drawn`` says why. The last value
            of one may be infinite or NaN.
        chi: The factor of a gradient's variance in one layer at the last depth, by theory.
        width: Inputs and outputs of the layers drawn, where they are fewer than the layer has.
    """

    activation: str
    expected: tuple[float, ...] = ()
    drawn: tuple[tuple[float, ...], ...] = ()
    not_expected: Reason = ""
    not_drawn: Reason = ""
    chi: float | None = None
    width: tuple[int, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the signals as JSON-able values: what is not finite as text."""
        found = asdict(self)
        found["expected"] = encode(self.expected)
        found["drawn"] = [encode(net) for net in self.drawn]
        return found

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "signals") -> ChainSignals:
        """Undo ``to_dict``; a ConfigError names a key that is missing or unknown."""
        known = dict(data)
        if {"expected", "drawn"} <= known.keys():
            known["expected"] = tuple(map(float, known["expected"]))
            known["drawn"] = tuple(tuple(map(float, net)) for net in known["drawn"])
        return cls(**read_fields(cls, known, path))


def encode(values: Sequence[float]) -> list[float | str]:
    """Return numbers for JSON, which knows neither NaN nor infinity."""
    return [x if math.isfinite(x) else str(x) for x in values]


def chain_signals(
    law: Law,
    target: Target,
    bias: float,
    activation: tuple[str, Callable[[Tensor], Tensor]],
    depth: int,
    seed: int,
) -> ChainSignals:
    """Return what layers with a law do to a signal of N(0, 1).

    Args:
        law: That of the weight.
        target: The weight.
        bias: What each bias is.
        activation: Its name, and what it does to a tensor, each element by itself.
        depth: How many layers there are.
        seed: Of what is drawn.
    """
    name, phi = activation
    if target.role != "weight":
        return ChainSignals(name, not_expected="role", not_drawn="role")
    if type(target.module).__name__ not in ("Linear", "Conv1d", "Conv2d", "Conv3d"):
        return ChainSignals(name, not_expected="layer", not_drawn="layer")
    small, shape = narrowed(law, target.shape)
    width = (shape[1], shape[0]) if shape != target.shape else None
    operations = 2 * math.prod(shape) * math.prod(space_of(shape))
    nets = max(1, min(NETS, LARGEST_WEIGHT // math.prod(shape), MOST_OPERATIONS // operations))
    own = torch.Generator().manual_seed(seed)
    drawn = tuple(draw_signals(small, shape, bias, phi, depth, own) for _ in range(nets))
    reason = why_not_expected(law, bias)
    if reason:
        return ChainSignals(name, drawn=drawn, not_expected=reason, width=width)
    fan_in, _ = fans_as_computed(target.shape, target.module, target.key)
    gain = fan_in * law.std**2
    variances = [gain]
    while len(variances) < depth:
        last = variances[-1]
        variances.append(variance_map(phi, last, gain) if last < LARGEST**2 else math.inf)
    last = variances[-1]
    chi = gain * slope_gain(phi, min(last, LARGEST)) if last > 0 else None
    expected = tuple(math.sqrt(variance) for variance in variances)
    return ChainSignals(name, expected, drawn, chi=chi, width=width)


def why_not_expected(law: Law, bias: float) -> Reason:
    """Return why mean-field theory says nothing of a law, "" if it does."""
    if law.std == 0 and law.mean == 0 and not bias:
        return ""  # everything becomes 0
    if not law.is_random():
        return "fixed"
    if abs(law.mean) > 1e-9 * law.std:
        return "mean"
    return "bias" if bias else ""


@torch.no_grad()
def draw_signals(
    law: Law,
    shape: tuple[int, ...],
    bias: float,
    phi: Callable[[Tensor], Tensor],
    depth: int,
    own: torch.Generator,
) -> tuple[float, ...]:
    """Run N(0, 1) through layers that are drawn; return the std after each, as far as finite.

    Weights are drawn for each layer. Truncated normal ones and matrices take long: if their law has
    no preferred sign, their inputs come in another order and with other signs in each layer, which
    is the same where each column is as likely as its negative, and in any other place.
    """
    outputs, inputs, *kernel = shape
    space = space_of(shape)
    places = math.prod(space)
    samples = min(256, max(1, OPERATIONS // (2 * math.prod(shape) * places)))
    samples = max(samples, -(-256 // (outputs * places)))  # enough values for a std
    x = torch.randn(samples, inputs, *space, generator=own)
    fit = torch.arange(inputs) % outputs
    weight, sign = torch.empty(shape), torch.ones(inputs, *(1 for _ in kernel))
    stds: list[float] = []
    while len(stds) < depth:
        again = law.is_random() and (isinstance(law, (Normal, Uniform)) or not is_even(law))
        if again or not stds:
            law.fill(weight, own)
        elif law.is_random():
            fit = fit[torch.randperm(inputs, generator=own)]
            sign = torch.randint(0, 2, sign.shape, generator=own) * 2 - 1
        y = run_layer(sign * phi(x)[:, fit] if stds else x, weight, kernel) + bias
        stds.append(math.inf if y.isinf().any() else float(y.double().std()))
        if not math.isfinite(stds[-1]):
            break
        x = y
    return tuple(stds)


def is_even(law: Law) -> bool:
    """Whether a random law has no preferred sign."""
    low, high = law.support
    return law.mean == 0 and low == -high


def space_of(shape: tuple[int, ...]) -> list[int]:
    """Return the sizes of a convolution's input beside its channels."""
    return [max(SPACE, size) for size in shape[2:]]


def run_layer(x: Tensor, weight: Tensor, kernel: list[int]) -> Tensor:
    """Return what a linear layer, or a convolution whose padding wraps around, makes of x."""
    if not kernel:
        return x @ weight.T
    sides = [side for size in reversed(kernel) for side in ((size - 1) // 2, size // 2)]
    return CONVOLUTIONS[len(kernel)](F.pad(x, sides, mode="circular"), weight)


def narrowed(law: Law, shape: tuple[int, ...]) -> tuple[Law, tuple[int, ...]]:
    """Return a law and a shape (out, in, *kernel) that are quickly drawn, and treat signals alike.

    Elements drawn by themselves, and sparse columns, keep all inputs, and have fewer outputs; other
    matrices, whose law does not depend on their size but by its scale, shrink on both sides.
    """
    outputs, inputs, *kernel = shape
    taps = math.prod(kernel)
    if law.elementwise or isinstance(law, SparseNormal):
        kept = max(1, min(outputs, LARGEST_WEIGHT // (inputs * taps)))
        if isinstance(law, SparseNormal) and kept < outputs:
            law = replace(law, rows=kept, zeros=round(kept * law.zeros / law.rows))
        return law, (kept, inputs, *kernel)
    inner = law.law if isinstance(law, Centred) else law
    if not isinstance(inner, (OrthogonalMatrix, IdentityMatrix, HadamardMatrix)):
        return law, shape
    factor = min(1.0, LARGEST_MATRIX / max(inner.rows, inner.columns))
    if factor == 1:
        return law, shape
    groups = getattr(inner, "groups", 1)
    rows = max(1, round(inner.rows * factor / groups)) * groups
    ins = max(1, round(inputs * factor))
    columns = ins * (inner.columns // inputs)
    inner = replace(inner, rows=rows, columns=columns)
    made = replace(law, law=inner) if isinstance(law, Centred) else inner
    return made, (rows, ins, *kernel)
