"""The checkpoints of a plan: read and compared first, loaded last."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from brickbook.checkpoint import (
    Adapted,
    Match,
    State,
    adapt_state,
    fill_model,
    log_match,
    match,
    named_tensors,
    read_state,
    strip_wrapper_names,
)
from brickbook.init.planning import CheckpointLoad, InitPlan
from brickbook.introspect import is_sharded, local_shard

__all__ = ["PendingLoad", "load_checkpoint", "read_checkpoints"]


class PendingLoad(NamedTuple):
    """A checkpoint that was read and not loaded yet, and what of its part of the model it fits."""

    load: CheckpointLoad
    state: State
    match: Match

    def filled(self, model: nn.Module) -> Iterator[Tensor]:
        """Yield the tensors of the model that it fills."""
        own = named_tensors(model.get_submodule(self.load.name))
        for name in self.match.loaded:
            yield own[name]


def read_checkpoints(plan: InitPlan, model: nn.Module) -> list[PendingLoad]:
    """Read the checkpoints of a plan and compare them with the model; nothing is written."""
    return [read_and_match(load, model) for load in plan.loads]


def read_and_match(load: CheckpointLoad, model: nn.Module) -> PendingLoad:
    """Read a checkpoint, adapt it, and compare its names with those of its part of the model."""
    init = load.init
    state = read_state(
        init.checkpoint,
        prefix=init.prefix,
        map_location=init.map_location or "cpu",
        trust=init.trust,
        path=f"{load.path}.checkpoint",
        key=init.key,
        revise_keys=init.revise_keys,
    )
    part = model.get_submodule(load.name)
    state = strip_wrapper_names(state, named_tensors(part))
    state, adapted = adapt_state(state, part, init.adapt)
    return PendingLoad(load, state, note_adapted(match(state, part), adapted))


def note_adapted(found: Match, adapted: tuple[Adapted, ...]) -> Match:
    """Return a match of an adapted state dict with what was adapted; left out is not missing."""
    left_out = {each.name for each in adapted if each.left_out}
    missing = tuple(name for name in found.missing if name not in left_out)
    return replace(found, missing=missing, adapted=adapted)


def load_checkpoint(pending: PendingLoad, model: nn.Module) -> tuple[Match, list[Tensor]]:
    """Load a checkpoint into its part of the model; return the match and the tensors it filled."""
    load, part = pending.load, model.get_submodule(pending.load.name)
    state = to_local_shards(pending, part)
    path, origin = f"{load.path}.checkpoint", load.init.checkpoint
    found = fill_model(part, state, path=path, origin=origin, logger="silent")
    done = pending._replace(match=note_adapted(found, pending.match.adapted))
    log_match(done.match, None)
    return done.match, list(done.filled(model))


def to_local_shards(pending: PendingLoad, module: nn.Module) -> State:
    """Return the state dict with, for every DTensor of the module, what this rank holds of it."""
    own = named_tensors(module)
    sharded = [name for name in pending.match.loaded if is_sharded(own[name])]
    if not sharded:
        return pending.state
    state = copy(pending.state)
    for name in sharded:
        full, mine = state[name].detach(), torch.empty_like(own[name].detach())
        shard = local_shard(mine)
        shard.copy_from(full.to(shard.local.device).reshape(-1), 0)
        state[name] = mine
    return state
