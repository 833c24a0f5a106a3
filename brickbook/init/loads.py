"""Checkpoints that a plan loads: read and held against the model first, loaded last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy

import torch
from torch import Tensor, nn

from brickbook.checkpoint.filling import fill
from brickbook.checkpoint.loading import report
from brickbook.checkpoint.matching import Match, match, named_tensors
from brickbook.checkpoint.state import State as Tensors
from brickbook.checkpoint.state import read_state
from brickbook.checkpoint.wrappers import plain_names
from brickbook.init.initplan import InitPlan
from brickbook.init.pen import Pen
from brickbook.init.rows import Load
from brickbook.init.shards import held, is_sharded
from brickbook.init.telling import Told
from brickbook.origins import note_origin

__all__ = ["State", "fetch", "filled", "load_all"]

State = tuple[Load, Tensors, Match]


def fetch(load: Load, model: nn.Module) -> tuple[Tensors, Match]:
    """Read a checkpoint and hold its names against its part of the model; nothing is written."""
    state = read_state(
        load.init.checkpoint,
        prefix=load.init.prefix,
        map_location=load.init.map_location or "cpu",
        path=f"{load.path}.checkpoint",
    )
    part = model.get_submodule(load.name)
    state = plain_names(state, named_tensors(part))
    return state, match(state, part)


def filled(model: nn.Module, load: Load, found: Match) -> Iterator[Tensor]:
    """Yield the tensors of a model that a checkpoint fills."""
    own = named_tensors(model.get_submodule(load.name))
    for name in found.loaded:
        yield own[name]


def load_all(
    todo: InitPlan,
    model: nn.Module,
    states: Iterable[State],
    pen: Pen,
    told: Told,
) -> tuple[Match, ...]:
    """Load the checkpoints, each followed by the laws that stand in its own entry."""
    matches = []
    for load, state, found in states:
        part, path = model.get_submodule(load.name), f"{load.path}.checkpoint"
        found = fill(part, cut(state, model, load, found), path=path)
        report(found, None)
        matches.append(found)
        loaded = list(filled(model, load, found))
        note_origin(loaded, load.init.checkpoint)
        told.loaded(load.path, loaded)
        after = [row for row in todo.planned if row.after_load == load.path]
        pen.write(after)
        told.forget(pen.tensors[row.name] for row in after)
    return tuple(matches)


def cut(state: Tensors, model: nn.Module, load: Load, found: Match) -> Tensors:
    """Return a state dict of which every DTensor of the model gets what this rank holds of it."""
    own = named_tensors(model.get_submodule(load.name))
    sharded = [name for name in found.loaded if is_sharded(own[name])]
    if not sharded:
        return state
    state = copy(state)
    for name in sharded:
        whole, mine = state[name].detach(), torch.empty_like(own[name].detach())
        part = held(mine)
        part.put(whole.to(part.local.device).reshape(-1), 0)
        state[name] = mine
    return state
