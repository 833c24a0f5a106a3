"""What mean-field theory expects of the signals of a model that is a plain chain of layers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from brickbook.errors import BadValueError
from brickbook.introspect import ChainedLayer, find_chains, plain_module_name, unwrap_model
from brickbook.measure.mean_field import find_activation, slope_gain, variance_map
from brickbook.measure.probe import Signal, Signals

__all__ = ["expected_signals"]

PLAIN = (nn.Flatten, nn.Unflatten, nn.Identity)  # they change no number
HINT = "The theory is of layers and elementwise activations in an nn.Sequential, nothing else."


class ChainLink(NamedTuple):
    """A layer of a chain: how it multiplies variances forward and back, and adds to them."""

    layer: ChainedLayer
    forward: float
    backward: float
    bias: float


def expected_signals(model: nn.Module, signals: Signals) -> Signals:
    """Return what mean-field theory expects of a chain of layers, to be drawn beside ``signals``.

    It begins with the output of the first layer as it was found, and with the gradient of the last;
    between them it knows the mean squares of weights and biases alone. It is exact for wide layers
    with independent weights, of gradients where these do not depend on the output, as those of the
    default loss do; for convolutions it leaves out the zeros of a padding. ``source`` is "mean
    field".

    Args:
        model: The model as it was probed.
        signals: What `brickbook.probe` found.

    Raises:
        BadValueError: The model is no plain chain: what it does not apply to is named.
    """
    links = read_chain(unwrap_model(model), signals)
    rows = {row.name: row for row in signals if row.part == "layer"}
    first, last = rows[links[0].layer.name], rows[links[-1].layer.name]
    variances = [mean_square(first)]
    slopes: list[float] = []
    for link, after in pairwise(links):
        _, phi = find_activation(link.layer.activation or "linear")
        variances.append(variance_map(phi, variances[-1], after.forward, after.bias))
        slopes.append(slope_gain(phi, variances[-2]))
    gradient = None if last.grad_norm is None else last.grad_norm**2 / max(1, last.count)
    gradients = [gradient]
    for link, slope in zip(reversed(links[1:]), reversed(slopes), strict=True):
        reached = gradients[-1]
        gradients.append(None if reached is None else reached * link.backward * slope)
    found = (
        expected_row(rows[link.layer.name], variance, grad)
        for link, variance, grad in zip(links, variances, reversed(gradients), strict=True)
    )
    return replace(signals, rows=tuple(found), source="mean field")


def mean_square(row: Signal) -> float:
    """Return the mean square of an output."""
    return math.hypot(row.mean or 0.0, row.std or 0.0) ** 2


def expected_row(row: Signal, variance: float, gradient: float | None) -> Signal:
    """Return the row of a layer with the numbers that are expected."""
    std = math.sqrt(variance)
    grad = None if gradient is None else math.sqrt(gradient)
    norm = None if grad is None else grad * math.sqrt(row.count)
    return Signal(
        row.name, row.kind, row.part, row.shape, row.count, 0.0, std, units=row.units,
        grad=grad, grad_norm=norm,
    )  # fmt: skip


def read_chain(model: nn.Module, signals: Sequence[Signal]) -> list[ChainLink]:
    """Return the layers of a model that is a plain chain.

    Raises:
        BadValueError: It is none.
    """
    for problem in chain_problems(model, signals):
        raise BadValueError("model", problem, HINT)
    return [measure_link(item) for chain in find_chains(model) for item in chain]


def chain_problems(model: nn.Module, signals: Sequence[Signal]) -> Iterator[str]:
    """Yield why a model is no plain chain."""
    for name, part in model.named_modules():
        if part._modules and type(part).forward is not nn.Sequential.forward:
            where = f"{plain_module_name(name)} is" if name else "it is"
            yield f"{where} a {type(part).__name__}, whose parts may run in any order."
    parts = {plain_module_name(name): part for name, part in model.named_modules()}
    for row in signals:
        part = parts.get(row.name)
        plain = isinstance(part, PLAIN) or (
            isinstance(part, nn.modules.dropout._DropoutNd) and (not part.training or not part.p)
        )
        if row.part == "norm":
            yield f"{row.label} is a {row.kind}, after which a signal begins anew."
        elif row.call > 1:
            yield f"{row.name} runs more than once, so that its weights are not independent."
        elif row.part == "other" and not plain:
            yield f"{row.label} is a {row.kind}, which changes the variance in its own way."
        elif isinstance(part, _ConvTransposeNd) or (
            row.part == "layer" and not isinstance(part, (nn.Linear, _ConvNd))
        ):
            yield f"{row.label} is a {row.kind}, neither fully connected nor a convolution."
        elif row.part == "layer" and row.std is None:
            yield f"{row.label} has no finite output."
    chained = [item for chain in find_chains(model) for item in chain]
    for item in chained:
        if not item.known:
            yield f"what follows {item.name} is not known."
    if not chained or [i.name for i in chained] != [r.name for r in signals if r.part == "layer"]:
        yield "the layers that ran are not those of a chain."


@torch.no_grad()
def measure_link(item: ChainedLayer) -> ChainLink:
    """Return how a layer multiplies variances."""
    layer = item.layer
    assert isinstance(layer, (nn.Linear, _ConvNd))
    square = float(layer.weight.detach().double().square().mean())
    outputs, inputs = layer.weight.shape[0], layer.weight[0].numel()
    reached = outputs * layer.weight[0, 0].numel()
    if isinstance(layer, _ConvNd):
        reached /= layer.groups * math.prod(layer.stride)
    bias = 0.0 if layer.bias is None else float(layer.bias.detach().double().square().mean())
    return ChainLink(item, inputs * square, reached * square, bias)
