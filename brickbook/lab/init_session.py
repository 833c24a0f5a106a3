"""A model under the init lab: its last initialisation, its numbers around it, the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
from brickbook.lab.weight_history import WeightHistory, tensors_of
from brickbook.measure.alternatives import outcome
from brickbook.measure.comparisons import Comparison, compare
from brickbook.measure.counting import exact, sampled, values_of
from brickbook.measure.snapshots import Snapshot, snapshot
from brickbook.texts import Texts
from brickbook.views.grid import Variant

__all__ = [
    "EXACT_UP_TO",
    "UNDO_BUDGET",
    "AnotherModelError",
    "InitSession",
    "missing_files",
    "stranger",
]

UNDO_BUDGET = 2 * 10**9
EXACT_UP_TO = 50_000_000  # values: half a second of counting; of larger models a sample comes first


class AnotherModelError(BadValueError):
    """A name that means another model than the one at hand."""


class InitSession:
    """Initialise a model, undo it and redo it; no widgets.

    ``lock`` is held while weights are read or written. Before an initialisation the tensors that
    it writes are copied to the CPU, if the copies take no more than ``undo_budget`` bytes; else
    there is no `undo`, and ``history.why_no_undo`` says so.
    """

    def __init__(
        self,
        model: nn.Module,
        lock: RLock | None = None,
        undo_budget: int = UNDO_BUDGET,
        exact_up_to: int = EXACT_UP_TO,
        batch: object = None,
        texts: Texts | None = None,
    ) -> None:
        self.model, self.lock, self.batch = model, lock or RLock(), batch
        self.texts = texts or Texts()
        self.large = values_of(model) > exact_up_to
        self.history = WeightHistory(model, undo_budget, self.texts, self.large)
        self.report: InitReport | None = None
        self.counted: Snapshot | None = None
        self.comparison = self.look()

    @property
    def sampled(self) -> bool:
        """Whether the comparison is of samples: `count` would count all values."""
        return self.large and self.counted is None

    def numbers(self) -> Snapshot:
        """Read the model's numbers; those of a sample if it is large."""
        with self.lock:
            return sampled(self.model) if self.large else snapshot(self.model)

    def known(self) -> Snapshot:
        """Return the model's numbers; they are not counted again where nothing was written."""
        return self.comparison.after if self.history.untouched() else self.numbers()

    def look(self, before: Snapshot | None = None) -> Comparison:
        """Compare the model's numbers with those ``before``, by default with themselves."""
        after = self.numbers()
        self.history.look()
        self.counted = None
        return compare(before or after, after)

    def count(self, go_on: Callable[[int, int], bool]) -> Snapshot | None:
        """Count all values of a large model, for `take`; see `brickbook.measure.counting.exact`."""
        return exact(self.model, go_on)

    def take(self, counted: Snapshot) -> None:
        """Show the exact numbers; those from before of what has changed stay a sample."""
        pairs = self.comparison.items()
        before = {
            name: pair.before if pair.changed and pair.before is not None else counted[name]
            for name, pair in pairs
            if name in counted
        }
        self.counted = counted
        self.comparison = compare(Snapshot(before, counted.bins), counted)

    def plan(self, state: InitState) -> InitPlan:
        """Say what `apply` would do; nothing is written."""
        return plan(self.model, state.to_init_cfg())

    def apply(self, state: InitState) -> InitReport:
        """Initialise the model; if that fails, its weights are as they were.

        Rules without effect are in the report's plan; they raise no warnings.
        """
        with self.lock:
            todo = self.plan(state)
            quiet = replace(todo, unmatched=())
            return self.carry_out(quiet, state.seed, self.batch, told=todo)

    def carry_out(
        self,
        todo: InitPlan,
        seed: int | None,
        batch: object,
        atomic: bool = False,
        told: InitPlan | None = None,
    ) -> InitReport:
        """Initialise the model by a plan; what is ``told`` of it may be another one."""
        with self.lock:
            before = self.known()
            why_not = self.why_not(todo)
            copies = {} if why_not else self.history.copy(self.written_by(todo))
            done = carry_out(todo, self.model, seed=seed, batch=batch, atomic=atomic)
            self.report = replace(done, plan=told or todo)
            self.history.push(self.report, copies, why_not)
            self.comparison = self.look(before)
        return self.report

    def undo(self, anyway: bool = False) -> None:
        """Put back what the last `apply` has written, bit for bit.

        Raises ValueError, with nothing written, if there is no copy or it fits no longer; a
        StaleWeightsError if others have written since, unless it is wanted ``anyway``.
        """
        with self.lock:
            self.history.undo(anyway)
            self.report = self.history.report
            self.comparison = self.look()

    def look_again(self) -> tuple[str, ...]:
        """Take the numbers anew if somebody else has written since; return the tensors' names.

        What was there before is then what was known last; of what only buffers tell, nothing else
        changes. Nothing is looked at while the lock is held elsewhere, as by a batch that runs.
        """
        if not self.lock.acquire(blocking=False):
            return ()
        try:
            changed = self.history.changed()
            if changed:
                before = self.comparison.before
                if set(changed) - {name for name, _ in self.model.named_buffers()}:
                    before, self.report = self.comparison.after, None
                self.comparison = self.look(before)
        finally:
            self.lock.release()
        return changed

    def redo(self, anyway: bool = False) -> None:
        """Write again what the last `undo` has put back, bit for bit; raises as `undo` does."""
        with self.lock:
            before = self.known()
            self.history.redo(anyway)
            self.report = self.history.report
            self.comparison = self.look(before)

    def imagine(self, state: InitState) -> Variant:
        """Say what rules would make of the model, on a copy; the model is not touched.

        Raises ConfigErrors for rules that cannot be used and for a model that cannot be copied, or
        whose copy takes more than the budget for Undo.
        """
        with self.lock:
            todo = self.plan(state)
            need = sum(t.numel() * t.element_size() for _, t in tensors_of(self.model))
            if need > self.history.budget:
                sizes = {"need": size_text(need), "budget": size_text(self.history.budget)}
                raise BadValueError("variants", self.texts("init.no_copy", **sizes))
            with torch.random.fork_rng(enabled=state.seed is None):
                after = outcome(self.model, todo, state.seed, 64, self.batch)
            before = snapshot(self.model) if self.large else self.known()
            return Variant(compare(before, after), todo)

    def why_not(self, todo: InitPlan) -> str:
        """Say why `undo` could not put back what a plan writes; "" if it could."""
        return self.history.why_not(self.written_by(todo))

    def forget(self) -> None:
        """Let go of the copies."""
        self.report = None
        self.history.forget()

    def written_by(self, todo: InitPlan) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors a plan writes: all of them where more than its own rows may change."""
        through = any(row.kind == "parametrised" for row in todo.planned)
        everything = bool(todo.loads or todo.runs or todo.fits or through)
        planned = {row.name for row in todo.planned}
        for name, tensor in tensors_of(self.model):
            if (everything or name in planned) and not (is_lazy(tensor) or tensor.is_meta):
                yield name, tensor


def missing_files(todo: InitPlan, texts: Texts) -> Iterator[BadValueError]:
    """Yield an error for every checkpoint of a plan that is a file, and not there."""
    for load in todo.loads:
        name = load.init.checkpoint
        if "://" not in name and not Path(name).expanduser().exists():
            yield BadValueError(f"{load.path}.checkpoint", texts("init.no_file", file=repr(name)))


def stranger(namespace: Mapping[str, Any], name: str, model: nn.Module) -> bool:
    """Whether a dotted name means another model than this one; a name for nothing does not."""
    first, *rest = name.split(".")
    value = namespace.get(first)
    for part in rest:
        value = getattr(value, part, None)
    return isinstance(value, nn.Module) and value is not model
