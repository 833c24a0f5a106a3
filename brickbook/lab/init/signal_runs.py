"""Signals by themselves: passes through copies of the model, again at every change."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from brickbook.errors import BadValueError, ConfigError
from brickbook.i18n import Texts
from brickbook.init.planning import InitPlan
from brickbook.lab.init.state import RuleSet
from brickbook.lab.init.tabs.lab_state import LabState, LineKind, SignalLine
from brickbook.lab.init.words import short_count
from brickbook.lab.model_copy import carry_out, copy_model
from brickbook.lab.widgets import (
    JobProgress,
    ProgressCallback,
    Section,
    cancel_between_layers,
    reports_errors,
)
from brickbook.measure.expected import expected_signals
from brickbook.measure.probe import Shape, Signals, first_layer, guess_shapes, probe
from brickbook.measure.snapshot import count_values

__all__ = ["SignalRuns"]

MAX_SECONDS = 1.0  # a pass that takes longer is asked for
MAX_FIRST_SECONDS = 2.0  # the first one warms torch up, beside a page that is still being drawn
MAX_VALUES = 30_000_000  # so is the first pass of a larger model: how long it takes is not known
CANCEL_DELAY = 0.3
PAUSE = 10.0  # seconds: the longest that a cell waits for the layer that runs


@dataclass(frozen=True)
class Wanted:
    """A pass that a picture needs: through the weights as they are, or as rules would make them."""

    kind: LineKind
    label: str
    key: Hashable
    rules: RuleSet | None = None
    plan: InitPlan | None = None


@dataclass(frozen=True)
class Passed:
    """What a pass has found; ``shape`` is what it was drawn for, None for a batch."""

    signals: Signals
    expected: Signals | None
    shape: Shape | None
    seconds: float


class SignalRuns(Section):
    """Runs what the picture needs, one pass after the other in a thread; ``lines`` is the result.

    Every pass is through a copy: a model is not touched, nor are its statistics and torch's random
    numbers. It runs by itself while ``automatic``, if it takes less than a second as far as is
    known; else `run_all` is waited for. ``on_lines`` is called when there is something new,
    ``on_shape`` with the shape that fits where the one that was guessed does not.
    """

    message_position = 0

    def __init__(
        self,
        texts: Texts,
        on_lines: Callable[[], None],
        on_shape: Callable[[Shape], None],
        automatic: bool,
    ) -> None:
        self.texts, self.on_lines, self.on_shape = texts, on_lines, on_shape
        self.automatic, self.paused, self.asked = automatic, False, False
        self.state: LabState | None = None
        self.lines: tuple[SignalLine, ...] = ()
        self.found: dict[Hashable, Passed] = {}
        self.before: tuple[Hashable, Passed] | None = None
        self.failed: Hashable = None
        self.seconds: float | None = None  # of the fastest pass, which nothing else has slowed
        self.passes = 0
        self.progress = JobProgress(texts("live.stop_tip"), texts, self.on_cancel)
        super().__init__(self.progress)

    @property
    def now(self) -> Signals | None:
        """What runs through the weights as they are."""
        return self.signals_of("now", "after")

    @property
    def by_rules(self) -> Signals | None:
        """What would run through the weights that the rules would make; None after they have."""
        return self.signals_of("rules")

    def signals_of(self, *kinds: LineKind) -> Signals | None:
        """Return what belongs to the state at hand; not an older line that stands for it."""
        wanted = [item for item in self.wanted() if item.kind in kinds]
        passed = self.found.get(wanted[0].key) if wanted else None
        return passed.signals if passed is not None else None

    def show(self, state: LabState) -> None:
        """Show another state of the panel: run what is not known yet."""
        old, self.state = self.state, state
        if old is not None and state.report is not old.report:
            # What was shown stays, as what was before.
            key = now_key(old)
            passed = self.found.get(key)
            keeps = state.report is not None and passed is not None
            self.before = (input_key(state), passed) if keeps and passed is not None else None
        if old is not None and now_key(state) != now_key(old):
            self.asked = False
        if old is not None and input_key(state) != input_key(old):
            self.seconds, self.passes, self.lines = None, 0, ()
        self.update_lines()
        self.run_next()

    def wanted(self) -> list[Wanted]:
        """Return the passes that the picture is made of."""
        state = self.state
        if state is None or not state.probe_arguments:
            return []
        plan, base = state.plan, now_key(state)
        pending = plan is not None and not is_done(state) and writes(plan)
        done = state.report is not None and not pending
        found = [
            Wanted(
                "after" if done else "now", self.texts[f"lines.{'after' if done else 'now'}"], base
            )
        ]
        if pending:
            found.append(self.wanted_rules("rules", self.texts["lines.rules"], state.rules, plan))
        for label, rules in state.variant_rules.items():
            if label in state.variants:
                found.append(self.wanted_rules("variant", label, rules, state.variants[label].plan))
        return found

    def wanted_rules(
        self, kind: LineKind, label: str, rules: RuleSet, plan: InitPlan | None
    ) -> Wanted:
        """Return the pass through what rules would make of the model."""
        assert self.state is not None
        return Wanted(kind, label, (now_key(self.state), repr(rules)), rules, plan)

    def update_lines(self) -> None:
        """Put the lines together; one that is still to be run is shown as it was."""
        wanted = self.wanted()
        shown: dict[tuple[LineKind, str], SignalLine] = {
            (line.kind, line.label): line for line in self.lines
        }
        self.found = {item.key: self.found[item.key] for item in wanted if item.key in self.found}
        lines: list[SignalLine] = []
        for item in wanted:
            if item.kind == "after" and self.before is not None:
                key, passed = self.before
                if self.state is not None and key == input_key(self.state):
                    label = self.texts["lines.before"]
                    lines.append(SignalLine("before", label, passed.signals, passed.expected))
            passed = self.found.get(item.key)
            if passed is not None:
                lines.append(SignalLine(item.kind, item.label, passed.signals, passed.expected))
            elif old := self.stand_in(item, shown):
                lines.append(replace(old, kind=item.kind, label=item.label))
        self.lines = tuple(lines)

    def stand_in(
        self, item: Wanted, shown: Mapping[tuple[LineKind, str], SignalLine]
    ) -> SignalLine | None:
        """Return the line that was shown in the place of one that is still to be run."""
        if item.kind == "after":  # just initialised: what the rules were to make
            return shown.get(("after", item.label)) or shown.get(
                ("rules", self.texts["lines.rules"])
            )
        return shown.get((item.kind, item.label))

    @property
    def allowed(self) -> bool:
        """Whether passes run by themselves."""
        if self.asked:
            return True
        if not self.automatic or self.state is None:
            return False
        if self.seconds is not None:
            return self.seconds <= (MAX_SECONDS if self.passes > 1 else MAX_FIRST_SECONDS)
        return count_values(self.state.model) <= MAX_VALUES

    def why_not(self) -> str:
        """Return why a pass is asked for."""
        if self.seconds is not None:
            return self.texts("lines.slow", seconds=f"{self.seconds:.1f}")
        assert self.state is not None
        return self.texts("lines.large", values=short_count(count_values(self.state.model)))

    def run_all(self) -> None:
        """Run what is not known, however long it takes."""
        self.asked, self.failed = True, None
        self.run_next()

    def run_next(self) -> None:
        """Start the next pass, if one is missing and may run."""
        missing = [item for item in self.wanted() if item.key not in self.found]
        self.progress.worker.cancel()
        if not missing or self.state is None:
            self.asked = False
            self.progress.finish()
            if self.failed is None:
                self.show_message("")
            return
        if self.paused or self.state.problem or not self.allowed or self.failed == missing[0].key:
            self.progress.finish()
            if self.automatic and not self.allowed:
                self.notice.show(self.why_not(), "info")
            return
        item, state = missing[0], self.state
        fits = self.found or state.batch is not None

        def task(report_progress: ProgressCallback) -> Passed:
            return run_pass(state, item, report_progress, () if fits else other_shapes(state))

        def on_result(found: Passed | None, error: Exception | None) -> None:
            self.on_result(item, found, error)

        self.progress.start_job(self.texts["live.running"], task, on_result, CANCEL_DELAY)

    @reports_errors
    def on_result(self, item: Wanted, found: Passed | None, error: Exception | None) -> None:
        """Show a line, and go on with the next."""
        self.progress.finish()
        self.show_message("")
        if error is not None or found is None:
            self.failed, self.asked = item.key, False
            is_ours = isinstance(error, ConfigError)
            text = self.texts.explain(error) if is_ours else f"{type(error).__name__}: {error}"
            self.show_message(self.texts("lines.failed", error=text))
            self.on_lines()
            return
        self.seconds = min(self.seconds or found.seconds, found.seconds)
        self.passes += 1
        self.found[item.key] = found
        shape = found.shape
        if shape is not None and self.state is not None and shape != self.state.input_shape:
            self.state = replace(self.state, input_shape=shape)
            self.found = {now_key(self.state): found} if item.rules is None else {}
            self.on_shape(shape)
        self.update_lines()
        self.on_lines()
        self.run_next()

    def accept(self, signals: Signals) -> None:
        """Take what was run through the model itself for its line."""
        if self.state is not None:
            shape = self.state.input_shape
            expected = expected_of(self.state.model, signals)
            self.found[now_key(self.state)] = Passed(signals, expected, shape, 0.0)
            self.update_lines()
            self.on_lines()

    def on_cancel(self) -> None:
        """Run nothing more by itself until something changes."""
        self.asked, self.automatic = False, False
        self.notice.show(self.texts["lines.cancelled"], "info")

    def pause(self) -> None:
        """Stop before code of the user's runs: the layer that runs is waited for."""
        self.paused = True
        self.progress.worker.cancel()
        self.progress.worker.wait(PAUSE)

    def resume(self) -> None:
        """Go on."""
        self.paused = False
        self.run_next()

    def stop(self) -> None:
        """Stop all work; what was found stays."""
        self.progress.worker.cancel()
        self.progress.finish()

    def discard(self) -> None:
        """Drop all lines: the model is another, or its code is."""
        self.stop()
        self.found, self.lines, self.before, self.failed = {}, (), None, None

    def close(self) -> None:
        """Stop, and close everything."""
        self.stop()
        super().close()


def input_key(state: LabState) -> Hashable:
    """Return what tells one input from another."""
    return (id(state.batch), state.input_shape)


def now_key(state: LabState) -> Hashable:
    """Return what tells the weights, how they run, and what they run on, from others."""
    modes = tuple(part.training for part in state.model.modules())
    return (state.weights_version, modes, input_key(state))


def is_done(state: LabState) -> bool:
    """Whether the rules at hand are those that were carried out last."""
    report = state.report
    return report is not None and report.seed == state.seed and report.plan == state.plan


def writes(plan: InitPlan) -> bool:
    """Whether a plan changes anything."""
    return bool(plan.planned or plan.loads or plan.runs or plan.fits)


def other_shapes(state: LabState) -> tuple[Shape, ...]:
    """Return what else may fit where the shape is the panel's own guess."""
    with suppress(ConfigError):
        shapes = guess_shapes(first_layer(state.model)[1])
        return shapes[1:] if shapes and shapes[0] == state.input_shape else ()
    return ()


def run_pass(
    state: LabState, item: Wanted, report_progress: ProgressCallback, others: tuple[Shape, ...]
) -> Passed:
    """Run a copy of the model, with the rules carried out on it; of several shapes one that fits.

    Raises:
        BadValueError: it cannot be copied, or fails on every shape: the first failure is told.
    """
    given: dict[str, Any] = state.probe_arguments
    problem: BadValueError | None = None
    for shape in (state.input_shape, *others):
        if shape is not None:
            given = {"input_shape": shape}
        twin = copy_model(state.model)
        start = time.perf_counter()
        try:
            with cancel_between_layers(twin, report_progress):
                if item.plan is not None and item.rules is not None:
                    carry_out(item.plan, item.rules.seed, twin, given)
                signals = probe(twin, **given)
        except BadValueError as error:
            problem = problem or error
            continue
        return Passed(signals, expected_of(twin, signals), shape, time.perf_counter() - start)
    assert problem is not None
    raise problem


def expected_of(model: nn.Module, signals: Signals) -> Signals | None:
    """Return what mean-field theory expects; None of a model that it says nothing of."""
    try:
        return expected_signals(model, signals)
    except ConfigError:
        return None
