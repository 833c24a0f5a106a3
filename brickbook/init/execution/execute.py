"""Carry out a plan: everything is checked and read first, then each tensor is written once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from functools import lru_cache
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from brickbook.checkpoint import Match
from brickbook.errors import BadArgumentError, BadValueError, Sentence
from brickbook.init.execution.audit import WriteAudit, tied_owners
from brickbook.init.execution.checkpoints import PendingLoad, load_checkpoint, read_checkpoints
from brickbook.init.execution.report import InitReport, Outcome
from brickbook.init.execution.rng import SeededRng
from brickbook.init.execution.shards import check_shards, check_summoned, unsharded
from brickbook.init.execution.writer import ParameterWriter, tensors_of
from brickbook.init.initializers import BaseInit
from brickbook.init.laws import ComplexUniform, Constant, Law, Normal, TruncNormal, Uniform
from brickbook.init.planning import (
    CustomCall,
    FrozenPolicy,
    InitOptions,
    InitPlan,
    Phase,
    PlanRow,
    PrecedenceOrder,
    plan_with_tensors,
    writing_order,
)
from brickbook.introspect import (
    FILLABLE_DTYPES,
    SignalDeferral,
    is_plain,
    keeps_grad_mode,
    modes_are_active,
    pinned,
    plain_name,
    rollback_on_error,
    spectral_origin,
    tensors_in,
)

__all__ = ["Execution", "affected_tensors", "check_draws", "execute", "initialize"]

PLAIN_LAWS = (Constant, Normal, Uniform, ComplexUniform, TruncNormal)  # drawn by torch's kernels
ANY_DRAW = Normal(0.0, 1.0)  # stands for custom init code, which may draw
LOG = logging.getLogger("brickbook")
TORCH_GENERATOR_LOCK = threading.RLock()  # held while torch's generator has a seed of ours


@keeps_grad_mode
def initialize(
    module: nn.Module,
    init_cfg: object = None,
    *,
    strict: bool = False,
    seed: int | None = None,
    order: PrecedenceOrder = "brickbook",
    frozen: FrozenPolicy = "init",
    only_missing: bool = False,
    protect: Sequence[str | type] | str | type = (),
    reinitialize: bool = False,
    assume_loaded: Collection[str | type] | str | type | None = None,
    atomic: bool = False,
    batch: object = None,
) -> InitReport:
    """Initialise a model's weights as ``init_cfg`` says, and report what was done.

    Everything is checked before the first write.

    Args:
        module: The model.
        init_cfg: A dict or a list of dicts, which are not changed: ``type`` names an initialiser
            (`INITIALIZERS`), ``layer`` the layers meant (classes, dotted names, patterns,
            parameters), ``override`` parts of the model by name. With None, the modules' own
            configs are carried out, as their ``init_weights`` does.
        strict: Raise for a rule that matches nothing, which else warns.
        seed: None draws from torch's generator in mmcv's order; with a seed each parameter has a
            stream of its own, derived from the seed and its name.
        order: As in `plan`, and so are the five that follow.
        frozen: Whether parameters that take no gradient are written.
        only_missing: Leave what was loaded.
        protect: What nothing may write.
        reinitialize: Initialise again what is initialised already.
        assume_loaded: What was loaded by other functions than brickbook's.
        atomic: Keep a copy of the model, and put it back on any exception.
        batch: What data-driven rules run the model on: a tensor, a tuple of arguments or a dict of
            keyword arguments.

    Returns:
        The record of what happened to every parameter.

    Raises:
        ConfigError: For a config that cannot be carried out; it also is mmcv's TypeError, KeyError,
            ValueError or RuntimeError.

    >>> model = nn.Linear(4, 2)
    >>> initialize(model, dict(type="Constant", layer="Linear", val=1.0, bias=2.0))
    InitReport: 2 parameters: 2 written by a law
    """
    options = InitOptions(strict, order, frozen, only_missing, protect, reinitialize, assume_loaded)
    plan, tensors = plan_with_tensors(module, init_cfg, options)
    return execute(plan, module, seed=seed, atomic=atomic, batch=batch, tensors=tensors)


@keeps_grad_mode
def execute(
    plan: InitPlan,
    model: nn.Module,
    *,
    seed: int | None = None,
    atomic: bool = False,
    batch: object = None,
    tensors: Mapping[str, Tensor] | None = None,
) -> InitReport:
    """Write what a plan says into the model it was made for.

    Nothing is written if anything can be known to be wrong. A copy of what may change is kept (with
    ``atomic``, or where data is run through the model: of everything), and put back, whatever the
    exception or interrupt (Ctrl-C, or a SIGTERM that has a handler in Python). Only where nothing
    but torch's kernels write plain numbers, which does not fail, more than 16 MiB are not copied,
    and an interrupt waits until the writing is done.

    Args:
        plan: What `plan` returned for this model.
        model: The model.
        seed: As in `initialize`.
        atomic: As in `initialize`.
        batch: As in `initialize`.
        tensors: What `tensors_of` returns, where the caller has it.

    Raises:
        ConfigError: If the plan is for another model, or cannot be carried out.
    """
    rng = SeededRng.from_seed(seed)
    if tensors is None:
        tensors = tensors_of(model, plan)
        check_shapes(plan, tensors)
    check_memory(plan, tensors)
    check_draws(plan, model, tensors, batch, rng, caller="initialize")
    writer = ParameterWriter(plan, model, tensors, rng)
    execution = Execution(plan, model, writer, read_checkpoints(plan, model))
    plan.warn()
    with guard(plan, model, writer, atomic=atomic) as signals:
        with execution.pinned_rows():
            execution.write_and_call()
            execution.load()
            execution.fit(batch)
        report = execution.report()
        LOG.info("%s: %r", type(model).__name__, report)
        execution.mark_initialized()
        signals.deferring = True  # an interrupt comes too late now
    return report


def guard(
    plan: InitPlan, model: nn.Module, writer: ParameterWriter, *, atomic: bool
) -> AbstractContextManager[SignalDeferral]:
    """Return what puts the model back if a plan fails; where nothing fails, an interrupt waits."""
    written = [writer.tensors[row.name] for row in plan.rows if row.law is not None]
    plain = all(is_plain_draw(law, getattr(torch, dtype)) for law, dtype in plan.draws) and all(
        # what a law can fill is plain where it is contiguous, which is sooner known
        (type(tensor) is nn.Parameter and tensor.is_contiguous()) or is_plain(tensor)
        for tensor in written
    )
    if atomic or plan.fits:  # a fit runs the whole model
        return rollback_on_error(model)
    if plain and not (plan.runs or plan.loads or writer.computed_rows or modes_are_active()):
        return rollback_on_error(model, written, plain=True)
    return rollback_on_error(model, affected_tensors(plan, model, writer.tensors))


@lru_cache(4096)
def is_plain_draw(law: Law, dtype: torch.dtype) -> bool:
    """Whether torch's kernels draw a law's numbers in a dtype: one of ours, and its numbers fit."""
    if type(law) not in PLAIN_LAWS or (dtype not in FILLABLE_DTYPES and type(law) is not Constant):
        return False
    try:
        (low, high), std = law.support, law.std
        return low <= high and std >= 0
    except Exception:  # whatever is wrong with it, the draw itself will say it
        return False


class Execution:
    """One run of a plan: laws and custom init code, then checkpoints, then fits to data.

    Attributes:
        writer: Writes rows into the tensors that the model has now.
        audit: Which step wrote each parameter last.
        names_with_values: The tensors that had values before: resets change none of them, and
            pinned ones get theirs back. None: all.
        matches: What each checkpoint has filled.
    """

    def __init__(
        self,
        plan: InitPlan,
        model: nn.Module,
        writer: ParameterWriter,
        pending: Sequence[PendingLoad] = (),
        names_with_values: Collection[str] | None = None,
    ) -> None:
        self.plan, self.model, self.writer, self.pending = plan, model, writer, pending
        self.names_with_values = names_with_values
        self.audit = WriteAudit(model, tied_owners(model) if plan.runs else {})
        self.matches: tuple[Match, ...] = ()

    def pinned_rows(self) -> AbstractContextManager[None]:
        """Give pinned tensors their values and places back after the block."""
        tensors, known = self.writer.tensors, self.names_with_values
        if not (self.plan.runs or self.plan.loads):
            return nullcontext()
        names = (row.name for row in self.plan.rows if row.pinned and row.name in tensors)
        kept = [tensors[name] for name in names if known is None or name in known]
        return pinned(kept, self.model)

    def write_and_call(self) -> None:
        """Write laws and run custom init code, in the plan's order.

        What a checkpoint fills afterwards is not drawn.
        """
        loaded = {id(tensor) for load in self.pending for tensor in load.filled(self.model)}
        steps = ordered_steps(self.plan, self.writer.tensors, loaded)
        for call, group in groupby(steps, custom_call_of) if self.plan.runs else [(None, steps)]:
            if call is None:
                rows: list[Any] = list(group)
                self.writer.write(rows)
                self.audit.record_written(rows)
            else:
                self.run_custom_init(call)

    def run_custom_init(self, call: CustomCall) -> None:
        """Run custom init code, and note what it has changed; a reset keeps what had values."""
        module, dot = self.model.get_submodule(call.name), f"{call.name}." if call.name else ""
        keep: set[str] = set()
        if call.phase is Phase.RESETS:
            keep = {name for name in self.names_with_values or () if name.startswith(dot)}
        tensors = (
            [tensor for name, tensor in tensors_in(module) if dot + name in keep] if keep else ()
        )
        with (
            unsharded(module),
            pinned(tensors),
            self.audit.watch(call.path, call.name, ignored=keep),
        ):
            call_custom_init(call, module, self.writer.rng)
        self.writer.refresh(call.name)

    def load(self) -> None:
        """Load the checkpoints, each followed by the laws that stand in its own entry."""
        for pending in self.pending:
            found, loaded = load_checkpoint(pending, self.model)
            self.matches += (found,)
            self.audit.record_loaded(pending.load.path, loaded)
            after = [row for row in self.plan.planned if row.after_load == pending.load.path]
            self.writer.write(after)
            self.audit.discard(self.writer.tensors[row.name] for row in after)

    def fit(self, batch: object) -> None:
        """Let data-driven rules adjust what they drew, unless something was written over it."""
        tensors = self.writer.tensors
        for fit in self.plan.fits:
            drawn = [
                row for row in self.plan.planned if row.source == fit.path and len(row.shape) > 1
            ]
            names = [row.name for row in drawn if not self.audit.is_overwritten(row, tensors)]
            if names:
                fit.init.adjust(self.model, names, batch)  # pyright: ignore[reportAttributeAccessIssue]
            self.audit.fitted.update(names)

    def mark_initialized(self) -> None:
        """Set the flag of each BaseModule that the plan initialises."""
        for name in self.plan.starts:
            setattr(self.model.get_submodule(name), "_is_init", True)  # noqa: B010 - any BaseModule

    def report(self, more: Mapping[str, Outcome] | None = None) -> InitReport:
        """Return the record of what was done; ``more`` are outcomes that only the caller knows."""
        outcomes = self.audit.outcomes(self.plan, self.writer.tensors)
        return InitReport(
            self.plan, {**outcomes, **(more or {})}, self.writer.rng.seed, self.matches
        )


def call_custom_init(call: CustomCall, module: Any, rng: SeededRng) -> None:
    """Call custom init code on a module: its ``init_weights``, or an initialiser of the user's.

    With a seed, torch's generator is set for the call, from the seed and the call's path, and put
    back afterwards; modules that are initialised inside the call go on with the seed. All threads
    share that generator, so that one of them at a time makes such a call.
    """
    init: Any = call.rule.init if call.rule else None
    if isinstance(init, BaseInit):
        init.wholemodule = call.whole_module

    def run() -> None:
        lock = nullcontext() if rng.seed is None else TORCH_GENERATOR_LOCK
        with lock, rng.scoped(call.name, call.path):
            init(module) if init is not None else module.init_weights()

    copy_context().run(run)  # so that an interrupt, whenever it comes, leaves no stream behind


def ordered_steps(
    plan: InitPlan, tensors: Mapping[str, Tensor], loaded_ids: Collection[int]
) -> list[PlanRow | CustomCall]:
    """Return what is done before checkpoints, in mmcv's order; what they fill is not drawn."""
    rows = plan.planned
    if plan.loads:
        rows = tuple(
            row
            for row in rows
            if not row.after_load and id(tensors.get(row.name)) not in loaded_ids
        )
    if not plan.runs:
        return [*rows]
    return sorted((*rows, *plan.runs), key=writing_order)


def custom_call_of(step: PlanRow | CustomCall) -> CustomCall | None:
    """Return a step that is custom init code, None for a law."""
    return step if isinstance(step, CustomCall) else None


def affected_tensors(
    plan: InitPlan, model: nn.Module, tensors: Mapping[str, Tensor]
) -> list[Tensor]:
    """Return the tensors that a plan may change, each once."""
    found: dict[int, Tensor] = {}
    for row in plan.rows:
        if row.law is not None and row.kind != "parametrised":
            found[id(tensors[row.name])] = tensors[row.name]
        elif row.law is not None:
            owner, _, key = row.name.rpartition(".")
            chain = model.get_submodule(f"{owner}.parametrizations.{key}".lstrip("."))
            found.update((id(tensor), tensor) for tensor in (*chain.parameters(), *chain.buffers()))
        if row.law is not None and (origin := spectral_origin(model, row.name)):
            found.update((id(tensor), tensor) for tensor in origin[0].buffers())
    for step in (*plan.runs, *plan.loads):
        part = model.get_submodule(step.name)
        found.update((id(tensor), tensor) for tensor in (*part.parameters(), *part.buffers()))
    return list(found.values())


def check_shapes(plan: InitPlan, tensors: Mapping[str, Tensor]) -> None:
    """Refuse a plan whose laws have no tensor of their shape."""
    for row in plan.rows:
        if row.law is not None and row.kind != "parametrised":
            tensor = tensors.get(row.name)
            if tensor is None or tensor.shape != row.shape:
                raise BadValueError(row.name, "the plan was made for another model.")


def check_memory(plan: InitPlan, tensors: Mapping[str, Tensor]) -> None:
    """Refuse a plan whose laws have no memory to write to."""
    if not any(tensor.is_meta for tensor in tensors.values()):
        return
    for row in plan.rows:
        if row.law is not None and row.kind != "parametrised" and tensors[row.name].is_meta:
            raise BadValueError(
                row.name,
                "it is on the meta device: there is no memory to write to.",
                "Call materialize(model, init_cfg, device=...) for such a model.",
            )


def check_draws(
    plan: InitPlan,
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    batch: object,
    rng: SeededRng,
    *,
    caller: str,
) -> None:
    """Refuse shards that cannot be drawn, names that would share a stream, and missing data.

    Args:
        plan: The plan; what its custom init code may draw counts as drawn.
        model: The model.
        tensors: The model's tensors by name.
        batch: What data-driven rules run the model on; None is refused if there are any.
        rng: What the numbers are drawn from.
        caller: The public function that takes the batch, for the hint.
    """
    paths = {call.path for call in plan.runs}

    def draws() -> Iterator[tuple[str, Law]]:
        here = [row for row in plan.rows if row.name in tensors]
        yield from ((row.name, row.law) for row in here if row.law)
        yield from ((row.name, ANY_DRAW) for row in here if not paths.isdisjoint(row.later_writers))

    check_shards(((tensors[name], law, name) for name, law in draws()), rng)
    check_summoned(draws(), model, rng)
    if rng.seed is not None:
        check_distinct_streams(name for name, _ in draws())
    for fit in plan.fits:
        if batch is None:
            problem = Sentence("{kind} runs the model on data.", kind=fit.kind)
            hint = Sentence("Pass batch=... to {caller}.", caller=caller)
            raise BadArgumentError(fit.path, problem, hint)


def check_distinct_streams(names: Iterable[str]) -> None:
    """Refuse two tensors of one stream: a submodule with the name of a wrapper hides its own."""
    first: dict[str, str] = {}
    for name in names:
        plain = plain_name(name)
        other = first.setdefault(plain, name)
        if other != name:
            raise BadValueError(
                name,
                Sentence(
                    "with a seed it would get the numbers of {other}: 'module' is taken for a "
                    "wrapper.",
                    other=other,
                ),
                "Give the submodule another name.",
            )
