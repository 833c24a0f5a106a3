"""DTensors: which part of a sharded tensor this process holds, and what cannot be written.

A process that holds only a shard of a tensor draws the blocks that its shard meets and keeps its
part of them, so that all processes together hold what one alone would.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, cast

import torch
from torch import Tensor, nn

from brickbook.errors import BadValueError
from brickbook.init.laws import Law
from brickbook.init.parts import Part, Span, beginning, spans_of, stretches

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

__all__ = ["check_shards", "held", "is_sharded", "local", "row_here", "whole"]

PLAIN = (Tensor, nn.Parameter)
HOMES = ("torch.distributed.tensor", "torch.distributed._tensor")  # since torch 2.5, and before
KNOWN = ("Replicate", "Shard", "_StridedShard")


def is_sharded(tensor: Tensor) -> TypeGuard[DTensor]:
    """Return whether a tensor is a DTensor, without loading the module for them."""
    if type(tensor) in PLAIN:
        return False
    kinds = (getattr(sys.modules.get(name), "DTensor", None) for name in HOMES)
    return any(kind is not None and isinstance(tensor, kind) for kind in kinds)


def local(tensor: Tensor) -> Tensor:
    """Return the memory of a tensor that is in this process: itself, unless it is a DTensor."""
    if not is_sharded(tensor):
        return tensor
    with torch.no_grad():
        return tensor.to_local()


def held(tensor: Tensor) -> Part:
    """Return the part of a tensor that this process holds: all of it, unless it is a DTensor.

    A tensor without dimensions counts as one of a single element.
    """
    memory = local(tensor)
    shape = tuple(tensor.shape) or (1,)
    if not tensor.dim():
        memory = memory.reshape(1) if memory.numel() else memory
    if is_sharded(tensor):
        spans = owned(tensor, shape)
        return Part(memory, shape, spans, beginning(memory, shape, spans))
    spans = tuple([(Span(0, 0, size),) for size in shape])
    return Part(memory, shape, spans, 0 if memory.is_contiguous() else None)


def row_here(tensor: Tensor, at: int) -> Tensor | None:
    """Return what this process holds of one row, index ``at`` of dimension 0; None if nothing.

    It is a view to write to: DTensors themselves take no numbers at an index.
    """
    part = held(tensor)
    at = at % part.shape[0]
    for span in part.spans[0]:
        if span.start <= at < span.start + span.length:
            return part.local[span.at + at - span.start]
    return None


@contextmanager
def whole(part: nn.Module) -> Iterator[None]:
    """Let the block see plain whole tensors in place of the DTensors below a module.

    Every rank then writes the same whole tensors (it draws the same numbers), one module at a
    time, and keeps its part of them.
    """
    swapped: list[tuple[nn.Module, str, Any, nn.Parameter]] = []
    twins: dict[int, nn.Parameter] = {}
    for inner in part.modules():
        for key, tensor in inner._parameters.items():
            if tensor is not None and is_sharded(tensor):
                if id(tensor) not in twins:
                    values: Any = tensor.detach()
                    twins[id(tensor)] = nn.Parameter(values.full_tensor(), tensor.requires_grad)
                swapped.append((inner, key, tensor, twins[id(tensor)]))
    for inner, key, _, twin in swapped:
        inner._parameters[key] = twin
    try:
        yield
    finally:
        now = [(tensor, inner._parameters[key]) for inner, key, tensor, _ in swapped]
        for inner, key, tensor, _ in swapped:
            inner._parameters[key] = tensor
    with torch.no_grad():
        for tensor, twin in now:
            if twin is not None:
                held(tensor).put(twin.detach().to(tensor.device).reshape(-1), 0)


def owned(tensor: DTensor, shape: Sequence[int]) -> tuple[tuple[Span, ...], ...]:
    """Return the stretches of every dimension of a DTensor that this rank holds."""
    here = tensor.device_mesh.get_coordinate()
    if here is None:  # the rank is not in the tensor's mesh
        return tuple(() for _ in shape)
    runs = [[range(size)] for size in shape]
    for axis, placement in enumerate(cast("Sequence[Any]", tensor.placements)):
        if type(placement).__name__ != "Replicate":
            ranks, pieces = tensor.device_mesh.size(axis), getattr(placement, "split_factor", 1)
            runs[placement.dim] = stretches(runs[placement.dim], ranks, here[axis], pieces)
    return tuple(map(spans_of, runs))


class Seeded(Protocol):
    """What draws: its numbers have a seed or, with None, come from torch's generator."""

    @property
    def seed(self) -> int | None: ...


def check_shards(writes: Iterable[tuple[Tensor, Law, str]], stream: Seeded) -> None:
    """Refuse DTensors that cannot be written, before anything is.

    Raises BadValueError with the tensor's name: for sums over ranks (Partial), placements that
    are not torch's own, and draws without a seed on more than one rank.
    """
    if not any(name in sys.modules for name in HOMES):
        return  # nobody has made a DTensor
    for tensor, law, name in writes:
        if is_sharded(tensor):
            check_placements(tensor, name)
            if stream.seed is None and law.is_random() and tensor.device_mesh.size() > 1:
                cut = any(type(each).__name__ != "Replicate" for each in tensor.placements)
                raise BadValueError(
                    name,
                    f"it is {'sharded' if cut else 'replicated'}: without a seed every rank would "
                    "draw numbers of its own.",
                    "Pass seed=n.",
                )


def check_placements(tensor: DTensor, name: str) -> None:
    """Refuse a DTensor unless it is known which part of it this rank holds."""
    placements = tuple(tensor.placements)
    if any(each.is_partial() for each in placements):
        raise BadValueError(
            name,
            f"its placements are {placements}: a sum over ranks has no numbers of its own.",
            "Redistribute it first.",
        )
    if not all(type(each).__name__ in KNOWN for each in placements) or not fits(held(tensor)):
        raise BadValueError(
            name, f"its placements are {placements}: which part this rank holds is not known."
        )


def fits(part: Part) -> bool:
    """Return whether the memory of a part is of the size that its place says."""
    sizes = tuple(sum(span.length for span in stretch) for stretch in part.spans)
    return tuple(part.local.shape) == sizes or not (part.local.numel() or all(sizes))
