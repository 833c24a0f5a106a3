"""A model under the init lab: its last initialisation, its numbers before and after, undo."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.errors import BadValueError
from brickbook.i18n import Texts
from brickbook.init.execution import InitReport, execute
from brickbook.init.planning import InitPlan
from brickbook.introspect import plain_name
from brickbook.lab.init.state import RuleSet
from brickbook.lab.init.tabs.lab_state import WeightEdit
from brickbook.lab.init.weight_undo import WeightHistory, named_tensors, total_bytes
from brickbook.lab.init.words import short_count
from brickbook.measure.snapshot import (
    Comparison,
    Snapshot,
    compare,
    count_values,
    snapshot,
    snapshot_exact,
    snapshot_of_copy,
    snapshot_sampled,
)
from brickbook.views.grid.payload import Variant

UNDO_BUDGET = 2 * 10**9
EXACT_UP_TO = 50_000_000  # values: half a second of counting; of larger models a sample comes first


class AnotherModelError(BadValueError):
    """A name that means another model than the one at hand."""


class InitSession:
    """Initialise a model, undo it and redo it; no widgets.

    The session holds ``lock`` while it reads or writes weights. Before an initialisation it copies
    the tensors that will be written to the CPU, if the copies take no more than ``undo_budget``
    bytes; else there is no `undo`, and ``history.why_no_undo`` is the reason.

    Rules that need data run the model on ``batch``, else on what ``find_data`` gives, with what
    that is in words: ``data_used`` of the last time.
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
        self.find_data: Callable[[], tuple[Any, str]] | None = None
        self.data_used = ""
        self.texts = texts or Texts()
        self.large = count_values(model) > exact_up_to
        self.history = WeightHistory(model, undo_budget, self.texts, self.large)
        self.report: InitReport | None = None
        self.exact_snapshot: Snapshot | None = None
        self.weights_version = 0  # goes up whenever the weights may be others
        self.comparison = self.compare_with()

    @property
    def sampled(self) -> bool:
        """Whether the comparison is of samples: `count_exact` would count all values."""
        return self.large and self.exact_snapshot is None

    def read_snapshot(self) -> Snapshot:
        """Read the model's numbers; those of a sample if it is large."""
        with self.lock:
            return snapshot_sampled(self.model) if self.large else snapshot(self.model)

    def known_snapshot(self) -> Snapshot:
        """Return the model's numbers; they are not counted again where nothing was written."""
        return self.comparison.after if self.history.is_untouched() else self.read_snapshot()

    def compare_with(self, before: Snapshot | None = None) -> Comparison:
        """Read the model's numbers and compare them with ``before``, by default with themselves."""
        after = self.read_snapshot()
        self.history.record_state()
        self.weights_version += 1
        self.exact_snapshot = None
        return compare(before or after, after)

    def count_exact(self, report_progress: Callable[[int, int], bool]) -> Snapshot | None:
        """Count all values of a large model, for `adopt_exact`; None if it is cancelled."""
        return snapshot_exact(self.model, report_progress)

    def adopt_exact(self, exact_snapshot: Snapshot) -> None:
        """Show the exact numbers; those from before of what has changed stay a sample."""
        pairs = self.comparison.items()
        before = {
            name: pair.before if pair.changed and pair.before is not None else exact_snapshot[name]
            for name, pair in pairs
            if name in exact_snapshot
        }
        self.exact_snapshot = exact_snapshot
        self.comparison = compare(Snapshot(before, exact_snapshot.bins), exact_snapshot)

    def plan(self, rule_set: RuleSet) -> InitPlan:
        """Return what `apply` would do; nothing is written."""
        return rule_set.plan(self.model)

    def apply(self, rule_set: RuleSet) -> InitReport:
        """Initialise the model; if that fails, its weights are as they were.

        Rules without effect are in the report's plan; they raise no warnings.
        """
        with self.lock:
            found = self.plan(rule_set)
            quiet = replace(found, unmatched=())
            return self.execute(quiet, rule_set.seed, self.data_for(found), reported_plan=found)

    def data_for(self, init_plan: InitPlan) -> object:
        """Return what a plan runs the model on; None if it needs no data."""
        self.data_used = ""
        if not init_plan.fits or self.batch is not None or self.find_data is None:
            return self.batch
        batch, self.data_used = self.find_data()
        return batch

    def execute(
        self,
        init_plan: InitPlan,
        seed: int | None,
        batch: object,
        atomic: bool = False,
        reported_plan: InitPlan | None = None,
    ) -> InitReport:
        """Initialise the model by a plan; the report shows ``reported_plan`` if one is given."""
        with self.lock:
            before = self.known_snapshot()
            why_not = self.why_not_undoable(init_plan)
            copies = {} if why_not else self.history.copy_to_cpu(self.tensors_written(init_plan))
            done = execute(init_plan, self.model, seed=seed, batch=batch, atomic=atomic)
            self.report = replace(done, plan=reported_plan or init_plan)
            self.history.push(self.report, copies, why_not)
            self.comparison = self.compare_with(before)
        return self.report

    def write(self, edits: Sequence[WeightEdit]) -> None:
        """Write values into parameters, as one step that `undo` takes back.

        There is no report of the last initialisation then until it is undone.

        Raises:
            BadValueError: A parameter is not there; nothing is written.
        """
        with self.lock:
            tensors = {plain_name(name): it for name, it in self.model.named_parameters()}
            for edit in edits:
                if edit.name not in tensors:
                    raise BadValueError(edit.name, self.texts["init.misfit"])
            before = self.known_snapshot()
            written = {edit.name for edit in edits}
            own = {n: t for n, t in named_tensors(self.model) if plain_name(n) in written}
            why_not = self.history.why_not_kept(own.items())
            copies = {} if why_not else self.history.copy_to_cpu(own.items())
            with torch.no_grad():
                for edit in edits:
                    tensors[edit.name][edit.place(tensors[edit.name].shape)] = edit.value
            self.report = None
            self.history.push(None, copies, why_not)
            self.comparison = self.compare_with(before)

    def undo(self, anyway: bool = False) -> None:
        """Put back what the last `apply` has written, bit for bit; see `WeightHistory.undo`."""
        with self.lock:
            self.history.undo(anyway)
            self.report = self.history.report
            self.comparison = self.compare_with()

    def look_again(self) -> tuple[str, ...]:
        """Read the numbers anew if somebody else has written since; return the tensors' names.

        The comparison is then with the numbers that were known last, and there is no report any
        more; where only buffers were written, both stay. Nothing is read while the lock is held
        elsewhere, as by a batch that runs.
        """
        if not self.lock.acquire(blocking=False):
            return ()
        try:
            changed = self.history.changed_names()
            if changed:
                before = self.comparison.before
                if set(changed) - {name for name, _ in self.model.named_buffers()}:
                    before, self.report = self.comparison.after, None
                self.comparison = self.compare_with(before)
        finally:
            self.lock.release()
        return changed

    def redo(self, anyway: bool = False) -> None:
        """Write again what the last `undo` has put back, bit for bit.

        Raises:
            StaleWeightsError: As in `undo`.
            ValueError: There is nothing to do again, or as in `undo`.
        """
        with self.lock:
            before = self.known_snapshot()
            self.history.redo(anyway)
            self.report = self.history.report
            self.comparison = self.compare_with(before)

    def preview(self, rule_set: RuleSet) -> Variant:
        """Return what rules would make of the model, on a copy; the model is not touched.

        Raises:
            ConfigError: the rules cannot be used, or the model cannot be copied, or its copy takes
                more than the budget for Undo.
        """
        with self.lock:
            found = self.plan(rule_set)
            need = total_bytes(named_tensors(self.model))
            if need > self.history.budget:
                sizes = {"need": short_count(need), "budget": short_count(self.history.budget)}
                raise BadValueError("variants", self.texts("init.no_copy", **sizes))
            with torch.random.fork_rng(enabled=rule_set.seed is None):
                batch = self.data_for(found)
                after = snapshot_of_copy(self.model, found, rule_set.seed, 64, batch)
            before = snapshot(self.model) if self.large else self.known_snapshot()
            return Variant(compare(before, after), found)

    def why_not_undoable(self, init_plan: InitPlan) -> str:
        """Return why `undo` could not put back what a plan writes; "" if it could."""
        return self.history.why_not_kept(self.tensors_written(init_plan))

    def discard_copies(self) -> None:
        """Let go of the copies."""
        self.report = None
        self.history.discard_copies()

    def tensors_written(self, init_plan: InitPlan) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors a plan writes: all of them where more than its own rows may change."""
        through = any(row.kind == "parametrised" for row in init_plan.planned)
        everything = bool(init_plan.loads or init_plan.runs or init_plan.fits or through)
        planned = {row.name for row in init_plan.planned}
        for name, tensor in named_tensors(self.model):
            if (everything or name in planned) and not (is_lazy(tensor) or tensor.is_meta):
                yield name, tensor


def missing_checkpoint_files(init_plan: InitPlan, texts: Texts) -> Iterator[BadValueError]:
    """Yield an error for every checkpoint of a plan that is a file, and not there."""
    for load in init_plan.loads:
        name = load.init.checkpoint
        if "://" not in name and not Path(name).expanduser().exists():
            yield BadValueError(f"{load.path}.checkpoint", texts("init.no_file", file=repr(name)))


def model_of_name(namespace: Mapping[str, Any], name: str) -> nn.Module | None:
    """Return the model that a dotted name means; None if it is for nothing, or no model."""
    first, *rest = name.split(".")
    value = namespace.get(first)
    for part in rest:
        value = getattr(value, part, None)
    return value if isinstance(value, nn.Module) else None


def name_rebound(namespace: Mapping[str, Any], name: str, model: nn.Module) -> bool:
    """Whether a dotted name means another model than this one; a name for nothing does not."""
    return model_of_name(namespace, name) not in (None, model)
