"""Carrying a plan out: everything is checked and loaded first, then each tensor is written once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from torch import Tensor, nn

from brickbook.checkpoint.loading import load_state_dict
from brickbook.checkpoint.matching import Match, match, named_tensors
from brickbook.checkpoint.state import read_state
from brickbook.errors import BadValueError
from brickbook.init.initializers import BaseInit
from brickbook.init.keeping import put_back_on_error, uninterrupted
from brickbook.init.plan import plan
from brickbook.init.report import InitReport
from brickbook.init.rows import InitPlan, Load, Row, Run
from brickbook.init.streams import Stream, Write, fill
from brickbook.init.telling import Told

__all__ = ["carry_out", "initialize"]

LOG = logging.getLogger("brickbook")


def initialize(
    module: nn.Module, init_cfg: object = None, *, strict: bool = False, seed: int | None = None
) -> InitReport:
    """Start a model's weights as ``init_cfg`` says, and report what was done.

    ``init_cfg`` is a dict or a list of dicts: ``type`` names an initialiser (`INITIALIZERS`),
    ``layer`` the classes meant, ``override`` parts of the model by name. It is not changed.
    With None, the modules' own configs are carried out, as their ``init_weights`` does.
    Everything is checked before the first write; a rule that matches nothing warns, or raises
    with ``strict=True``. ``seed=None`` draws from torch's generator in mmcv's order; with a seed
    each parameter has a stream of its own, derived from the seed and its name.

    Raises ConfigErrors that also are mmcv's TypeError, KeyError, ValueError or RuntimeError.

    >>> model = nn.Linear(4, 2)
    >>> initialize(model, dict(type="Constant", layer="Linear", val=1.0, bias=2.0))
    InitReport: 2 parameters: 2 written by a law
    """
    return carry_out(plan(module, init_cfg, strict=strict), module, seed=seed)


def carry_out(todo: InitPlan, model: nn.Module, *, seed: int | None = None) -> InitReport:
    """Write what a plan says into the model it was made for.

    Nothing is written if anything can be known to be wrong. Where own code or a checkpoint may
    fail on the way, a copy of the model's state is kept, and put back if it does or if it is
    interrupted. Otherwise an interrupt waits until the writing is done.
    """
    stream = Stream.of(seed)
    parameters = dict(model.named_parameters(remove_duplicate=False))
    check(todo, parameters)
    states = [(load, *fetch(load, model)) for load in todo.loads]
    foreseen = {id(tensor) for load, _, found in states for tensor in filled(model, load, found)}
    todo.warn()
    told = Told(model)
    may_fail = bool(todo.runs or todo.loads)
    with put_back_on_error(model) if may_fail else uninterrupted():
        for call, group in groupby(steps(todo, parameters, foreseen), own_code):
            if call is None:
                fill(writes(group, parameters), stream)
            else:
                with told.listening(call.path):
                    run(call, model, stream)
        matches = []
        for load, state, _ in states:
            found = load_state_dict(model.get_submodule(load.name), state)
            matches.append(found)
            told.loaded(load.path, filled(model, load, found))
            after = [row for row in todo.planned if row.after_load == load.path]
            fill(writes(after, parameters), stream)
            told.forget(parameters[row.name] for row in after)
        for name in todo.starts:
            setattr(model.get_submodule(name), "_is_init", True)  # noqa: B010 - any BaseModule
    report = InitReport(todo, told.records(todo, parameters), stream.seed, tuple(matches))
    LOG.info("%s: %r", type(model).__name__, report)
    return report


def check(todo: InitPlan, parameters: Mapping[str, Tensor]) -> None:
    """Refuse tensors that cannot be written, before any is."""
    for row in todo.planned:
        tensor = parameters.get(row.name)
        if tensor is None or tuple(tensor.shape) != row.shape:
            raise BadValueError(row.name, "the plan was made for another model.")
        if tensor.is_meta:
            raise BadValueError(
                row.name,
                "it is on the meta device: there is no memory to write to.",
                "Move the model with to_empty(device=...) first.",
            )


def fetch(load: Load, model: nn.Module) -> tuple[dict[str, Tensor], Match]:
    """Read a checkpoint and hold its names against its part of the model; nothing is written."""
    state = read_state(
        load.init.checkpoint,
        prefix=load.init.prefix,
        map_location=load.init.map_location or "cpu",
        path=f"{load.path}.checkpoint",
    )
    return state, match(state, model.get_submodule(load.name))


def filled(model: nn.Module, load: Load, found: Match) -> Iterator[Tensor]:
    """Yield the tensors of a model that a checkpoint fills."""
    own = named_tensors(model.get_submodule(load.name))
    for name in found.loaded:
        yield own[name]


def steps(todo: InitPlan, parameters: Mapping[str, Tensor], foreseen: set[int]) -> list[Row | Run]:
    """Return what is done before checkpoints, in mmcv's order; what they fill is not drawn."""
    rows = [
        row
        for row in todo.planned
        if not row.after_load and id(parameters[row.name]) not in foreseen
    ]
    return sorted((*rows, *todo.runs), key=lambda step: step.order)


def own_code(step: Row | Run) -> Run | None:
    """Return a step that is somebody's own code, None for a law."""
    return step if isinstance(step, Run) else None


def writes(rows: Iterable[Any], parameters: Mapping[str, Tensor]) -> list[Write]:
    """Return what the rows of a plan say, with the tensors themselves."""
    return [(parameters[row.name], row.law, row.name) for row in rows]


def run(step: Run, model: nn.Module, stream: Stream) -> None:
    """Call somebody's own code: an ``init_weights``, or an initialiser of their own.

    With a seed, torch's generator is set for the call, from the seed and the call's path, and put
    back afterwards; modules that start themselves inside the call go on with the seed.
    """
    module: Any = model.get_submodule(step.name)
    init: Any = step.rule.init if step.rule else None
    if isinstance(init, BaseInit):
        init.wholemodule = step.whole
    with stream.inside(step.name, step.path):
        init(module) if init is not None else module.init_weights()
