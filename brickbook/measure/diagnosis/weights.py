"""Findings about weights, or about the laws that will fill them: symmetry and zeros."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy

from brickbook.html import format_2g
from brickbook.init.initializers import fans_as_computed, stored_axes
from brickbook.init.laws import Law, OrthogonalMatrix, SparseNormal, Stacked
from brickbook.init.planning import PlanRow
from brickbook.introspect import (
    ChainedLayer,
    class_name,
    gather,
    is_rectifier,
    layer_slots,
    maps_zero_to_zero,
    plain_module_name,
)
from brickbook.measure.diagnosis.finding import Finding, Severity, make_finding
from brickbook.measure.diagnosis.rules import DIFFERENT_SHARE, HUGE_GAIN
from brickbook.measure.snapshot import missing_reason

__all__ = ["WeightSummary", "find_huge", "find_symmetric", "find_zeros", "summarize_weights"]

MIN_UNITS, MIN_INPUTS = 8, 4  # fewer may be equal by chance
QUERY_KEY_NAMES = {
    "in_proj", "qkv", "to_qkv", "c_attn", "query_key_value", "query", "key", "q", "k",
    "q_proj", "k_proj", "to_q", "to_k",
}  # fmt: skip

Values = Tensor | Law  # what a tensor holds, or what will fill it


@dataclass(frozen=True, eq=False)
class WeightSummary:
    """The properties of one weight that the rules need: as it is, or as a law will fill it.

    ``rows`` is the number of units that see the same inputs; ``rows_equal`` says that all rows of
    these are equal, and their biases, ``columns_equal`` that all columns are. ``fans`` are fan_in
    and fan_out, and ``rms`` is the root of the mean of the squares.
    ``different`` is how many rows differ, where at least half are copies of others.
    ``dense`` is False for identities and the like, to which no formula for random numbers applies.
    """

    name: str
    layer: str
    kind: str
    rows: int
    fans: tuple[int, int]
    rms: float
    zero: bool
    rows_equal: bool
    columns_equal: bool
    dense: bool = True
    biased: bool = False
    different: int | None = None


def summarize_weights(model: nn.Module, plan: Mapping[str, PlanRow]) -> list[WeightSummary]:
    """Return the weights of a model's layers, in its order.

    ``plan`` has the rows of what is going to be written: their laws stand for the values. A weight
    whose values are not known, on the meta device or before a checkpoint, is left out.
    """
    found: list[WeightSummary] = []
    for prefix, part in model.named_modules():
        if prefix.endswith("parametrizations") or ".parametrizations." in f".{prefix}":
            continue
        dot, own = (f"{prefix}." if prefix else ""), layer_slots(part)
        biases = [
            final_values(plan.get(f"{dot}{slot.key}"), slot.tensor)
            for slot in own
            if slot.role == "bias"
        ]
        for slot in own:
            if slot.role != "weight" or is_lazy(slot.tensor) or slot.tensor.dim() < 2:
                continue
            name = f"{dot}{slot.key}"
            values = final_values(plan.get(name), slot.tensor)
            known = [bias for bias in biases if bias is not None]
            if values is not None and slot.tensor.numel() and len(known) == len(biases):
                found.append(summarize_weight(name, part, slot.tensor.shape, values, known))
    return found


def final_values(row: PlanRow | None, tensor: Tensor) -> Values | None:
    """Return the law that writes a tensor last, or its values; None if neither is known."""
    if row is not None and (row.later_writers or row.law is not None):
        return None if row.later_writers else row.law
    return None if missing_reason(tensor) else gather(tensor.detach())


def summarize_weight(
    name: str,
    part: nn.Module,
    shape: Sequence[int],
    values: Values,
    biases: Sequence[Values],
) -> WeightSummary:
    """Summarise one weight for the rules."""
    key = name.rpartition(".")[2]
    transposed = stored_axes(part, key)[:2] == (0, 1)
    groups = part.groups if isinstance(part, _ConvNd) and not transposed else 1
    same_bias = all(is_constant(bias) for bias in biases)
    common = {
        "name": name,
        "layer": plain_module_name(name.rpartition(".")[0]),
        "kind": class_name(part),
        "rows": shape[1] if transposed else shape[0] // groups,
        "fans": fans_as_computed(shape, part, key),
        "biased": not all(is_zero(bias) for bias in biases),
    }
    if isinstance(values, Law):
        flat = is_constant(values)
        size = math.hypot(values.std, values.mean)
        alike = flat and same_bias
        return WeightSummary(
            **common, rms=size, zero=is_zero(values), rows_equal=alike, columns_equal=flat,
            dense=is_dense(values),
        )  # fmt: skip
    some = int(values.count_nonzero())
    norm = torch.linalg.vector_norm(values.to(torch.promote_types(values.dtype, torch.float32)))
    units = values.transpose(0, 1) if transposed else values
    return WeightSummary(
        **common,
        rms=float(norm) / math.sqrt(values.numel()),
        zero=not some,
        rows_equal=same_bias and equal_rows(units, groups),
        columns_equal=equal_rows(units.transpose(0, 1)),
        different=different_rows(units, biases) if groups == 1 else None,
        # An identity has one number in each row, or in each column.
        dense=some > max(shape[0], shape[1]),
    )


def is_dense(law: Law) -> bool:
    """Whether a law draws all elements (or a random choice of them)."""
    law = law.law if isinstance(law, Stacked) else law
    return law.elementwise or isinstance(law, (OrthogonalMatrix, SparseNormal))


@torch.no_grad()
def equal_rows(tensor: Tensor, groups: int = 1) -> bool:
    """Whether all rows of each group are equal."""
    rows = tensor.unflatten(0, (groups, -1)) if groups > 1 else tensor.unsqueeze(0)
    # Two rows tell nearly always, and cost nothing.
    return all(bool((rows[:, :some] == rows[:, :1]).all()) for some in (2, rows.shape[1]))


@torch.no_grad()
def different_rows(units: Tensor, biases: Sequence[Values]) -> int | None:
    """Return how many rows differ, with their biases, if at least half are copies of others."""
    rows = units.reshape(len(units), -1)
    if len(rows) < MIN_UNITS or rows.shape[1] < MIN_INPUTS:
        return None
    for bias in biases:
        if isinstance(bias, Tensor) and bias.numel() == len(rows):
            rows = torch.cat([rows, bias.reshape(-1, 1).to(rows.dtype)], 1)
        elif not is_constant(bias):
            return None
    # One number of each row tells nearly always.
    for some in (rows[:, 0], rows):
        different = len(some.unique(dim=0))
        if different > DIFFERENT_SHARE * len(rows) + 1:
            return None
    zero = int((rows == 0).all(1).any())  # what is all zeros is meant to be
    return None if zero or different < 2 else different


def is_constant(values: Values) -> bool:
    """Whether all elements are, or will be, the same."""
    if isinstance(values, Law):
        return values.std == 0
    return not values.numel() or bool((values == values.reshape(-1)[0]).all())


def is_zero(values: Values) -> bool:
    """Whether all elements are, or will be, 0."""
    if isinstance(values, Law):
        return values.std == 0 and values.mean == 0
    return not bool((values != 0).any())


def find_symmetric(weights: Sequence[WeightSummary]) -> Iterator[Finding]:
    """Find the weights whose units are copies of each other; not the last one's."""
    stays: list[WeightSummary] = []
    broken: list[WeightSummary] = []
    for weight, after in pairwise(weights):
        if weight.rows > 1 and weight.rows_equal and not weight.zero:
            (stays if after.columns_equal else broken).append(weight)
    if stays:
        yield symmetry_finding(stays, "error", "symmetric.kept")
    if broken:
        yield symmetry_finding(broken, "warning", "symmetric.broken")
    copies = [
        weight for weight in weights[:-1] if weight.different is not None and not weight.rows_equal
    ]
    if copies:
        first = copies[0]
        numbers = {"different": first.different or 0, "rows": first.rows}
        words = {key: f"{value:,}" for key, value in numbers.items()}
        names = tuple(weight.name for weight in copies)
        yield make_finding("symmetric", "warning", names, "symmetric.copies", words, **numbers)


def symmetry_finding(
    weights: Sequence[WeightSummary], severity: Severity, message_key: str
) -> Finding:
    """Return the finding for weights with equal rows."""
    rows = weights[0].rows
    names = tuple(weight.name for weight in weights)
    return make_finding("symmetric", severity, names, message_key, {"rows": f"{rows:,}"}, rows=rows)


def find_huge(weights: Sequence[WeightSummary]) -> Iterator[Finding]:
    """Find huge weights where they are applied again and again, or make a softmax's logits."""
    for kind, chosen in (("recurrent", is_recurrent), ("attention", makes_attention_logits)):
        gains = {
            weight.name: weight.rms * math.sqrt(weight.fans[0])
            for weight in weights
            if chosen(weight) and weight.dense and not weight.rows_equal
        }
        beyond = {name: gain for name, gain in gains.items() if gain > HUGE_GAIN}
        if beyond:
            top = max(beyond.values())
            words = {"gain": format_2g(top)}
            yield make_finding("huge", "warning", tuple(beyond), f"huge.{kind}", words, gain=top)


def is_recurrent(weight: WeightSummary) -> bool:
    """Whether a weight is applied to the state at every step."""
    return weight.name.rpartition(".")[2].startswith("weight_hh")


def makes_attention_logits(weight: WeightSummary) -> bool:
    """Whether a weight makes queries or keys."""
    key = weight.name.rpartition(".")[2]
    layer = weight.layer.rpartition(".")[2] if key == "weight" else key.removesuffix("_weight")
    return layer in QUERY_KEY_NAMES


def find_zeros(
    weights: Sequence[WeightSummary], chains: Sequence[Sequence[ChainedLayer]]
) -> Iterator[Finding]:
    """Find the zeros from which nothing learns."""
    if len(weights) > 1 and all(weight.zero and not weight.biased for weight in weights):
        yield make_finding("zeros", "error", tuple(weight.name for weight in weights), "zeros.all")
        return
    by_layer = {weight.layer: weight for weight in weights}
    flat: list[str] = []
    waiting: list[str] = []
    for chain in chains:
        weighted = [(link, by_layer.get(link.name)) for link in chain]
        for link, weight in weighted:
            if always_outputs_zero(weight) and link.known and is_rectifier(link.activation):
                flat.append(weight.name)
        for (link, weight), (_, after) in pairwise(weighted):
            if (
                always_outputs_zero(weight)
                and always_outputs_zero(after)
                and maps_zero_to_zero(link.activation)
            ):
                waiting += [item.name for item in (weight, after)]
    if flat:
        yield make_finding("zeros", "error", tuple(flat), "zeros.rectified")
    rest = tuple(name for name in dict.fromkeys(waiting) if name not in flat)
    if len(rest) > 1:
        yield make_finding("zeros", "error", rest, "zeros.chain")


def always_outputs_zero(weight: WeightSummary | None) -> TypeGuard[WeightSummary]:
    """Whether a layer gives 0 for every input."""
    return weight is not None and weight.zero and not weight.biased
