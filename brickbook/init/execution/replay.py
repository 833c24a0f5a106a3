"""The start of a model that was traced without memory, done again with memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.errors import BadArgumentError, Sentence, wrong_value
from brickbook.init.execution.execute import Execution
from brickbook.init.laws import Constant, law_in_dtype
from brickbook.init.planning import (
    CompletedPlan,
    CustomCall,
    InitPlan,
    Phase,
    PlanRow,
    Reason,
    Rule,
    Why,
    extra_rows,
)
from brickbook.init.tracing import (
    History,
    Tape,
    TracedTensor,
    built_on_meta,
    history_of,
    plan_row,
)
from brickbook.introspect import (
    FILLABLE_DTYPES,
    is_sharded,
    local_shard,
    meta_attributes,
    tensors_in,
    unfillable_reason,
)

__all__ = ["TracedStart"]

LAST = 1 << 40  # own code comes after all rules, in the order of the model
STAY = (Why.ALREADY_INITIALIZED, Why.SET_THROUGH, Why.COMPUTED_FROM)


@dataclass(frozen=True)
class OwnCode:
    """Does again what code has written that no law describes: draws, and what it made of them.

    Attributes:
        start: the traced start that it is part of.
        name: the tensor.
        source: the tensor in the model that was traced.
    """

    start: TracedStart
    name: str
    source: Tensor

    @torch.no_grad()
    def __call__(self, module: nn.Module) -> None:
        """Fill the tensor, which is one of the module's; leave it where that cannot be done."""
        value = self.start.tape.play(self.source, self.start.filled(), draw=True)
        tensor = dict(tensors_in(module))[self.name.rpartition(".")[2]]
        if value is not None:
            tensor.copy_(value)


class TracedStart:
    """How a model starts itself: the laws of its tensors, and the values of those not drawn.

    Attributes:
        source: the model that was traced, on the meta device.
        model: the model to fill, with tensors of the same names.
        history: what the construction of ``source`` has written.
        values: what was computed without a draw, by name.
    """

    def __init__(self, source: nn.Module, model: nn.Module, history: History, tape: Tape) -> None:
        self.source, self.model, self.history, self.tape = source, model, history, tape
        # Before the model gets memory, which may be the one that was traced.
        self.sources = {**dict(tensors_in(source)), **attributes_of(source)}
        self.values: dict[str, Tensor] = {}

    @classmethod
    def read(cls, model: object, trace: object) -> TracedStart | None:
        """Build a model under a trace, as the arguments of `materialize` say; None without one.

        Args:
            model: what builds the model, or a model that exists.
            trace: whether to trace; for a model that exists, what builds another one like it.
        """
        if trace is False:
            return None
        existing = isinstance(model, nn.Module)
        if existing and (trace is True or not callable(trace)):
            raise BadArgumentError(
                "trace", "how a model that exists has started is not known.",
                "Give what builds one like it: trace=function.",
            )  # fmt: skip
        if not existing and trace is not True:
            problem = wrong_value("True or False", trace)
            raise BadArgumentError("trace", problem, "A function is for a model that exists.")
        return cls.build(
            trace if existing else model, model if isinstance(model, nn.Module) else None
        )

    @classmethod
    def build(cls, make: object, model: nn.Module | None = None) -> TracedStart:
        """Build a model under a trace.

        Args:
            make: what builds it.
            model: the one to fill, by default the one that is built.
        """
        tape = Tape()
        source, watch = built_on_meta(make, tape)
        if any(is_sharded(tensor) for _, tensor in tensors_in(source)):
            raise BadArgumentError(
                "trace", "what builds the model shards it: what is written then is not seen.",
                "Give the sharded model, and what builds it before: trace=function.",
            )  # fmt: skip
        target = source if model is None else model
        check_alike({name: shape_of(tensor) for name, tensor in tensors_in(source)}, target)
        return cls(source, target, history_of(source, watch), tape)

    def complete(self, plan: InitPlan, loaded_ids: Collection[int]) -> CompletedPlan:
        """Return a plan with the laws that were traced, for what no rule matches.

        Args:
            plan: the plan of the model by its rules.
            loaded_ids: the ids of the tensors that checkpoints fill.
        """
        plan = replace(plan, rows=(*plan.rows, *extra_rows(plan, self.model)))
        tensors = {**dict(tensors_in(self.model)), **attributes_of(self.model)}
        rows: list[PlanRow] = []
        for at, row in enumerate(plan.rows):
            traced, tensor = self.history.get(row.name), tensors.get(row.name)
            filled = tensor is None or not (tensor.is_meta or self.model is self.source)
            if traced is not None and tensor is not None and is_open(row) and not filled:
                row = with_traced(row, traced, at, tensor)
            rows.append(row)
        plan = replace(plan, rows=tuple(rows))
        calls: list[CustomCall] = []
        uncertain, uncovered = [], []
        for row in rows:
            tensor = tensors.get(row.name)
            if tensor is None or not (is_open(row) and tensor.is_meta) or id(tensor) in loaded_ids:
                continue
            source = self.sources.get(row.name)
            if is_lazy(tensor):
                why = Reason(Why.UNFILLABLE, unfillable_reason(tensor))
                uncovered.append(row._replace(why=why))
                continue
            if row.is_left(Why.COMPUTED, Why.PLAIN_ATTRIBUTE) and source is not None:
                value = self.tape.play(source) if source.is_meta else source
                if value is not None:
                    self.values[row.name] = value
                    continue
            if row.is_left(Why.OWN_CODE, Why.LOADED) and row.why and source is not None:
                path = f"{row.name} by {row.why.details[0]}"
                code = OwnCode(self, row.name, source)
                owner = row.name.rpartition(".")[0]
                rule = Rule(path, "own code", code)
                calls.append(CustomCall(path, owner, LAST + len(calls), rule))
                uncertain.append(row._replace(later_writers=(path,)))
            else:
                uncovered.append(row)
        changed = {row.name: row for row in uncertain}
        plan = replace(
            plan,
            rows=tuple(changed.get(row.name, row) for row in rows),
            runs=(*plan.runs, *calls),
        )
        return CompletedPlan(plan, tuple(uncertain), tuple(uncovered))

    def filled(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the tensors that were traced and have numbers now, with these."""
        now = dict(tensors_in(self.model))
        for name, source in self.sources.items():
            tensor = now.get(name)
            if tensor is not None and not tensor.is_meta:
                yield source, tensor.detach()

    @torch.no_grad()
    def write_values(self, execution: Execution, device: torch.device) -> None:
        """Write the values that the construction has computed."""
        tensors = dict(tensors_in(self.model))
        for name, value in self.values.items():
            tensor = tensors.get(name)
            if tensor is not None and is_sharded(tensor):
                local_shard(tensor).copy_from(value.to(tensor.device).reshape(-1), 0)
            elif tensor is not None:
                tensor.copy_(value)
            else:
                owner, _, key = name.rpartition(".")
                vars(self.model.get_submodule(owner))[key] = value.to(device)
            execution.audit.written_by_code[name] = "its constructor"


def attributes_of(model: nn.Module) -> dict[str, Tensor]:
    """Return the tensors without memory that are neither parameter nor buffer, by name."""
    names = {id(module): name for name, module in model.named_modules()}
    return {
        f"{names[id(module)]}.{key}".lstrip("."): tensor
        for module, key, tensor in meta_attributes(model)
    }


def check_alike(built: Mapping[str, tuple[int, ...]], model: nn.Module) -> None:
    """Refuse what was built, tensors by names and shapes, if it is another model than this one."""
    for name, tensor in tensors_in(model):
        shape = shape_of(tensor)
        if built.get(name) != shape:
            if name not in built:
                problem = Sentence("it builds another model: there is no {name} in it.", name=name)
            else:
                text = "it builds another model: {name} is {there} there, here {here}."
                problem = Sentence(text, name=name, there=built[name], here=shape)
            raise BadArgumentError("trace", problem)


def shape_of(tensor: Tensor) -> tuple[int, ...]:
    """Return the shape of a tensor; a lazy one has none yet."""
    return () if is_lazy(tensor) else tuple(tensor.shape)


def is_open(row: PlanRow) -> bool:
    """Whether no rule fills a tensor and nothing says that it stays: the traced law may fill it."""
    return row.law is None and not (row.tied_to or row.pinned or row.is_left(*STAY))


def with_traced(row: PlanRow, traced: TracedTensor, at: int, tensor: Tensor) -> PlanRow:
    """Return a row with the law that was traced, or with why there is none."""
    law = traced.law
    if law is None or not (isinstance(law, Constant) or tensor.dtype in FILLABLE_DTYPES):
        return row if traced.why is None else row._replace(why=traced.why)
    seen = plan_row(traced)
    return row._replace(
        law=law_in_dtype(law, tensor.dtype), source=seen.source, rule=seen.rule, why=None,
        padding=traced.padding, order=at, phase=Phase.TORCH_DEFAULTS,
    )  # fmt: skip
