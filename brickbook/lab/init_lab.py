"""The init lab: pick rules, see what they would do, do it, look at every parameter, undo."""

from __future__ import annotations

from contextlib import suppress
from html import escape
from typing import Any

import ipywidgets as w
from torch import nn

from brickbook.errors import BadArgumentError, BadValueError, ConfigError
from brickbook.init.apply import InitReport
from brickbook.lab.grid import Grid
from brickbook.lab.init_detail import Detail
from brickbook.lab.init_forecast import Forecast
from brickbook.lab.init_presets import PRESETS
from brickbook.lab.init_rules import RuleList
from brickbook.lab.init_session import UNDO_BUDGET, InitSession
from brickbook.lab.init_state import InitState
from brickbook.lab.init_words import (
    counted,
    place,
    result,
    size_text,
)
from brickbook.lab.panels import MODEL_LOCK, Notice, Panel, guarded, take_place
from brickbook.measure.comparisons import Comparison

__all__ = ["InitLab"]


class InitLab(Panel):
    """A panel that starts the weights of ``model`` and shows every parameter before and after.

    ``name`` is what the copied Python calls the model. Without ``init_cfg`` the panel opens with
    the model's own, or with Kaiming weights and norm scales of one. ``seed=None`` draws from
    torch's generator. Old weights are kept for Undo up to ``undo_budget`` bytes.

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
    ) -> None:
        if not isinstance(model, nn.Module):
            raise BadArgumentError("model", f"expected an nn.Module, got {type(model).__name__}.")
        state = InitState.from_cfg(init_cfg if init_cfg is not None else start(model), seed)
        super().__init__(layout=w.Layout(width="auto", min_width="0"))
        self.model, self.name, self.plan = model, name, None
        with MODEL_LOCK:
            self.session = InitSession(model, MODEL_LOCK, undo_budget)
        self.rules = RuleList(model, state, self.refresh)
        self.grid, self.detail = Grid(), Detail()
        self.make_words()
        self.make_buttons()
        self.lay_out()
        self.grid.observe(self.choose, "selected")
        self.refresh()
        take_place(("model", id(model)), self)

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

    def make_words(self) -> None:
        """Make the lines that say something."""
        values = sum(p.latest.count for p in self.comparison.values() if p.kind == "parameter")
        self.title = w.Label(
            f"{self.name}: {type(self.model).__name__}, {self.count()}, {size_text(values)} values",
            layout=w.Layout(width="auto"),
            style={"font_weight": "bold"},
        )
        self.forecast, self.status = Forecast(), Notice()

    def make_buttons(self) -> None:
        """Make the buttons, and what they unfold."""
        wide = w.Layout(width="auto")
        self.initialize_button = w.Button(
            description="Initialize", icon="play", button_style="primary", layout=wide
        )
        self.undo_button = w.Button(description="Undo", icon="undo", disabled=True, layout=wide)
        self.copy_button = w.Button(
            description="Copy config",
            icon="copy",
            tooltip="Show the rules as Python that runs as pasted",
            layout=wide,
        )
        self.code = w.Textarea(
            description="config", layout=w.Layout(width="auto", display="none"), rows=6
        )
        self.initialize_button.on_click(self.press_initialize)
        self.undo_button.on_click(self.press_undo)
        self.copy_button.on_click(self.press_copy)

    def lay_out(self) -> None:
        """Put everything in its place."""
        buttons = w.HBox(
            [self.initialize_button, self.undo_button, self.copy_button],
            layout=w.Layout(flex_flow="row wrap"),
        )
        left = w.VBox(
            [buttons, self.status, self.code, self.rules],
            layout=w.Layout(flex="0 0 24em", max_height="46em", overflow="hidden auto"),
        )
        right = w.VBox([self.grid], layout=w.Layout(flex="1 1 30em", min_width="0"))
        body = w.HBox([left, right], layout=w.Layout(align_items="stretch", width="auto"))
        self.children = (self.title, self.notice, self.forecast, body, self.detail)

    def count(self) -> str:
        """Say how many parameters there are."""
        own = sum(pair.kind == "parameter" for pair in self.comparison.values())
        return counted(own, "parameter")

    @guarded
    def refresh(self) -> None:
        """Make the plan anew and show what it would do; nothing is written."""
        self.rules.forgive()
        wrong = [f"{place(path)}: {text}" for path, text in self.rules.errors.items()]
        self.plan = None
        if not wrong:
            try:
                self.plan = self.session.plan(self.state)
                wrong = [text for text in [self.session.why_not(self.plan)] if text]
            except ConfigError as error:
                self.rules.complain(error)
                wrong = [f"{place(error.path)}: {error.problem} {error.hint}".rstrip()]
        self.forecast.show(self.plan, wrong)
        self.initialize_button.disabled = self.plan is None
        if self.code.layout.display is None:
            self.show_code()
        self.show_weights()

    def show_weights(self) -> None:
        """Show the numbers of the model."""
        done = self.report if self.report is not None and self.report.plan is self.plan else None
        self.grid.show(self.comparison, self.plan, done)
        self.undo_button.disabled = bool(self.session.why_no_undo)
        self.undo_button.tooltip = self.session.why_no_undo or "Put the weights back, bit for bit"
        self.show_detail()

    def show_detail(self) -> None:
        """Show the chosen parameter."""
        name = self.grid.selected
        row = self.plan.get(name) if self.plan is not None else None
        self.detail.show(self.comparison.get(name), row)

    def show_code(self) -> None:
        """Write the rules as Python."""
        self.code.value = self.state.to_python(self.name)
        self.code.rows = min(24, self.code.value.count("\n") + 1)

    def apply(self) -> InitReport:
        """Do what the Initialize button does, and return the report.

        Raises the ConfigError that is shown at its field, with no parameter changed, if the rules
        cannot be used.
        """
        with MODEL_LOCK:
            self.rules.forgive()
            for path, text in self.rules.errors.items():
                raise BadValueError(path, text)
            self.status.say("Initializing …", "info")
            try:
                report = self.session.apply(self.state)
            except ConfigError as error:
                self.status.say(f"Nothing was changed. {error}")
                self.rules.complain(error)
                raise
            except Exception as error:
                self.status.say(f"Nothing was changed. {type(error).__name__}: {error}")
                raise
            self.plan = report.plan
            self.status.say(result(report), "info")
            self.show_weights()
            return report

    def undo(self) -> None:
        """Do what the Undo button does: put back what the last Initialize has written.

        Raises ValueError if there is nothing to undo, or no copy.
        """
        with MODEL_LOCK:
            self.session.undo()
            self.status.say("Undone: the weights are what they were before.", "info")
            self.show_weights()

    @guarded
    def press_initialize(self, _button: w.Button) -> None:
        """Initialize; a config that cannot be used is shown already."""
        with suppress(ConfigError):
            self.apply()

    @guarded
    def press_undo(self, _button: w.Button) -> None:
        """Undo."""
        self.undo()

    @guarded
    def press_copy(self, _button: w.Button) -> None:
        """Unfold the Python text, or fold it."""
        hidden = self.code.layout.display == "none"
        self.code.layout.display = None if hidden else "none"
        if hidden:
            self.show_code()

    @guarded
    def choose(self, _change: object) -> None:
        """Show another parameter."""
        self.show_detail()

    def close(self) -> None:
        """Close the panel and let go of the old weights."""
        if hasattr(self, "session"):  # also called for a panel that could not be made
            self.session.forget()
        super().close()

    def __repr__(self) -> str:
        return f"InitLab({self.name}: {self.count()})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Show the panel; where there are no widgets, one line."""
        bundle = super()._repr_mimebundle_(**kwargs)
        return {**(bundle or {}), "text/html": f"<p>{escape(repr(self))}</p>"}


def start(model: nn.Module) -> Any:
    """Return the ``init_cfg`` a panel opens with: the model's own, or the first preset."""
    return getattr(model, "init_cfg", None) or list(PRESETS[0].rules(model))
