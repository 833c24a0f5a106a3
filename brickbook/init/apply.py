"""Carrying a plan out: everything is checked and loaded first, then each tensor is written once."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from brickbook.checkpoint.loading import load_state_dict
from brickbook.checkpoint.matching import Match, match, named_tensors
from brickbook.checkpoint.state import read_state
from brickbook.errors import BadValueError
from brickbook.init.initializers import BaseInit
from brickbook.init.plan import plan
from brickbook.init.rows import InitPlan, Load, Row, Run
from brickbook.init.streams import block_generator, check_seed, fill

__all__ = ["InitReport", "Record", "carry_out", "initialize"]

LOG = logging.getLogger("brickbook")


@dataclass(frozen=True)
class Record:
    """What happened to one tensor: ``action`` is "written", "loaded", "called" or "left"."""

    name: str
    action: str
    source: str
    law: str = ""
    reason: str = ""


@dataclass(frozen=True)
class InitReport(Mapping[str, Record]):
    """The record of an initialisation: what was written, by which rule, and what was left."""

    plan: InitPlan
    records: tuple[Record, ...]
    seed: int | None = None
    matches: tuple[Match, ...] = ()
    by_name: Mapping[str, Record] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the records."""
        object.__setattr__(self, "by_name", {item.name: item for item in self.records})

    def __getitem__(self, name: str) -> Record:
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.records)

    def named(self, *actions: str) -> tuple[str, ...]:
        """Return the names of the tensors to which one of ``actions`` happened."""
        return tuple(item.name for item in self.records if item.action in actions)

    @property
    def written(self) -> tuple[str, ...]:
        """The parameters that a law or a checkpoint has written."""
        return self.named("written", "loaded")

    @property
    def untouched(self) -> tuple[str, ...]:
        """The parameters that are as they were."""
        return self.named("left")

    def __repr__(self) -> str:
        parts = [
            f"{len(self.named(action))} {words}"
            for action, words in (
                ("written", "written by a law"),
                ("loaded", "loaded"),
                ("called", "left to own code"),
                ("left", "left as they were"),
            )
            if self.named(action)
        ]
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"InitReport: {len(self)} parameters: {', '.join(parts) or 'none'}{seed}"

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        return {
            "seed": self.seed,
            "records": [vars(item) for item in self.records],
            "plan": self.plan.to_dict(),
        }


def initialize(
    module: nn.Module, init_cfg: object = None, *, strict: bool = False, seed: int | None = None
) -> InitReport:
    """Start a model's weights as ``init_cfg`` says, and report what was done.

    ``init_cfg`` is a dict or a list of dicts: ``type`` names an initialiser (`INITIALIZERS`),
    ``layer`` the classes meant, ``override`` parts of the model by name. It is not changed.
    With None, the modules' own configs are carried out, as `BaseModule.init_weights` does.
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
    """Write what a plan says into the model it was made for."""
    check_seed(seed)
    parameters = dict(model.named_parameters(remove_duplicate=False))
    check(todo, parameters)
    states = [(load, *fetch(load, model)) for load in todo.loads]
    filled = {
        id(named_tensors(model.get_submodule(load.name))[key])
        for load, _, found in states
        for key in found.loaded
    }
    loaded = {name for name, value in parameters.items() if id(value) in filled}
    todo.warn()
    with put_back_on_error(parameters, when=bool(todo.runs or todo.loads)):
        for step in steps(todo, loaded):
            if isinstance(step, Run):
                run(step, model, seed)
            else:
                write(step, parameters[step.name], seed)
        for load, state, _ in states:
            load_state_dict(model.get_submodule(load.name), state)
        for row in todo.planned:
            if row.after_load:
                write(row, parameters[row.name], seed)
    report = InitReport(todo, records(todo, loaded), seed, tuple(found for _, _, found in states))
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
    """Read a checkpoint and hold it against its part of the model; nothing is written.

    Raises what `read_state` raises, and RuntimeError if nothing in the file fits.
    """
    path = f"{load.path}.checkpoint"
    state = read_state(
        load.init.checkpoint,
        prefix=load.init.prefix,
        map_location=load.init.map_location or "cpu",
        path=path,
    )
    found = match(state, model.get_submodule(load.name))
    found.check(path)
    return state, found


def steps(todo: InitPlan, loaded: set[str]) -> list[Row | Run]:
    """Return what is done before checkpoints, in mmcv's order; loaded tensors are not drawn."""
    rows = [row for row in todo.planned if not row.after_load and row.name not in loaded]
    return sorted((*rows, *todo.runs), key=lambda step: step.order)


def write(row: Row, tensor: Tensor, seed: int | None) -> None:
    """Write one parameter by its law."""
    if row.law is not None:
        fill(tensor, row.law, row.name, seed)


@contextmanager
def put_back_on_error(parameters: Mapping[str, Tensor], *, when: bool) -> Iterator[None]:
    """Keep a copy of the parameters while own code or a checkpoint may fail; restore it if so."""
    copies = {name: value.detach().clone() for name, value in parameters.items()} if when else {}
    try:
        yield
    except BaseException:
        with torch.no_grad():
            for name, copy in copies.items():
                parameters[name].copy_(copy)
        raise


def run(step: Run, model: nn.Module, seed: int | None) -> None:
    """Call somebody's own code: an ``init_weights``, or an initialiser of their own.

    With a seed, torch's generator is set for the call, from the seed and the call's path, and put
    back afterwards.
    """
    module: Any = model.get_submodule(step.name)
    init: Any = step.rule.init if step.rule else None
    if isinstance(init, BaseInit):
        init.wholemodule = step.whole
    with torch.random.fork_rng(enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(block_generator(seed, step.path, 0).initial_seed())
        init(module) if init else module.init_weights()


def records(todo: InitPlan, loaded: set[str]) -> tuple[Record, ...]:
    """Say for every row of the plan what became of it."""
    return tuple(record(row, row.name in loaded, todo) for row in todo.rows)


def record(row: Row, loaded: bool, todo: InitPlan) -> Record:
    """Say what became of one row."""
    runs = {item.path for item in todo.runs}
    calls = [path for path in row.then if path in runs]
    if loaded and not row.after_load:
        return Record(row.name, "loaded", next(path for path in row.then if path not in runs))
    if row.law is not None:
        return Record(row.name, "written", row.source, str(row.law))
    if calls:
        return Record(row.name, "called", calls[-1])
    return Record(row.name, "left", "", reason=row.reason)
