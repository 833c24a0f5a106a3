"""What the weights say, or the laws that will fill them: symmetry, zeros, gains, NaN."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from brickbook.init.fans import fans
from brickbook.init.laws import Law, OrthogonalMatrix, SparseNormal, Stacked
from brickbook.init.rows import Row
from brickbook.init.targets import Slot, slots
from brickbook.init.walking import plain_module_name
from brickbook.measure.chains import Link, rectifies, starts_at_zero
from brickbook.measure.findings import Finding, Severity, finding
from brickbook.measure.listening import numbers

__all__ = ["Weight", "symmetric", "weights_of", "zeros"]


@dataclass(frozen=True, eq=False)
class Weight:
    """What counts of one weight: as it is, or as a law will fill it.

    ``rows`` is the number of units, of each of ``groups`` that see inputs of their own; ``alike``
    says that all rows of a group are equal, and their biases. ``fans`` are fan_in and fan_out.
    ``dense`` is False for identities and the like, to which no formula for random numbers applies.
    """

    name: str
    layer: str
    kind: str
    shape: tuple[int, ...]
    rows: int
    fans: tuple[int, int]
    size: float
    zero: bool
    alike: bool
    even: Callable[[], bool]
    dense: bool = True
    biased: bool = False
    law: Law | None = None


def weights_of(model: nn.Module, plan: Mapping[str, Row]) -> list[Weight]:
    """Return the weights of a model's layers, in its order.

    ``plan`` has the rows of what is going to be written: their laws stand for the values. A weight
    whose values are not known, on the meta device or before a checkpoint, is left out.
    """
    found: list[Weight] = []
    for prefix, part in model.named_modules():
        if prefix.endswith("parametrizations") or ".parametrizations." in f".{prefix}":
            continue
        dot = f"{prefix}." if prefix else ""
        own = slots(part)
        biases = [(f"{dot}{slot.key}", slot) for slot in own if slot.role == "bias"]
        for slot in own:
            name = f"{dot}{slot.key}"
            if slot.role != "weight" or len(slot.tensor.shape) < 2 or not slot.tensor.numel():
                continue
            row = plan.get(name)
            bias = [plan.get(name) or slot.tensor for name, slot in biases]
            if known(row, slot.tensor) and all(known(b, b) for b in bias):
                found.append(weight_of(name, part, slot, row, bias))
    return found


def known(row: Row | Tensor | None, tensor: Row | Tensor) -> bool:
    """Whether values are there, or a law that has the last word."""
    if isinstance(row, Row):
        return row.law is not None and not row.then
    return isinstance(tensor, Tensor) and not tensor.is_meta


def weight_of(
    name: str, part: nn.Module, slot: Slot, row: Row | None, biases: Sequence[Row | Tensor]
) -> Weight:
    """Take what counts of one weight."""
    shape, layer = tuple(slot.tensor.shape), plain_module_name(name.rpartition(".")[0])
    turned = isinstance(part, _ConvTransposeNd) or type(part).__name__ == "Conv1D"
    kind = type(part).__name__
    groups = part.groups if isinstance(part, _ConvNd) else 1
    both = fans(shape, 0, 1) if turned else fans(shape)
    rows = shape[1] if turned else shape[0] // groups
    same_bias = all(constant(bias) for bias in biases)
    biased = any(not is_zero(bias) for bias in biases)
    if row is not None and row.law is not None:
        law, flat = row.law, row.law.std == 0
        return Weight(
            name, layer, kind, shape, rows, both, math.hypot(law.std, law.mean),
            flat and law.mean == 0, flat and same_bias, lambda: flat,
            is_dense(law), biased, law,
        )  # fmt: skip
    tensor = slot.tensor.detach()
    seen = numbers(tensor)
    size = math.hypot(seen["mean"] or 0.0, seen["std"] or 0.0)
    # An identity has one number in each row, or in each column.
    dense = (1 - seen["zeros"]) * tensor.numel() > max(shape[0], shape[1])
    units = tensor.transpose(0, 1) if turned else tensor
    return Weight(
        name, layer, kind, shape, rows, both, size,
        seen["max"] == 0 and not seen["nan"], same_bias and equal_rows(units, groups),
        lambda: equal_rows(units.transpose(0, 1)), dense or seen["max"] == 0, biased,
    )  # fmt: skip


def is_dense(law: Law) -> bool:
    """Whether a law draws all elements (or a random choice of them)."""
    law = law.law if isinstance(law, Stacked) else law
    return law.independent or isinstance(law, (OrthogonalMatrix, SparseNormal))


@torch.no_grad()
def equal_rows(tensor: Tensor, groups: int = 1) -> bool:
    """Whether all rows of each group are equal."""
    rows = tensor.unflatten(0, (groups, -1)) if groups > 1 else tensor.unsqueeze(0)
    # Two rows tell nearly always, and cost nothing.
    return all(bool((rows[:, :some] == rows[:, :1]).all()) for some in (2, rows.shape[1]))


def constant(bias: Row | Tensor) -> bool:
    """Whether all elements of a bias are, or will be, the same."""
    if isinstance(bias, Row):
        return bias.law is not None and bias.law.std == 0
    return not bias.numel() or bool((bias == bias.reshape(-1)[0]).all())


def is_zero(bias: Row | Tensor) -> bool:
    """Whether a bias is, or will be, 0."""
    if isinstance(bias, Row):
        return bias.law is not None and bias.law.std == 0 and bias.law.mean == 0
    return not bool((bias != 0).any())


def symmetric(weights: Sequence[Weight]) -> Iterator[Finding]:
    """Find the weights whose units are copies of each other; not the last one's."""
    kept: list[Weight] = []
    broken: list[Weight] = []
    for weight, after in pairwise(weights):
        if weight.rows > 1 and weight.alike and not weight.zero:
            (kept if after.even() else broken).append(weight)
    if kept:
        yield copies(kept, "error", "symmetric.kept")
    if broken:
        yield copies(broken, "warning", "symmetric.broken")


def copies(weights: Sequence[Weight], severity: Severity, said: str) -> Finding:
    """Say which weights have equal rows."""
    rows = weights[0].rows
    names = tuple(weight.name for weight in weights)
    return finding("symmetric", severity, names, said, {"rows": f"{rows:,}"}, rows=rows)


def zeros(weights: Sequence[Weight], chains: Sequence[Sequence[Link]]) -> Iterator[Finding]:
    """Find the zeros from which nothing learns."""
    if len(weights) > 1 and all(weight.zero and not weight.biased for weight in weights):
        yield finding("zeros", "error", tuple(weight.name for weight in weights), "zeros.all")
        return
    by_layer = {weight.layer: weight for weight in weights}
    flat: list[str] = []
    waiting: list[str] = []
    for chain in chains:
        met = [(link, by_layer.get(link.name)) for link in chain]
        for link, weight in met:
            if stopped(weight) and link.known and rectifies(link.activation):
                flat.append(weight.name)
        for (link, weight), (_, after) in pairwise(met):
            if stopped(weight) and stopped(after) and starts_at_zero(link.activation):
                waiting += [item.name for item in (weight, after)]
    if flat:
        yield finding("zeros", "error", tuple(flat), "zeros.rectified")
    rest = tuple(name for name in dict.fromkeys(waiting) if name not in flat)
    if len(rest) > 1:
        yield finding("zeros", "error", rest, "zeros.chain")


def stopped(weight: Weight | None) -> TypeGuard[Weight]:
    """Whether a layer gives 0 for every input."""
    return weight is not None and weight.zero and not weight.biased
