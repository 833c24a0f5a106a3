"""Initialise DTensors: checks, custom code on the whole tensor, rows of a shard."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from brickbook.errors import BadValueError, Sentence
from brickbook.init.laws import Law
from brickbook.introspect import (
    DTENSOR_MODULES,
    KNOWN_PLACEMENTS,
    LocalShard,
    is_sharded,
    local_shard,
    plain_name,
    summoned_ranks,
)

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

__all__ = ["check_shards", "check_summoned", "local_row", "unsharded"]


def local_row(tensor: Tensor, index: int) -> Tensor | None:
    """Return what this process holds of one row, index ``at`` of dimension 0; None if nothing.

    It is a view to write to: DTensors themselves take no numbers at an index.
    """
    part = local_shard(tensor)
    index = index % part.shape[0]
    for span in part.intervals[0]:
        if span.start <= index < span.start + span.length:
            return part.local[span.local_start + index - span.start]
    return None


@contextmanager
def unsharded(module: nn.Module) -> Iterator[None]:
    """Let the block see plain whole tensors in place of the DTensors below a module.

    Every rank then writes the same whole tensors (it draws the same numbers), one module at a
    time, and keeps its part of them.
    """
    swapped: list[tuple[nn.Module, str, Any, nn.Parameter]] = []
    twins: dict[int, nn.Parameter] = {}
    for inner in module.modules():
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
                local_shard(tensor).copy_from(twin.detach().to(tensor.device).reshape(-1), 0)


SHARDED = "it is sharded: without a seed every rank would draw numbers of its own."
REPLICATED = "it is replicated: without a seed every rank would draw numbers of its own."


class HasSeed(Protocol):
    """What draws: its numbers have a seed or, with None, come from torch's generator."""

    @property
    def seed(self) -> int | None: ...


def check_shards(writes: Iterable[tuple[Tensor, Law, str]], rng: HasSeed) -> None:
    """Refuse DTensors that cannot be written, before anything is.

    Raises:
        BadValueError: A tensor, named in it, is a sum over ranks (Partial), has placements that are
            not torch's own, or is drawn without a seed on more than one rank.
    """
    if not any(name in sys.modules for name in DTENSOR_MODULES):
        return  # nobody has made a DTensor
    for tensor, law, name in writes:
        if is_sharded(tensor):
            check_placements(tensor, name)
            if rng.seed is None and law.is_random() and tensor.device_mesh.size() > 1:
                cut = any(type(each).__name__ != "Replicate" for each in tensor.placements)
                problem = SHARDED if cut else REPLICATED
                raise BadValueError(name, Sentence(problem), "Pass seed=n.")


def check_summoned(laws: Iterable[tuple[str, Law]], model: nn.Module, rng: HasSeed) -> None:
    """Refuse draws without a seed inside ``summon_full_params`` of FSDP1.

    Each rank keeps its part of what it draws: the whole would be pieces of several draws.
    """
    if rng.seed is not None or summoned_ranks(model) < 2:
        return
    name = next((name for name, law in laws if law.is_random()), None)
    if name is not None:
        raise BadValueError(
            plain_name(name),
            "FSDP1 shards it again: without a seed every rank would draw numbers of its own.",
            "Pass seed=n.",
        )


def check_placements(tensor: DTensor, name: str) -> None:
    """Refuse a DTensor unless it is known which part of it this rank holds."""
    placements = tuple(tensor.placements)
    if any(each.is_partial() for each in placements):
        raise BadValueError(
            name,
            Sentence(
                "its placements are {placements}: a sum over ranks has no numbers of its own.",
                placements=placements,
            ),
            "Redistribute it first.",
        )
    if not all(
        type(each).__name__ in KNOWN_PLACEMENTS for each in placements
    ) or not has_expected_shape(local_shard(tensor)):
        raise BadValueError(
            name,
            Sentence(
                "its placements are {placements}: which part this rank holds is not known.",
                placements=placements,
            ),
        )


def has_expected_shape(shard: LocalShard) -> bool:
    """Return whether the memory of a part is of the size that its place says."""
    sizes = tuple(sum(span.length for span in stretch) for stretch in shard.intervals)
    return tuple(shard.local.shape) == sizes or not (shard.local.numel() or all(sizes))
