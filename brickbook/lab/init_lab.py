"""The init lab: pick rules, see what they would do, do it, look at every parameter, undo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import ipywidgets as w
from torch import nn

from brickbook.errors import BadArgumentError, ConfigError
from brickbook.init.initplan import InitPlan
from brickbook.lab.grid import Grid
from brickbook.lab.init_bar import Bar
from brickbook.lab.init_detail import Detail
from brickbook.lab.init_diagnosis import Diagnosis
from brickbook.lab.init_forecast import Forecast
from brickbook.lab.init_look import column, parts_of, wide
from brickbook.lab.init_outputs import InitOutputs
from brickbook.lab.init_presets import start
from brickbook.lab.init_progress import Counting
from brickbook.lab.init_rules import RuleList
from brickbook.lab.init_session import (
    EXACT_UP_TO,
    UNDO_BUDGET,
    InitSession,
    missing_files,
    stranger,
)
from brickbook.lab.init_state import InitState
from brickbook.lab.init_variants import Variants
from brickbook.lab.init_words import place
from brickbook.lab.light import Slim
from brickbook.lab.panels import MODEL_LOCK, guarded, live_panels, take_place
from brickbook.texts import Texts
from brickbook.views.signals import depth_svg

__all__ = ["InitLab"]


class InitLab(InitOutputs):
    """A panel that starts the weights of ``model`` and shows every parameter before and after.

    ``name`` is what the copied Python calls the model. Without ``init_cfg`` the panel opens with
    the model's own, or with Kaiming weights and norm scales of one. ``seed=None`` draws from
    torch's generator. Old weights are kept for Undo up to ``undo_budget`` bytes. Once ``name`` is
    another model in ``namespace``, the user's variables, nothing is written any more. Of a model
    with more than ``exact_up_to`` values a sample is shown until all are counted. ``batch`` is what
    rules that need data run the model on, as in `initialize`; the diagnosis runs it too, else what
    is given there, at first N(0, 1) numbers of ``input_shape`` (without the batch size).

    ``language`` is what the panel speaks, "en" or "zh", None for the reader's; English everywhere
    are names, laws, why a plan leaves a parameter, and what errors of a config say.

    ``state`` is what the controls say, ``plan`` what it would do (None while it cannot be used),
    ``report`` what the last Initialize did. Opening a panel closes those of the same model, and
    those of a model that had the name before.

    Raises TypeError for a model that is no ``nn.Module`` and for an ``init_cfg`` that is no config,
    ValueError for an unknown language.
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
        batch: object = None,
        input_shape: Sequence[int] | None = None,
        namespace: Mapping[str, Any] | None = None,
        language: str | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise BadArgumentError("model", f"expected an nn.Module, got {type(model).__name__}.")
        state = InitState.from_cfg(init_cfg if init_cfg is not None else start(model), seed)
        self.texts = texts = Texts(language)
        super().__init__(layout=wide(min_width="0"))
        self.model, self.name, self.plan = model, name, None
        self.namespace = namespace or {}
        replaced = [old for old in live_panels() if isinstance(old, InitLab) and self.replaces(old)]
        for old in replaced:
            old.diagnosis.stop()  # its batch holds the lock
        with MODEL_LOCK:
            self.session = InitSession(model, MODEL_LOCK, undo_budget, exact_up_to, batch, texts)
        self.rules = RuleList(model, state, self.refresh, texts)
        self.grid = Grid(layout=Slim(flex="1 1 30em", min_width="0"))
        self.detail = Detail(texts)
        self.forecast = Forecast(texts)
        pressed = (self.press_initialize, self.press_undo, self.press_redo)
        self.bar = Bar(*pressed, self.python, self.press_export, texts)
        self.counting = Counting(self.session, self.show_weights, texts)
        picture = partial(depth_svg, language=texts.language)
        self.diagnosis = Diagnosis(model, picture, self.namespace, input_shape, texts)
        self.variants = Variants(self.rules, self.imagine, self.show_weights, texts)
        self.lay_out()
        self.grid.observe(self.choose, ["selected", "log_counts"])
        self.refresh()
        take_place(("model", id(model)), self)
        for old in replaced:
            old.close()
        self.counting.begin()

    def replaces(self, old: InitLab) -> bool:
        """Whether a panel is of this model, or of one that had this panel's name before."""
        renamed = old.name == self.name and stranger(old.namespace, old.name, old.model)
        return renamed or old.model is self.model

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

    def lay_out(self) -> None:
        """Put everything in its place."""
        bold = {"font_weight": "bold"}
        self.title = w.Label(self.headline(), layout=wide(), style=bold)
        body = w.HBox(
            [column(w.VBox([self.rules, self.variants], layout=wide())), self.grid], layout=wide()
        )
        top = (self.title, self.notice, self.forecast, self.diagnosis, self.bar, self.counting)
        self.children = (*top, body, self.detail)

    @guarded
    def refresh(self) -> None:
        """Make the plan anew and show what it would do; nothing is written.

        The weights too are looked at again, if something else has changed them since.
        """
        changed = self.session.look_again()
        self.bar.status.clear()  # it speaks of rules that are others now
        self.meet_changes(changed)
        self.predict()
        self.show_weights()

    def predict(self) -> None:
        """Make the plan anew, and say what it would do or why there is none."""
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
        lines = [
            self.texts("init.line", place=place(path, self.texts), text=text)
            for path, text in wrong.items()
        ]
        self.forecast.show(self.plan, lines if self.plan is None else self.warnings(self.plan))
        self.bar.refresh()

    def warnings(self, todo: InitPlan) -> list[str]:
        """Say what may go wrong with a plan: no way back, files that are not there."""
        lines = [text for text in [self.session.why_not(todo)] if text]
        for error in missing_files(todo, self.texts):
            self.rules.complain(error)
            lines.append(self.told(error))
        return lines

    def show_weights(self) -> None:
        """Show the numbers of the model."""
        self.grid.show(
            self.comparison,
            self.plan,
            self.report,
            self.variants.found,
            language=self.texts.language,
        )
        past = self.session.history
        self.bar.allow(self.plan is not None, past.why_no_undo, past.why_no_redo)
        self.diagnosis.show(self.plan, self.report, self.session.batch)
        self.show_detail()

    def show_detail(self) -> None:
        """Show the chosen parameter."""
        name = self.grid.selected
        row = self.plan.get(name) if self.plan is not None else None
        self.detail.log_counts = self.grid.log_counts
        self.detail.show(self.comparison.get(name), row, self.report)

    @guarded
    def choose(self, _change: object) -> None:
        """Show another parameter, or the same one on another scale."""
        self.show_detail()

    def close(self) -> None:
        """Close the panel and let go of the old weights."""
        if hasattr(self, "counting"):  # also called for a panel that could not be made
            self.session.forget()
            self.counting.close()
            self.diagnosis.stop()
            if self.exports is not None:
                self.exports.close()
        super().close()
