"""The init lab: pick rules, see what they would do, do it, look at every parameter, undo."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as w
from IPython.core.getipython import get_ipython
from torch import nn

from brickbook.errors import BadArgumentError, ConfigError
from brickbook.html import escape, html_table
from brickbook.i18n import Texts
from brickbook.init.execution import InitReport
from brickbook.init.planning import InitPlan
from brickbook.lab.init.controller import Controller
from brickbook.lab.init.diagnosis import Diagnosis
from brickbook.lab.init.plan_view import PlanView
from brickbook.lab.init.presets import DEFAULT_NAME, DEFAULT_PRESET, initial_init_cfg
from brickbook.lab.init.rules.rule_list import RuleList
from brickbook.lab.init.session import EXACT_UP_TO, UNDO_BUDGET, InitSession, name_rebound
from brickbook.lab.init.signal_runs import SignalRuns
from brickbook.lab.init.stale import StaleNotice, current_cell, find_namespace
from brickbook.lab.init.state import RuleSet
from brickbook.lab.init.tabs import LabActions, LabState, Tabs
from brickbook.lab.init.tabs.detail import Detail
from brickbook.lab.init.tabs.lab_state import WeightEdit
from brickbook.lab.init.toolbar import Counting, Exports, LabContents, Toolbar
from brickbook.lab.init.variants import Variants
from brickbook.lab.init.words import parameter_count, plan_table, report_summary, title_text
from brickbook.lab.widgets import (
    Grid,
    Panel,
    close_tree,
    descendants,
    full_width,
    reports_errors,
)
from brickbook.live_panels import (
    MODEL_LOCK,
    forget_live_panel,
    live_panels,
    replace_live_panel,
    watch_cells,
)
from brickbook.measure.probe import Signals
from brickbook.measure.snapshot import Comparison
from brickbook.views.export import export
from brickbook.views.grid.payload import Variant
from brickbook.views.page import StaticReport, static_report

__all__ = ["InitLab"]

FALLBACK_ROWS = 12


class InitLab(Panel):
    """A panel that initialises the weights of ``model`` and shows every parameter before and after.

    Opening a panel closes those of the same model, and those of a model that had the name before.
    What is wrong inside a config is shown at its field.

    Args:
        model: the model; it is changed in place, by Initialize, Undo and Redo alone.
        name: what the copied Python calls the model.
        init_cfg: the rules at first; by default the model's own, or else a law for every kind of
            layer (`GoodStart`).
        seed: an int, or None for torch's own generator.
        undo_budget: how many bytes the old weights kept for Undo may take.
        exact_up_to: of a model with more values a sample is shown until all are counted.
        batch: what rules that need data run the model on, as in `initialize`; the diagnosis too.
        input_shape: without a ``batch``, the shape (without the batch size) of the N(0, 1) numbers
            that the diagnosis offers to run the model on.
        namespace: the user's variables: nothing is written, and no batch runs, once ``name`` is
            another model there; None for those of the notebook, if ``name`` is the model there.
        build: what builds such a model, without arguments: the menu of presets has what that
            model's own code does then, found by `brickbook.trace` when it is chosen.
        language: "en" or "zh", None for the reader's. Names, laws, what docstrings say of
            arguments and what others' code raises stay as they are.

    Raises:
        TypeError: the model is no ``nn.Module``, or ``init_cfg`` is no config.
        ValueError: an unknown language.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        name: str = "model",
        init_cfg: object = None,
        seed: int | None = 0,
        undo_budget: int = UNDO_BUDGET,
        exact_up_to: int = EXACT_UP_TO,
        batch: object = None,
        input_shape: Sequence[int] | None = None,
        namespace: Mapping[str, Any] | None = None,
        build: Callable[[], nn.Module] | None = None,
        language: str | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise BadArgumentError("model", f"expected an nn.Module, got {type(model).__name__}.")
        rule_set = RuleSet.from_cfg(
            init_cfg if init_cfg is not None else initial_init_cfg(model), seed
        )
        self.texts = Texts(language)
        super().__init__(layout=full_width(min_width="0"))
        self.add_class("bb-lab")
        self.name, self.namespace = name, find_namespace(namespace, name, model)
        self.undo_budget, self.exact_up_to, self.input_shape = undo_budget, exact_up_to, input_shape
        self.cell, self.build = current_cell(), build
        self.show_model(model, rule_set, batch)

    def show_model(self, model: nn.Module, rule_set: RuleSet, batch: object) -> None:
        """Make all parts for a model, in the place of those that are shown."""
        texts = self.texts
        self.model = model
        replaced = [
            old
            for old in live_panels()
            if isinstance(old, InitLab) and old is not self and old.yields_to(self)
        ]
        for old in replaced:
            old.diagnosis.stop()  # its batch holds the lock
        budgets = (self.undo_budget, self.exact_up_to)
        with MODEL_LOCK:
            self.session = InitSession(model, MODEL_LOCK, *budgets, batch, texts)
        title = title_text(self.name, model, self.session.comparison, texts)
        self.title = w.Label(title, layout=full_width(), style={"font_weight": "bold"})
        self.stale = StaleNotice(self.namespace, self.name, model, self.switch_model, texts)
        self.rules = RuleList(model, rule_set, self.refresh, texts, self.on_edit, self.build)
        self.plan_view = PlanView(texts)
        pressed = (self.on_initialize, self.on_undo, self.on_redo)
        self.toolbar = Toolbar(*pressed, self.python, self.make_exports, texts)
        self.counting = Counting(self.session, self.show_weights, texts)
        self.diagnosis = Diagnosis(
            model, self.namespace, self.input_shape, texts, self.stale.problem, self.on_input
        )
        shell = get_ipython()  # a kernel has a page; in a script nobody looks
        is_seen = getattr(shell, "kernel", None) is not None
        self.runs = SignalRuns(texts, self.show_lines, self.diagnosis.use_guess, is_seen)
        if is_seen and watch_cells(shell):
            self.runs.paused = True  # until the cell ends
        self.tabs = Tabs(texts, LabActions(self.select, self.write), beside=(self.diagnosis.field,))
        self.session.find_data = self.diagnosis.data_for_rules
        self.variants = Variants(self.rules, self.preview, self.show_weights, texts)
        self.controller = Controller(
            self.session, self.name, self.namespace, texts, self.title, self.rules, self.plan_view,
            self.toolbar, self.counting, self.diagnosis, self.variants, self.show_weights,
            self.stale, self.runs.discard,
        )  # fmt: skip
        self.arrange()
        self.refresh()
        replace_live_panel(("model", id(model)), self)
        for old in replaced:
            old.close()
        if any(old.cell != self.cell for old in replaced):
            self.notice.show(self.texts("live.moved", name=self.name), "info")
        self.counting.start_if_sampled()

    @reports_errors
    def switch_model(self, model: nn.Module) -> None:
        """Show another model in this place, by the rules at hand; Undo of the old one ends.

        Where the rules are those of the default preset, it is that for the new model.
        """
        rule_set, old = self.state, self.children
        if self.rules.presets.value == DEFAULT_NAME:
            rule_set = replace(rule_set, rules=DEFAULT_PRESET.rules(model))
        batch = self.session.batch
        self.release()
        forget_live_panel(("model", id(self.model)), self)
        self.show_model(model, rule_set, batch)
        for part in old:
            if part is not self.notice:
                close_tree(part)

    def yields_to(self, new: InitLab) -> bool:
        """Whether a new panel replaces this one: of its model, or of one that has its name now."""
        renamed = self.name == new.name and name_rebound(self.namespace, self.name, self.model)
        return renamed or self.model is new.model

    def arrange(self) -> None:
        """Put everything in its place."""
        actions = w.HBox(
            [self.toolbar, self.variants],
            layout=full_width(flex_flow="row wrap", align_items="flex-start"),
        )
        self.children = (
            self.title,
            self.notice,
            self.stale,
            self.diagnosis,
            actions,
            self.counting,
            self.runs,
            self.tabs,
            self.rules,
            self.plan_view,
        )

    @property
    def state(self) -> RuleSet:
        """The rules and the seed, as a value."""
        return self.rules.state

    @property
    def plan(self) -> InitPlan | None:
        """What the rules would do; None while they cannot be used."""
        return self.controller.plan

    @property
    def comparison(self) -> Comparison:
        """The numbers of every tensor before and after the last Initialize."""
        return self.session.comparison

    @property
    def report(self) -> InitReport | None:
        """What the last Initialize did; None before it and after Undo."""
        return self.session.report

    @property
    def grid(self) -> Grid:
        """The small histograms of all parameters."""
        return self.tabs.section("weights").grid

    @property
    def detail(self) -> Detail:
        """The chosen parameter, large."""
        return self.tabs.section("weights").detail

    # What guarded callbacks set; here it also answers for the parts.
    @property
    def last_error(self) -> Exception | None:
        """The last exception in a callback, of the panel or of a part of it."""
        found = (getattr(part, "last_error", None) for part in descendants(self))
        return self.own_error or next((error for error in found if error is not None), None)

    @last_error.setter
    def last_error(self, error: Exception | None) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self.own_error = error

    def apply(self) -> InitReport:
        """Do what the Initialize button does, and return the report.

        Raises:
            ConfigError: the rules cannot be used; it is shown at its field, and no parameter is
                changed.
            ValueError: the name means another model now.
        """
        return self.controller.apply()

    def carry_out(
        self,
        todo: InitPlan,
        *,
        seed: int | None = None,
        atomic: bool = False,
        batch: object = None,
    ) -> InitReport:
        """Initialise by a plan made elsewhere; it is shown here, and Undo takes it back.

        The arguments and what is raised are those of `brickbook.initialize`.
        """
        return self.controller.carry_out(todo, seed, atomic, batch)

    def undo(self, *, anyway: bool = False) -> None:
        """Put back what the last Initialize has written, as the Undo button does in its turn.

        Args:
            anyway: write over what something else has written since; `redo` brings that back.

        Raises:
            StaleWeightsError: something else has changed the weights since, and not ``anyway``.
            ValueError: there is nothing to undo, or no copy, or another model of that name.
        """
        self.controller.undo(anyway)

    def redo(self, *, anyway: bool = False) -> None:
        """Write again what `undo` has put back, as the Redo button does in its turn.

        Raises:
            StaleWeightsError: As in `undo`.
            ValueError: There is nothing to do again, or as in `undo`.
        """
        self.controller.redo(anyway)

    def python(self) -> str:
        """Return the rules and the seed as Python that runs as pasted."""
        return self.state.to_python(self.name)

    def static(self) -> StaticReport:
        """Return what the panel shows as fixed HTML, for viewers without a kernel or widgets."""
        done = self.texts["static.nothing"]
        if self.report is not None:
            done = report_summary(self.report, self.texts)
        return static_report(
            self.comparison,
            self.plan,
            self.report,
            title=self.title.value,
            message=done,
            language=self.texts.language,
        )

    def export(self, file: str | os.PathLike[str], *, force: bool = False) -> Path:
        """Write what the panel shows to a file: .html, .svg, .png, .csv or .json; see `export`."""
        return export(self, file, force=force, title=self.title.value)

    def make_exports(self) -> Exports:
        """Make the buttons of file formats; each writes what the panel shows when it is pressed."""
        return Exports(
            self.name,
            lambda: (LabContents(self.comparison, self.plan, self.report), self.title.value),
            self.texts,
        )

    @reports_errors
    def refresh(self) -> None:
        """Make the plan anew and show what it would do; nothing is written.

        The weights too are looked at again, if something else has changed them since.
        """
        self.controller.refresh()

    @reports_errors
    def look_again(self) -> None:
        """Show the weights as they are, with a message, if something else has changed them."""
        self.controller.look_again()

    def on_edit(self, what: str) -> None:
        """Note an edit of the rules, which Undo takes back."""
        self.controller.note_step("rules", what)

    @reports_errors
    def on_initialize(self, _button: w.Button) -> None:
        """Initialize."""
        self.controller.press_initialize()

    @reports_errors
    def on_undo(self, _button: w.Button) -> None:
        """Undo."""
        self.controller.press_undo()

    @reports_errors
    def on_redo(self, _button: w.Button) -> None:
        """Redo."""
        self.controller.press_redo()

    def preview(self, rule_set: RuleSet) -> Variant:
        """Return what rules would make of the model, on a copy."""
        return self.controller.preview(rule_set)

    def show_weights(self) -> None:
        """Show the numbers of the model."""
        self.controller.show_steps()
        self.diagnosis.take_batch(self.session.batch)
        self.runs.show(self.lab_state())
        self.tabs.show(self.lab_state())
        self.diagnosis.show(self.plan, self.report, self.session.batch)
        self.diagnosis.show_signals(self.runs.now, self.runs.by_rules)

    @reports_errors
    def show_lines(self) -> None:
        """Show what has run, in the open tab and in the verdict."""
        self.tabs.show(self.lab_state())
        self.diagnosis.show_signals(self.runs.now, self.runs.by_rules)

    @reports_errors
    def on_input(self, found: Signals | None) -> None:
        """Run something else; after what the button has run through the model, all the rest."""
        self.runs.show(self.lab_state())
        if found is not None:
            self.runs.accept(found)
            self.runs.run_all()
        self.show_lines()

    def pause(self) -> None:
        """Stop what runs by itself: a cell of the user's begins."""
        self.runs.pause()
        self.tabs.pause()

    def resume(self) -> None:
        """Go on with it."""
        self.runs.resume()
        self.tabs.resume()

    def lab_state(self) -> LabState:
        """Return the panel at this moment."""
        try:
            data = self.diagnosis.probe_arguments()
        except ConfigError:
            data = {}  # the field says what is wrong when it is used
        return LabState(
            self.model, self.name, self.namespace, self.session.weights_version, self.state,
            self.plan, self.report, self.comparison, self.variants.previews,
            self.rules.lab_state.variants, data.get("batch"), data.get("input_shape"),
            self.runs.lines, self.stale.problem(), self.texts,
        )  # fmt: skip

    def write(self, edits: Sequence[WeightEdit]) -> None:
        """Write values into parameters, as one step that `undo` takes back."""
        self.controller.write(edits)

    def select(self, name: str) -> None:
        """Show a parameter large, in the tab of the weights."""
        self.tabs.open_tab("weights")
        self.grid.selected = name

    def close(self) -> None:
        """Close the panel and let go of the old weights."""
        if hasattr(self, "controller"):  # also called for a panel that could not be made
            self.release()
        super().close()

    def release(self) -> None:
        """Stop all work and let go of the old weights."""
        self.session.discard_copies()
        self.counting.close()
        self.diagnosis.stop()
        self.runs.stop()
        self.toolbar.close()
        self.tabs.close()

    def __repr__(self) -> str:
        return f"InitLab({self.name}: {parameter_count(self.comparison, self.texts)})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Show the panel; where there are no widgets, the plan and what to do."""
        bundle = super()._repr_mimebundle_(**kwargs)
        return {**(bundle or {}), "text/html": self.fallback_html()}

    def fallback_html(self) -> str:
        """Return what a saved notebook shows of a panel whose kernel is gone: a few kilobytes.

        The same for the same rules: no number of the weights is in it, which may be drawn anew.
        """
        lines = (self.title.value, self.texts["live.fallback"])
        words = "".join(f"<p>{escape(text)}</p>" for text in lines)
        if self.plan is None:
            return words
        table = plan_table(self.plan, self.texts)
        more = self.texts["plan.more"]
        return words + html_table(*table, max_rows=FALLBACK_ROWS, more_template=more)
