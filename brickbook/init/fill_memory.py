"""Filling memory that a model has just got: laws, own code and checkpoints, in the plan's order."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.init.allocating import tensors_in
from brickbook.init.apply import fit_to_data, own_code, run, steps
from brickbook.init.complete import Complete, unfilled
from brickbook.init.loads import State, filled, load_all
from brickbook.init.pen import Pen, tensors_of
from brickbook.init.report import InitReport, Record
from brickbook.init.resets import blank, is_blank
from brickbook.init.rows import Row, Run
from brickbook.init.shards import whole
from brickbook.init.streams import Stream
from brickbook.init.telling import Told
from brickbook.keeping import held

__all__ = ["States", "Work"]

States = list[State]


class Work:
    """Filling the memory of a model that has just got it."""

    def __init__(self, found: Complete, model: nn.Module, stream: Stream) -> None:
        self.found, self.todo, self.model, self.stream = found, found.todo, model, stream
        self.told = Told(model)
        self.valued = {name for name, tensor in tensors_in(model) if not tensor.is_meta}

    def at_risk(self) -> list[Tensor]:
        """Return the tensors with values that may be changed, each once."""
        names = self.valued
        if not (self.todo.runs or self.todo.loads or self.todo.fits):
            names = names.intersection(row.name for row in self.todo.rows if row.law is not None)
        tensors = {id(t): t for name, t in tensors_in(self.model) if name in names}
        return list(tensors.values())

    def do(self, states: States, device: torch.device, batch: object, allow: bool) -> InitReport:
        """Draw, call and load, in the plan's order; ``allow`` what own code leaves unfilled."""
        todo, model, told = self.todo, self.model, self.told
        tensors = tensors_of(model, todo)
        marks = {row.name: blank(tensors.get(row.name)) for row in self.found.without}
        foreseen = {id(t) for load, _, found in states for t in filled(model, load, found)}
        with held(tensors[row.name] for row in todo.rows if row.held and row.name in self.valued):
            self.carry_out(steps(todo, tensors, foreseen))
            settle(model, device)
            pen = self.pen()
            matches = load_all(todo, model, states, pen, told)
        missed = {r.name for r in self.found.hoped if is_blank(pen.tensors[r.name], marks[r.name])}
        told.called.update((r.name, r.then[-1]) for r in self.found.hoped if r.name not in missed)
        if missed and not allow:
            raise unfilled((did_not(row) for row in self.found.hoped if row.name in missed), model)
        fit_to_data(todo, model, pen.tensors, told, batch)
        for name in todo.starts:
            setattr(model.get_submodule(name), "_is_init", True)  # noqa: B010 - any BaseModule
        records = told.records(todo, pen.tensors)
        records.update(
            (row.name, Record(row.name, "left", "", reason=f"{row.reason}; {marks[row.name]}"))
            for row in self.found.left(missed)
        )
        return InitReport(todo, records, self.stream.seed, matches)

    def carry_out(self, todo: Iterable[Row | Run]) -> None:
        """Write laws and call own code; a law has the last word on what own code did before."""
        for call, group in groupby(todo, own_code):
            if call is not None:
                self.call(call)
                continue
            rows: list[Any] = list(group)
            self.pen().write(rows)
            self.told.written(rows)

    def pen(self) -> Pen:
        """Return what writes into the tensors that the model has now: own code may replace them."""
        return Pen(self.todo, self.model, tensors_of(self.model, self.todo), self.stream)

    def call(self, step: Run) -> None:
        """Call own code; a reset changes nothing that has values."""
        part, dot = self.model.get_submodule(step.name), f"{step.name}." if step.name else ""
        keep = {name for name in self.valued if step.order < 0 and name.startswith(dot)}
        tensors = (
            [tensor for name, tensor in tensors_in(self.model) if name in keep] if keep else ()
        )
        told = Told(part)
        with whole(part), held(tensors), told.listening(step.path):
            run(step, self.model, self.stream)
        changed = {f"{dot}{name}": path for name, path in told.called.items()}
        self.told.called.update((name, path) for name, path in changed.items() if name not in keep)


def did_not(row: Row) -> Row:
    """Return the row of a tensor that own code did not fill after all."""
    return row._replace(reason=f"{', '.join(row.then)} did not fill it")


def settle(model: nn.Module, device: torch.device) -> None:
    """Move buffers that own code has made to the device."""
    for part in model.modules():
        for key, tensor in part._buffers.items():
            if tensor is not None and not is_lazy(tensor):
                part._buffers[key] = tensor.to(device)
