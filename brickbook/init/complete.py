"""A plan for a model without values: what fills every tensor, and what nothing would fill."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.checkpoint.state import listed
from brickbook.errors import BadValueError
from brickbook.init.allocating import plain_attributes, tensors_in
from brickbook.init.default_rows import SOURCE, blank_row, default_rows
from brickbook.init.defaults import own_tensors
from brickbook.init.initplan import InitPlan
from brickbook.init.resets import resets_of
from brickbook.init.rows import Row, Run
from brickbook.init.targets import unfit
from brickbook.init.walking import walk

__all__ = ["Complete", "complete", "unfilled"]

HOPED = "may fill it"
SET = "it is set through"  # how the plan speaks of what a parametrisation is made of


@dataclass(frozen=True)
class Complete:
    """A plan with a row for every tensor that has no values.

    ``hoped`` are rows without a law that own code runs on (and may fill: it cannot be known
    before), ``lost`` those that nothing would fill.
    """

    todo: InitPlan
    hoped: tuple[Row, ...]
    lost: tuple[Row, ...]

    @property
    def without(self) -> tuple[Row, ...]:
        """The rows without a law."""
        return self.hoped + self.lost

    def left(self, missed: Collection[str]) -> Iterator[Row]:
        """Yield what stays unfilled, ``missed`` by own code."""
        yield from self.lost
        yield from (row for row in self.hoped if row.name in missed)


def complete(todo: InitPlan, model: nn.Module, loaded: Collection[int]) -> Complete:
    """Add torch's own laws to a plan, and the resets of modules; ``loaded`` are ids of tensors.

    Nothing is written.
    """
    todo = default_rows(todo, model)
    todo = replace(todo, rows=(*todo.rows, *further_rows(todo, model)))
    tensors = dict(tensors_in(model))
    sure = {*loaded, *(id(tensors[row.name]) for row in todo.rows if by_rule(row, tensors))}
    without = {id(tensor) for tensor in tensors.values() if tensor.is_meta} - sure
    todo = replace(todo, runs=(*todo.runs, *resets_of(model, without)))
    hoped, lost = {}, {}
    for row in todo.rows:
        tensor = tensors.get(row.name)
        filled = row.law is not None or row.tied_to or row.reason.startswith(SET)
        if filled or (tensor is not None and (id(tensor) in loaded or not tensor.is_meta)):
            continue
        row = foreseen(row, tensor, todo.runs)
        (hoped if row.reason.endswith(HOPED) else lost)[row.name] = row
    rows = tuple(hoped.get(row.name) or lost.get(row.name) or row for row in todo.rows)
    return Complete(replace(todo, rows=rows), tuple(hoped.values()), tuple(lost.values()))


def foreseen(row: Row, tensor: Tensor | None, runs: Iterable[Run]) -> Row:
    """Return the row of a tensor that no law fills with the reason for it."""
    calls = () if row.held or tensor is None else covering(runs, row)
    if tensor is not None and is_lazy(tensor):
        return row._replace(reason=unfit(tensor))
    if calls:
        return row._replace(reason=f"{', '.join(calls)} {HOPED}", then=tuple(calls))
    if row.then:
        reason = f"the checkpoint of {', '.join(row.then)} has no such tensor"
        return row._replace(reason=reason)
    return row


def by_rule(row: Row, tensors: dict[str, Tensor]) -> bool:
    """Whether a rule of the config, not torch's own law, starts a tensor."""
    return row.law is not None and row.source != SOURCE and row.name in tensors


def further_rows(todo: InitPlan, model: nn.Module) -> Iterator[Row]:
    """Yield rows for meta tensors that no plan speaks of: buffers, and plain attributes."""
    seen: dict[int, str] = {}
    for prefix, part in walk(model):
        for key, tensor in own_tensors(part):
            name = f"{prefix}.{key}" if prefix else key
            first = seen.setdefault(id(tensor), name)
            if key not in part._buffers or name in todo or not tensor.is_meta:
                continue
            tied = first if first != name else ""
            reason = f"it is {first}" if tied else f"no rule speaks of {type(part).__name__}"
            row = blank_row(name, "buffer", part, tensor)
            yield row._replace(reason=reason, tied_to=tied)
    names = {id(part): name for name, part in model.named_modules()}
    for part, key, tensor in plain_attributes(model):
        if id(tensor) not in seen:
            name = f"{names[id(part)]}.{key}".lstrip(".")
            reason = "it is neither a parameter nor a buffer"
            yield blank_row(name, "attribute", part, tensor)._replace(reason=reason)


def covering(runs: Iterable[Run], row: Row) -> list[str]:
    """Return the paths of the own code that is called on a tensor's module, or on one around it."""
    owner = row.name.rpartition(".")[0]
    return [
        run.path
        for run in runs
        if not run.name or owner == run.name or owner.startswith(f"{run.name}.")
    ]


def unfilled(rows: Iterable[Row], model: nn.Module) -> BadValueError:
    """Return the error for tensors that nothing fills, with how to address them."""
    rows = list(rows)
    reasons = dict.fromkeys("" if is_plain(row) else row.reason for row in rows)
    words = (row.name if is_plain(row) else f"{row.name} ({row.reason})" for row in rows)
    problem = f"nothing fills {listed(words)}."
    if len(reasons) == 1 and (reason := next(iter(reasons))):
        problem = f"nothing fills {listed(row.name for row in rows)}: {reason}."
    hints = []
    named = dict.fromkeys(
        repr(f"{row.module}:{row.name.rpartition('.')[2]}")
        for row in rows
        if may_be_named(row, model)
    )
    if named:
        hints.append(f"Name them in a rule: {listed(named, most=4)}.")
    tables = [row for row in rows if row.kind != "parameter" and not may_be_named(row, model)]
    if tables:
        hints.append(f"Give {tables[0].module} a reset_buffers(), or build it in skeleton().")
    hints.append("Or pass allow_uninitialized=True.")
    return BadValueError("model", problem, " ".join(hints))


def is_plain(row: Row) -> bool:
    """Whether there is no more to say than that no rule speaks of a tensor."""
    return row.reason.startswith("no rule speaks of")


def may_be_named(row: Row, model: nn.Module) -> bool:
    """Whether a rule can speak of a tensor: a parameter or a stored buffer that is not held."""
    owner, _, key = row.name.rpartition(".")
    if row.held or not (is_plain(row) or row.then):
        return False
    if row.kind == "buffer":
        return key not in model.get_submodule(owner)._non_persistent_buffers_set
    return row.kind == "parameter"
