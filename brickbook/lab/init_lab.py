"""The init lab: pick rules, see what they would do, do it, look at every parameter, undo."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from html import escape
from typing import Any

import ipywidgets as w
from torch import nn

from brickbook.errors import BadArgumentError, BadValueError, ConfigError
from brickbook.init.initplan import InitPlan
from brickbook.init.report import InitReport
from brickbook.lab.grid import Grid
from brickbook.lab.init_bar import Bar
from brickbook.lab.init_detail import Detail
from brickbook.lab.init_forecast import Forecast
from brickbook.lab.init_look import Slim, column, parts_of, wide
from brickbook.lab.init_presets import start
from brickbook.lab.init_progress import Progress
from brickbook.lab.init_rules import RuleList
from brickbook.lab.init_session import (
    EXACT_UP_TO,
    UNDO_BUDGET,
    AnotherModelError,
    InitSession,
    missing_files,
    stranger,
)
from brickbook.lab.init_state import InitState
from brickbook.lab.init_words import counted, place, result, size_text
from brickbook.lab.panels import MODEL_LOCK, Panel, guarded, take_place
from brickbook.lab.worker import Worker
from brickbook.measure.comparisons import Comparison
from brickbook.measure.counting import SAMPLE
from brickbook.measure.snapshots import Snapshot

__all__ = ["InitLab"]

SAMPLED = f"Shown is a sample: at most {SAMPLE:,} values of every tensor."


class InitLab(Panel):
    """A panel that starts the weights of ``model`` and shows every parameter before and after.

    ``name`` is what the copied Python calls the model. Without ``init_cfg`` the panel opens with
    the model's own, or with Kaiming weights and norm scales of one. ``seed=None`` draws from
    torch's generator. Old weights are kept for Undo up to ``undo_budget`` bytes. Once ``name`` is
    another model in ``namespace``, the user's variables, nothing is written any more. Of a model
    with more than ``exact_up_to`` values a sample is shown until all are counted.

    ``state`` is what the controls say, ``plan`` what it would do (None while it cannot be used),
    ``report`` what the last Initialize did. Opening a second panel for a model closes the first.

    Raises TypeError for a model that is no ``nn.Module`` and for an ``init_cfg`` that is no config.
    What is wrong inside a config is shown at its field instead.
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
        namespace: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise BadArgumentError("model", f"expected an nn.Module, got {type(model).__name__}.")
        state = InitState.from_cfg(init_cfg if init_cfg is not None else start(model), seed)
        super().__init__(layout=wide(min_width="0"))
        self.model, self.name, self.plan = model, name, None
        self.namespace = namespace or {}
        with MODEL_LOCK:
            self.session = InitSession(model, MODEL_LOCK, undo_budget, exact_up_to)
        self.rules = RuleList(model, state, self.refresh)
        self.grid = Grid(layout=Slim(flex="1 1 30em", min_width="0"))
        self.detail = Detail()
        self.forecast = Forecast()
        self.bar = Bar(self.press_initialize, self.press_undo, self.press_redo, self.python)
        self.progress = Progress(self.press_cancel)
        self.worker = Worker(self.progress.tell)
        self.lay_out()
        self.grid.observe(self.choose, ["selected", "log_counts"])
        self.refresh()
        take_place(("model", id(model)), self)
        self.count_all()

    # What guarded callbacks set; here it also answers for the parts.
    @property
    def last_error(self) -> Exception | None:
        """The last exception in a callback, of the panel or of a part of it."""
        found = (getattr(part, "last_error", None) for part in parts_of(self))
        return self.own_error or next((error for error in found if error is not None), None)

    @last_error.setter
    def last_error(self, error: Exception | None) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self.own_error = error

    @property
    def state(self) -> InitState:
        """The rules and the seed, as a value."""
        return self.rules.state

    @property
    def comparison(self) -> Comparison:
        """The numbers of every tensor before and after the last Initialize."""
        return self.session.comparison

    @property
    def report(self) -> InitReport | None:
        """What the last Initialize did; None before it and after Undo."""
        return self.session.report

    def lay_out(self) -> None:
        """Put everything in its place."""
        values = sum(p.latest.count for p in self.comparison.values() if p.kind == "parameter")
        self.title = w.Label(
            f"{self.name}: {type(self.model).__name__}, {self.count()}, {size_text(values)} values",
            layout=wide(),
            style={"font_weight": "bold"},
        )
        body = w.HBox([column(self.rules), self.grid], layout=wide())
        top = (self.title, self.notice, self.forecast, self.bar, self.progress)
        self.children = (*top, body, self.detail)

    def count(self) -> str:
        """Say how many parameters there are."""
        own = sum(pair.kind == "parameter" for pair in self.comparison.values())
        return counted(own, "parameter")

    def count_all(self) -> None:
        """Count all values of a large model, beside what is shown meanwhile."""
        if self.session.sampled:
            self.progress.show(f"{SAMPLED} Counting all of them …")
            self.worker.start(self.session.count, self.hear)
        else:
            self.progress.hide()

    @guarded
    def hear(self, counted: Snapshot | None, error: Exception | None) -> None:
        """Take what the worker has counted."""
        if error is not None:
            self.progress.rest(SAMPLED)
            raise error
        if counted is not None:
            self.session.take(counted)
            self.progress.hide()
            self.show_weights()

    def press_cancel(self) -> None:
        """Stop counting; the sample stays."""
        self.worker.cancel()
        self.progress.rest(SAMPLED)

    @guarded
    def refresh(self) -> None:
        """Make the plan anew and show what it would do; nothing is written."""
        self.bar.status.clear()  # it speaks of rules that are others now
        self.rules.forgive()
        wrong = dict(self.rules.errors)
        self.plan = None
        try:
            found = self.session.plan(self.state)
        except ConfigError as error:
            # What a field lacks already says so: its rule need not say it too.
            if not any(path.startswith(f"{error.path}.") for path in wrong):
                if not self.rules.complain(error):
                    wrong[error.path] = f"{error.problem} {error.hint}".rstrip()
                wrong.update(self.rules.errors)
        else:
            self.plan = found if not wrong else None
        lines = [f"{place(path)}: {text}" for path, text in wrong.items()]
        self.forecast.show(self.plan, lines if self.plan is None else self.warnings(self.plan))
        self.bar.refresh()
        self.show_weights()

    def warnings(self, todo: InitPlan) -> list[str]:
        """Say what may go wrong with a plan: no way back, files that are not there."""
        lines = [text for text in [self.session.why_not(todo)] if text]
        for error in missing_files(todo):
            self.rules.complain(error)
            lines.append(f"{place(error.path)}: {error.problem}")
        return lines

    def show_weights(self) -> None:
        """Show the numbers of the model."""
        self.grid.show(self.comparison, self.plan, self.report)
        past = self.session.history
        self.bar.allow(self.plan is not None, past.why_no_undo, past.why_no_redo)
        self.show_detail()

    def show_detail(self) -> None:
        """Show the chosen parameter."""
        name = self.grid.selected
        row = self.plan.get(name) if self.plan is not None else None
        self.detail.log_counts = self.grid.log_counts
        self.detail.show(self.comparison.get(name), row, self.report)

    def python(self) -> str:
        """Return the rules and the seed as Python that runs as pasted."""
        return self.state.to_python(self.name)

    def apply(self) -> InitReport:
        """Do what the Initialize button does, and return the report.

        Raises the ConfigError that is shown at its field, with no parameter changed, if the rules
        cannot be used; ValueError if the name means another model now.
        """
        with MODEL_LOCK:
            self.check_name()
            self.rules.forgive()
            for path, text in self.rules.errors.items():
                raise BadValueError(path, text)
            self.bar.status.say("Initializing …", "info")
            self.worker.cancel()
            try:
                report = self.session.apply(self.state)
            except ConfigError as error:
                text = f"{place(error.path)}: {error.problem} {error.hint}".rstrip()
                self.bar.status.say(f"Nothing was changed. {text}")
                self.rules.complain(error)
                raise
            except Exception as error:
                self.bar.status.say(f"Nothing was changed. {type(error).__name__}: {error}")
                raise
            self.plan = report.plan
            self.forecast.show(self.plan, self.warnings(self.plan))
            self.bar.status.say(result(report), "info")
            self.show_weights()
            self.count_all()
            return report

    def undo(self) -> None:
        """Do what the Undo button does: put back what the last Initialize has written.

        Raises ValueError if there is nothing to undo, or no copy, or another model of that name.
        """
        with MODEL_LOCK:
            self.check_name()
            self.worker.cancel()
            self.session.undo()
            self.bar.status.say("Undone: the weights are what they were before.", "info")
            self.show_weights()
            self.count_all()

    def redo(self) -> None:
        """Do what the Redo button does: write again what Undo has put back; raises as `undo`."""
        with MODEL_LOCK:
            self.check_name()
            self.worker.cancel()
            self.session.redo()
            self.bar.status.say("Done again: the weights are what Undo took away.", "info")
            self.show_weights()
            self.count_all()

    def check_name(self) -> None:
        """Say and raise it if the name means another model now: nobody would see the weights."""
        if stranger(self.namespace, self.name, self.model):
            text = f"`{self.name}` is another model now: run the cell again."
            self.bar.status.say(text)
            raise AnotherModelError(self.name, text)

    @guarded
    def press_initialize(self, _button: w.Button) -> None:
        """Initialize; a config that cannot be used is shown already."""
        with suppress(ConfigError):
            self.apply()

    @guarded
    def press_undo(self, _button: w.Button) -> None:
        """Undo; another model is spoken of already."""
        with suppress(AnotherModelError):
            self.undo()

    @guarded
    def press_redo(self, _button: w.Button) -> None:
        """Redo; another model is spoken of already."""
        with suppress(AnotherModelError):
            self.redo()

    @guarded
    def choose(self, _change: object) -> None:
        """Show another parameter, or the same one on another scale."""
        self.show_detail()

    def close(self) -> None:
        """Close the panel and let go of the old weights."""
        if hasattr(self, "session"):  # also called for a panel that could not be made
            self.session.forget()
        if hasattr(self, "worker"):
            self.worker.cancel()
        super().close()

    def __repr__(self) -> str:
        return f"InitLab({self.name}: {self.count()})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Show the panel; where there are no widgets, one line."""
        bundle = super()._repr_mimebundle_(**kwargs)
        return {**(bundle or {}), "text/html": f"<p>{escape(repr(self))}</p>"}
