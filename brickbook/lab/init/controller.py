"""Initialising, undoing and redoing from the panel, with every part kept in step with the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import ipywidgets as w

from brickbook.errors import BadValueError, ConfigError
from brickbook.i18n import Texts
from brickbook.init.execution import InitReport
from brickbook.init.planning import InitPlan
from brickbook.lab.init.diagnosis import Diagnosis
from brickbook.lab.init.plan_view import PlanView
from brickbook.lab.init.rules.rule_list import RuleList
from brickbook.lab.init.session import (
    AnotherModelError,
    InitSession,
    missing_checkpoint_files,
)
from brickbook.lab.init.stale import StaleNotice
from brickbook.lab.init.state import RuleSet
from brickbook.lab.init.tabs.lab_state import WeightEdit
from brickbook.lab.init.toolbar import Counting, Toolbar
from brickbook.lab.init.variants import Variants
from brickbook.lab.init.weight_undo import StaleWeightsError
from brickbook.lab.init.words import (
    error_text,
    path_label,
    problem_text,
    report_summary,
    title_text,
)
from brickbook.live_panels import MODEL_LOCK, PANEL_LOCK
from brickbook.views.grid.payload import Variant

MAX_NAMES = 3


@dataclass(frozen=True)
class Step:
    """What can be undone: an edit of the rules or an initialisation, and which in words."""

    kind: Literal["rules", "weights"]
    what: str


@dataclass
class Controller:
    """What the buttons and the methods of the panel do; no widget is made or laid out here.

    ``show_weights`` paints the numbers of the session. ``plan`` is what the rules would do, None
    while they cannot be used.
    """

    session: InitSession
    name: str
    namespace: Mapping[str, Any]
    texts: Texts
    title: w.Label
    rules: RuleList
    plan_view: PlanView
    toolbar: Toolbar
    counting: Counting
    diagnosis: Diagnosis
    variants: Variants
    show_weights: Callable[[], None]
    stale: StaleNotice
    discard_lines: Callable[[], None]
    plan: InitPlan | None = None
    done: list[Step] = field(default_factory=list)
    undone: list[Step] = field(default_factory=list)
    refused_step: tuple[str, object] | None = (
        None  # the button, and what it would have written over
    )

    def apply(self) -> InitReport:
        """Initialise by the rules at hand; see `InitLab.apply`."""
        self.diagnosis.stop()  # it may hold the models' lock for a minute
        with PANEL_LOCK, MODEL_LOCK:
            self.rules.clear_errors()
            for path, text in self.rules.errors.items():
                raise BadValueError(path, text)
            with self.model_change():
                self.toolbar.status.show(self.texts["init.busy"], "info")
                try:
                    report = self.session.apply(self.rules.state)
                except Exception as error:
                    text = f"{type(error).__name__}: {error}"
                    if isinstance(error, ConfigError):
                        text = error_text(error, self.texts)
                        self.rules.show_error(error)
                    self.toolbar.status.show(self.texts("init.unchanged", text=text))
                    raise
                self.plan = report.plan
                self.plan_view.show(self.plan, self.plan_warnings(self.plan))
                self.rules.show_plan(self.plan)
                words = [report_summary(report, self.texts)]
                self.note_step("weights", self.texts["init.initialize"])
                if self.session.data_used:
                    words.append(self.texts("init.data_used", data=self.session.data_used))
                self.toolbar.status.show(self.texts["init.gap"].join(words), "info")
            return report

    def carry_out(
        self, plan: InitPlan, seed: int | None, atomic: bool, batch: object
    ) -> InitReport:
        """Initialise by a plan made elsewhere; see `InitLab.carry_out`."""
        with self.model_change(requires_name=False):
            report = self.session.execute(plan, seed, batch, atomic)
            self.note_step("weights", self.texts["init.initialize"])
            self.toolbar.status.show(report_summary(report, self.texts), "info")
        return report

    def write(self, edits: Sequence[WeightEdit]) -> None:
        """Write values into parameters; `undo` takes it back."""
        with self.model_change():
            self.session.write(edits)
            names = self.texts["init.comma"].join(dict.fromkeys(edit.name for edit in edits))
            self.toolbar.status.show(self.texts("init.written", names=names), "info")

    def undo(self, anyway: bool = False) -> None:
        """Put back what the last initialisation has written; see `InitLab.undo`."""
        with self.model_change():
            self.session.undo(anyway)
            self.move_step(self.done, self.undone)
            self.toolbar.status.show(self.texts["init.undone"], "info")

    def redo(self, anyway: bool = False) -> None:
        """Write again what `undo` has put back."""
        with self.model_change():
            self.session.redo(anyway)
            self.move_step(self.undone, self.done)
            self.toolbar.status.show(self.texts["init.redone"], "info")

    def press_initialize(self) -> None:
        """Initialise; a config that cannot be used is shown already."""
        with suppress(ConfigError):
            self.apply()

    def note_step(self, kind: Literal["rules", "weights"], what: str) -> None:
        """Note what can be undone from now on; what was undone of the same kind is forgotten."""
        self.done.append(Step(kind, what))
        self.undone = [step for step in self.undone if step.kind != kind]

    def move_step(self, steps: list[Step], others: list[Step]) -> None:
        """Note that the last initialisation was undone, or done again."""
        found = [step for step in steps if step.kind == "weights"]
        if found:
            steps.remove(found[-1])
            others.append(found[-1])

    def next_undo(self) -> Step | None:
        """Return what Undo takes back; an initialisation only while its old weights are kept."""
        lost = self.session.history.why_no_undo
        return next((it for it in reversed(self.done) if it.kind == "rules" or not lost), None)

    def next_redo(self) -> Step | None:
        """Return what Redo does again."""
        lost = self.session.history.why_no_redo
        return next((it for it in reversed(self.undone) if it.kind == "rules" or not lost), None)

    def press_undo(self) -> None:
        """Take back the last edit of the rules or the last Initialize, whichever came later."""
        step = self.next_undo()
        if step is not None and step.kind == "rules":
            self.done.remove(step)
            self.undone.append(step)
            self.rules.undo_edit()
        else:
            self.step_history(self.undo, "init.undo")

    def press_redo(self) -> None:
        """Do again what Undo took back last."""
        step = self.next_redo()
        if step is not None and step.kind == "rules":
            self.undone.remove(step)
            self.done.append(step)
            self.rules.redo_edit()
        else:
            self.step_history(self.redo, "init.redo")

    def show_steps(self) -> None:
        """Enable Undo and Redo, which name what they do."""
        history, undo, redo = self.session.history, self.next_undo(), self.next_redo()
        self.toolbar.set_enabled(
            self.plan is not None,
            "" if undo is not None else history.why_no_undo,
            "" if redo is not None else history.why_no_redo,
            undo.what if undo is not None else "",
            redo.what if redo is not None else "",
        )

    def step_history(self, action: Callable[..., None], button_key: str) -> None:
        """Go a step back or forth; over what others have written only at the second press.

        Another model of the panel's name is shown already: nothing is raised for it.
        """
        refused, self.refused_step = self.refused_step, None
        with suppress(AnotherModelError):
            try:
                action()
            except StaleWeightsError as error:
                if refused == (button_key, error.now):
                    action(anyway=True)
                    return
                self.look_again()
                self.refused_step = (button_key, error.now)
                self.toolbar.status.show(self.changes_text("live.stale", error.names, button_key))

    def preview(self, rule_set: RuleSet) -> Variant:
        """Return what rules would make of the model, on a copy; a batch that runs is stopped."""
        self.diagnosis.stop()
        try:
            self.check_name()
            return self.session.preview(rule_set)
        finally:
            self.diagnosis.resume()

    @contextmanager
    def model_change(self, requires_name: bool = True) -> Iterator[None]:
        """Change the model inside, then show it anew; counting begins again, also after failure.

        Raises:
            AnotherModelError: with nothing begun, if ``requires_name`` and the panel's name means
                another model now.
        """
        self.diagnosis.stop()
        with PANEL_LOCK, MODEL_LOCK:
            was_counting = self.counting.worker.busy
            try:
                if requires_name:
                    self.check_name()
                self.counting.worker.cancel()
                yield
            except BaseException:
                if was_counting:
                    self.counting.start_if_sampled()
                self.diagnosis.resume()
                raise
            self.variants.refresh()
            self.show_weights()
            self.counting.start_if_sampled()

    def check_name(self) -> None:
        """Refuse to change a model that the panel's name does not mean any more."""
        if text := self.stale.problem():
            self.toolbar.status.show(text)
            raise AnotherModelError(self.name, text)

    def refresh(self) -> None:
        """Plan the rules anew, and read the weights again if something else has changed them."""
        changed = self.session.look_again()
        self.toolbar.status.clear()  # it is about rules that are others now
        self.handle_changes(changed)
        self.update_plan()
        self.show_weights()

    def look_again(self) -> None:
        """Show the weights as they are, with a message, if something else has changed them.

        Also what else has changed: the name, the layers, their code, their mode.
        """
        changed = self.session.look_again()
        if self.stale.look_again(self.diagnosis.signals is not None):
            self.diagnosis.discard_signals()
            self.discard_lines()
            self.diagnosis.resume()
            self.show_weights()
        if self.handle_changes(changed):
            self.update_plan()
        if changed:
            self.show_weights()

    def handle_changes(self, names: Sequence[str]) -> bool:
        """Bring the parts up to date after a change by others; True if it is more than buffers."""
        if not names:
            return False
        self.diagnosis.discard_signals()
        self.variants.refresh()
        self.title.value = title_text(
            self.name, self.session.model, self.session.comparison, self.texts
        )
        self.counting.start_if_sampled()
        buffers = {name for name, _ in self.session.model.named_buffers()}
        parameters = [name for name in names if name not in buffers]
        if parameters:
            self.toolbar.status.show(self.changes_text("live.changed", parameters), "info")
        return bool(parameters)

    def changes_text(self, key: str, names: Sequence[str], button_key: str = "init.undo") -> str:
        """Return the message that something else has changed tensors."""
        shown = [*names[:MAX_NAMES], *(["…"] if len(names) > MAX_NAMES else [])]
        listed = self.texts["init.comma"].join(shown)
        return self.texts(key, n=len(names), names=listed, button=self.texts[button_key])

    def update_plan(self) -> None:
        """Plan the rules anew, and show what they would do or why there is no plan."""
        self.rules.clear_errors()
        wrong = dict(self.rules.errors)
        self.plan = None
        try:
            found = self.session.plan(self.rules.state)
        except ConfigError as error:
            # A field that lacks something shows it already: its rule need not show it too.
            if not any(path.startswith(f"{error.path}.") for path in wrong):
                if not self.rules.show_error(error):
                    wrong[error.path] = problem_text(error, self.texts)
                wrong.update(self.rules.errors)
        else:
            self.plan = found if not wrong else None
        lines = [
            self.texts("init.line", place=path_label(path, self.texts), text=text)
            for path, text in wrong.items()
        ]
        if self.plan is not None:
            lines = self.plan_warnings(self.plan)
        self.plan_view.show(self.plan, lines)
        self.rules.show_plan(self.plan)
        self.toolbar.refresh_code()

    def plan_warnings(self, plan: InitPlan) -> list[str]:
        """Return what may go wrong with a plan: no way back, files that are not there."""
        lines = [text for text in [self.session.why_not_undoable(plan)] if text]
        for error in missing_checkpoint_files(plan, self.texts):
            self.rules.show_error(error)
            lines.append(error_text(error, self.texts))
        for path, name in self.rules.idle_layers:
            text = self.texts("rules.idle", name=name)
            lines.append(self.texts("init.line", place=path_label(path, self.texts), text=text))
        return lines
