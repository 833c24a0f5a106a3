"""A model under the init lab: its last initialisation, its numbers around it, and the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.errors import BadValueError
from brickbook.init.apply import carry_out
from brickbook.init.initplan import InitPlan
from brickbook.init.plan import plan
from brickbook.init.report import InitReport
from brickbook.lab.init_state import InitState
from brickbook.lab.init_words import size_text
from brickbook.measure.comparisons import Comparison, compare
from brickbook.measure.snapshots import Snapshot, snapshot

__all__ = ["UNDO_BUDGET", "AnotherModelError", "InitSession", "missing_files", "stranger"]

UNDO_BUDGET = 2 * 10**9
NOTHING_YET = "Nothing to undo yet."


class AnotherModelError(BadValueError):
    """A name that means another model than the one at hand."""


class InitSession:
    """Initialise a model and undo it; no widgets.

    ``lock`` is held while weights are read or written. Before an initialisation the tensors that
    it writes are copied to the CPU, if the copies take no more than ``undo_budget`` bytes; else
    there is no `undo`, and ``why_no_undo`` says so.
    """

    def __init__(
        self, model: nn.Module, lock: RLock | None = None, undo_budget: int = UNDO_BUDGET
    ) -> None:
        self.model, self.lock, self.undo_budget = model, lock or RLock(), undo_budget
        self.report: InitReport | None = None
        self.copies: dict[str, Tensor] = {}
        self.why_no_undo = NOTHING_YET
        self.comparison = self.look()

    def look(self, before: Snapshot | None = None) -> Comparison:
        """Read the model's numbers; without ``before`` they are compared with themselves."""
        with self.lock:
            after = snapshot(self.model)
        return compare(before or after, after)

    def plan(self, state: InitState) -> InitPlan:
        """Say what `apply` would do; nothing is written."""
        return plan(self.model, state.to_init_cfg())

    def apply(self, state: InitState) -> InitReport:
        """Initialise the model; if that fails, its weights are as they were.

        Rules without effect are in the report's plan; they raise no warnings.
        """
        with self.lock:
            todo = self.plan(state)
            before = snapshot(self.model)
            copies = self.keep(todo)
            try:
                done = carry_out(replace(todo, unmatched=()), self.model, seed=state.seed)
            except BaseException:
                self.put_back(copies)
                raise
            self.report, self.copies = replace(done, plan=todo), copies
            self.why_no_undo = "" if copies else self.why_not(todo) or NOTHING_YET
            self.comparison = self.look(before)
        return self.report

    def undo(self) -> None:
        """Put back what the last `apply` has written, bit for bit.

        Raises ValueError, with nothing written, if there is no copy or it fits no longer.
        """
        with self.lock:
            if self.why_no_undo:
                raise BadValueError("undo", self.why_no_undo)
            self.put_back(self.copies)
            self.forget()
            self.comparison = self.look()

    def why_not(self, todo: InitPlan) -> str:
        """Say why `undo` could not put back what a plan writes; "" if it could."""
        need = sum(tensor.numel() * tensor.element_size() for _, tensor in self.written_by(todo))
        if need <= self.undo_budget:
            return ""
        return (
            f"There will be no Undo: the old weights take {size_text(need)}B, "
            f"more than the budget of {size_text(self.undo_budget)}B (undo_budget)."
        )

    def keep(self, todo: InitPlan) -> dict[str, Tensor]:
        """Copy what a plan may write, unless that is too much."""
        if self.why_not(todo):
            return {}
        return {
            name: tensor.detach().to("cpu", copy=True, memory_format=torch.preserve_format)
            for name, tensor in self.written_by(todo)
        }

    def forget(self) -> None:
        """Let go of the copies."""
        self.report, self.copies, self.why_no_undo = None, {}, NOTHING_YET

    def written_by(self, todo: InitPlan) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors a plan writes: all of them where more than its own rows may change."""
        through = any(row.kind == "parametrised" for row in todo.planned)
        everything = bool(todo.loads or todo.runs or todo.fits or through)
        planned = {row.name for row in todo.planned}
        for name, tensor in tensors_of(self.model):
            if (everything or name in planned) and not (is_lazy(tensor) or tensor.is_meta):
                yield name, tensor

    @torch.no_grad()
    def put_back(self, copies: dict[str, Tensor]) -> None:
        """Write the copies into the model, after a look whether each still fits."""
        tensors = dict(tensors_of(self.model))
        for name, copy in copies.items():
            if name not in tensors or tensors[name].shape != copy.shape:
                raise BadValueError(name, "the model has changed since: it cannot be put back.")
        for name, copy in copies.items():
            tensors[name].copy_(copy)


def missing_files(todo: InitPlan) -> Iterator[BadValueError]:
    """Yield an error for every checkpoint of a plan that is a file, and not there."""
    for load in todo.loads:
        name = load.init.checkpoint
        if "://" not in name and not Path(name).expanduser().exists():
            yield BadValueError(f"{load.path}.checkpoint", f"there is no file {name!r}.")


def stranger(namespace: Mapping[str, Any], name: str, model: nn.Module) -> bool:
    """Whether a dotted name means another model than this one; a name for nothing does not."""
    first, *rest = name.split(".")
    value = namespace.get(first)
    for part in rest:
        value = getattr(value, part, None)
    return isinstance(value, nn.Module) and value is not model


def tensors_of(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield every parameter and buffer once."""
    yield from model.named_parameters()
    yield from model.named_buffers()
