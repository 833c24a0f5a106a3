"""Carrying a plan out: everything is checked and loaded first, then each tensor is written once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from contextvars import copy_context
from itertools import groupby
from typing import Any

from torch import Tensor, nn

from brickbook.errors import BadArgumentError, BadValueError
from brickbook.init.initializers import BaseInit
from brickbook.init.initplan import InitPlan
from brickbook.init.laws import Normal
from brickbook.init.loads import fetch, filled, load_all
from brickbook.init.matching import plain_name
from brickbook.init.pen import Pen, tensors_of
from brickbook.init.plan import Frozen, Options, Order, plan_with_tensors
from brickbook.init.report import InitReport
from brickbook.init.rows import Row, Run
from brickbook.init.shards import check_shards, whole
from brickbook.init.streams import Stream
from brickbook.init.telling import Told, owners_of
from brickbook.keeping import held, no_collection, put_back_on_error, uninterrupted

__all__ = ["carry_out", "initialize"]

DRAWN = Normal(0.0, 1.0)  # own code may draw
LOG = logging.getLogger("brickbook")


def initialize(
    module: nn.Module,
    init_cfg: object = None,
    *,
    strict: bool = False,
    seed: int | None = None,
    order: Order = "brickbook",
    frozen: Frozen = "init",
    only_missing: bool = False,
    protect: Sequence[str | type] | str | type = (),
    reinitialize: bool = False,
    atomic: bool = False,
    batch: object = None,
) -> InitReport:
    """Start a model's weights as ``init_cfg`` says, and report what was done.

    ``init_cfg`` is a dict or a list of dicts: ``type`` names an initialiser (`INITIALIZERS`),
    ``layer`` the layers meant (classes, dotted names, patterns, parameters: `read_selector`),
    ``override`` parts of the model by name. It is not changed. With None, the modules' own configs
    are carried out, as their ``init_weights`` does. Everything is checked before the first write; a
    rule that matches nothing warns, or raises with ``strict=True``.

    ``seed=None`` draws from torch's generator in mmcv's order; with a seed each parameter has a
    stream of its own, derived from the seed and its name. ``atomic=True`` keeps a copy of the model
    and puts it back on any exception. ``batch`` is what data-driven rules run the model on: a
    tensor, a tuple of arguments or a dict of keyword arguments. The other options are those of
    `plan`.

    Raises ConfigErrors that also are mmcv's TypeError, KeyError, ValueError or RuntimeError.

    >>> model = nn.Linear(4, 2)
    >>> initialize(model, dict(type="Constant", layer="Linear", val=1.0, bias=2.0))
    InitReport: 2 parameters: 2 written by a law
    """
    options = Options(strict, order, frozen, only_missing, protect, reinitialize)
    todo, tensors = plan_with_tensors(module, init_cfg, options)
    # Own code, files and data may leave garbage worth collecting; laws leave none.
    plain = not (todo.runs or todo.loads or todo.fits)
    with no_collection() if plain else nullcontext():
        return carry_out(todo, module, seed=seed, atomic=atomic, batch=batch, tensors=tensors)


def carry_out(
    todo: InitPlan,
    model: nn.Module,
    *,
    seed: int | None = None,
    atomic: bool = False,
    batch: object = None,
    tensors: Mapping[str, Tensor] | None = None,
) -> InitReport:
    """Write what a plan says into the model it was made for.

    Nothing is written if anything can be known to be wrong. Where own code, a checkpoint or data
    may fail on the way, a copy of what they and the laws touch is kept (with ``atomic``: of
    everything), and put back if that does or if it is interrupted, by Ctrl-C or by a SIGTERM that
    has a handler in Python. Otherwise an interrupt waits until the writing is done.
    """
    stream = Stream.of(seed)
    tensors = tensors_of(model, todo) if tensors is None else tensors
    check(todo, tensors, batch, stream)
    pen = Pen(todo, model, tensors, stream)
    states = [(load, *fetch(load, model)) for load in todo.loads]
    foreseen = {id(tensor) for load, _, found in states for tensor in filled(model, load, found)}
    todo.warn()
    told = Told(model, owners_of(model) if todo.runs else {})
    with ExitStack() as stack:
        if atomic:
            gate = stack.enter_context(put_back_on_error(model))
        elif todo.runs or todo.loads or todo.fits or pen.computed:
            gate = stack.enter_context(put_back_on_error(model, touched(todo, model, pen)))
        else:
            gate = stack.enter_context(uninterrupted())
        if todo.runs or todo.loads:
            kept = (row.name for row in todo.rows if row.held)  # a computed one by what it is from
            stack.enter_context(held([tensors[name] for name in kept if name in tensors], model))
        for call, group in groupby(steps(todo, tensors, foreseen), own_code):
            if call is None:
                rows: list[Any] = list(group)
                pen.write(rows)
                told.written(rows)
            else:
                with whole(model.get_submodule(call.name)), told.listening(call.path, call.name):
                    run(call, model, stream)
        matches = load_all(todo, model, states, pen, told)
        fit_to_data(todo, model, pen.tensors, told, batch)
        for name in todo.starts:
            setattr(model.get_submodule(name), "_is_init", True)  # noqa: B010 - any BaseModule
        gate.closed = True
    report = InitReport(todo, told.records(todo, tensors), stream.seed, matches)
    LOG.info("%s: %r", type(model).__name__, report)
    return report


def check(todo: InitPlan, tensors: Mapping[str, Tensor], batch: object, stream: Stream) -> None:
    """Refuse what cannot be written, before anything is."""
    for row in todo.rows:
        if row.law is None or row.kind == "parametrised":
            continue
        tensor = tensors.get(row.name)
        if tensor is None or tensor.shape != row.shape:
            raise BadValueError(row.name, "the plan was made for another model.")
        if tensor.is_meta:
            raise BadValueError(
                row.name,
                "it is on the meta device: there is no memory to write to.",
                "Call materialize(model, init_cfg, device=...) for such a model.",
            )
    laws = [(row.name, row.law) for row in todo.rows if row.law and row.name in tensors]
    if todo.runs:
        own = {step.path for step in todo.runs}
        here = (row for row in todo.rows if row.name in tensors)
        laws += [(row.name, DRAWN) for row in here if not own.isdisjoint(row.then)]
    check_shards(((tensors[name], law, name) for name, law in laws), stream)
    if stream.seed is not None:
        check_streams(name for name, _ in laws)
    for fit in todo.fits:
        if batch is None:
            raise BadArgumentError(
                fit.path, f"{fit.kind} runs the model on data.", "Pass batch=... to initialize."
            )


def check_streams(names: Iterable[str]) -> None:
    """Refuse two tensors of one stream: a submodule with the name of a wrapper hides its own."""
    first: dict[str, str] = {}
    for name in names:
        plain = plain_name(name) if "module." in name or "_orig_mod." in name else name
        other = first.setdefault(plain, name)
        if other != name:
            raise BadValueError(
                name,
                f"with a seed it would get the numbers of {other}: "
                "'module' is taken for a wrapper.",
                "Give the submodule another name.",
            )


def fit_to_data(
    todo: InitPlan, model: nn.Module, tensors: Mapping[str, Tensor], told: Told, batch: object
) -> None:
    """Let data-driven rules go on with what they started, unless something came after them."""
    for fit in todo.fits:
        mine = [row for row in todo.planned if row.source == fit.path and len(row.shape) > 1]
        names = [row.name for row in mine if not told.overwritten(row, tensors)]
        if names:
            fit.init.adjust(model, names, batch)  # pyright: ignore[reportAttributeAccessIssue]
        told.fitted.update(names)


def touched(todo: InitPlan, model: nn.Module, pen: Pen) -> list[Tensor]:
    """Return the tensors that a plan may change, each once."""
    found = {id(tensor): tensor for tensor in pen.touched()}
    for step in (*todo.runs, *todo.loads):
        part = model.get_submodule(step.name)
        found.update((id(tensor), tensor) for tensor in (*part.parameters(), *part.buffers()))
    return list(found.values())


def steps(todo: InitPlan, tensors: Mapping[str, Tensor], foreseen: set[int]) -> list[Row | Run]:
    """Return what is done before checkpoints, in mmcv's order; what they fill is not drawn."""
    rows = todo.planned
    if todo.loads:
        rows = tuple(
            row for row in rows if not row.after_load and id(tensors.get(row.name)) not in foreseen
        )
    if not todo.runs:
        return [*rows]
    return sorted((*rows, *todo.runs), key=lambda step: step.order)


def own_code(step: Row | Run) -> Run | None:
    """Return a step that is somebody's own code, None for a law."""
    return step if isinstance(step, Run) else None


def run(step: Run, model: nn.Module, stream: Stream) -> None:
    """Call somebody's own code: an ``init_weights``, or an initialiser of their own.

    With a seed, torch's generator is set for the call, from the seed and the call's path, and put
    back afterwards; modules that start themselves inside the call go on with the seed.
    """
    module: Any = model.get_submodule(step.name)
    init: Any = step.rule.init if step.rule else None
    if isinstance(init, BaseInit):
        init.wholemodule = step.whole

    def call() -> None:
        with stream.inside(step.name, step.path):
            init(module) if init is not None else module.init_weights()

    copy_context().run(call)  # so that an interrupt, whenever it comes, leaves no stream behind
