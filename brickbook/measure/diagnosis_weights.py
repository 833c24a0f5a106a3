"""What the weights say, or the laws that will fill them: symmetry and zeros."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.parameter import is_lazy

from brickbook.init.fans import fans
from brickbook.init.laws import Law, OrthogonalMatrix, SparseNormal, Stacked
from brickbook.init.rows import Row
from brickbook.init.targets import slots
from brickbook.init.walking import plain_module_name
from brickbook.measure.chains import Link, rectifies, starts_at_zero
from brickbook.measure.findings import Finding, Severity, finding

__all__ = ["Weight", "symmetric", "weights_of", "zeros"]

Values = Tensor | Law  # what a tensor holds, or what will fill it


@dataclass(frozen=True, eq=False)
class Weight:
    """What counts of one weight: as it is, or as a law will fill it.

    ``rows`` is the number of units that see the same inputs; ``alike`` says that all rows of these
    are equal, and their biases, ``even`` that all columns are. ``fans`` are fan_in and fan_out, and
    ``size`` is the root of the mean of the squares.
    ``dense`` is False for identities and the like, to which no formula for random numbers applies.
    """

    name: str
    layer: str
    kind: str
    rows: int
    fans: tuple[int, int]
    size: float
    zero: bool
    alike: bool
    even: Callable[[], bool]
    dense: bool = True
    biased: bool = False


def weights_of(model: nn.Module, plan: Mapping[str, Row]) -> list[Weight]:
    """Return the weights of a model's layers, in its order.

    ``plan`` has the rows of what is going to be written: their laws stand for the values. A weight
    whose values are not known, on the meta device or before a checkpoint, is left out.
    """
    found: list[Weight] = []
    for prefix, part in model.named_modules():
        if prefix.endswith("parametrizations") or ".parametrizations." in f".{prefix}":
            continue
        dot, own = (f"{prefix}." if prefix else ""), slots(part)
        biases = [
            source(plan.get(f"{dot}{slot.key}"), slot.tensor) for slot in own if slot.role == "bias"
        ]
        for slot in own:
            if slot.role != "weight" or is_lazy(slot.tensor) or slot.tensor.dim() < 2:
                continue
            name = f"{dot}{slot.key}"
            values = source(plan.get(name), slot.tensor)
            known = [bias for bias in biases if bias is not None]
            if values is not None and slot.tensor.numel() and len(known) == len(biases):
                found.append(weight_of(name, part, slot.tensor.shape, values, known))
    return found


def source(row: Row | None, tensor: Tensor) -> Values | None:
    """Return the law that has the last word on a tensor, or its values; None if none is known."""
    if row is not None and (row.then or row.law is not None):
        return None if row.then else row.law
    return None if is_lazy(tensor) or tensor.is_meta else tensor.detach()


def weight_of(
    name: str,
    part: nn.Module,
    shape: Sequence[int],
    values: Values,
    biases: Sequence[Values],
) -> Weight:
    """Take what counts of one weight."""
    turned = isinstance(part, _ConvTransposeNd) or type(part).__name__ == "Conv1D"
    groups = part.groups if isinstance(part, _ConvNd) and not turned else 1
    same_bias = all(is_constant(bias) for bias in biases)
    told = {
        "name": name,
        "layer": plain_module_name(name.rpartition(".")[0]),
        "kind": type(part).__name__,
        "rows": shape[1] if turned else shape[0] // groups,
        "fans": fans(shape, 0, 1) if turned else fans(shape),
        "biased": not all(is_zero(bias) for bias in biases),
    }
    if isinstance(values, Law):
        flat = is_constant(values)
        size = math.hypot(values.std, values.mean)
        alike = flat and same_bias
        return Weight(
            **told, size=size, zero=is_zero(values), alike=alike, even=lambda: flat,
            dense=is_dense(values),
        )  # fmt: skip
    some = int(values.count_nonzero())
    norm = torch.linalg.vector_norm(values.to(torch.promote_types(values.dtype, torch.float32)))
    units = values.transpose(0, 1) if turned else values
    return Weight(
        **told,
        size=float(norm) / math.sqrt(values.numel()),
        zero=not some,
        alike=same_bias and equal_rows(units, groups),
        even=lambda: equal_rows(units.transpose(0, 1)),
        # An identity has one number in each row, or in each column.
        dense=some > max(shape[0], shape[1]),
    )


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
