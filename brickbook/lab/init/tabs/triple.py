"""The tab of the triple: weights, activations and gradients of every layer."""

from __future__ import annotations

import math
import time
from collections.abc import Hashable
from functools import partial
from typing import Any

import ipywidgets as w
import torch

from brickbook.errors import BadValueError, ConfigError, wrong_value
from brickbook.html import escape
from brickbook.i18n import Texts
from brickbook.lab.init.tabs.lab_state import LabActions, LabState
from brickbook.lab.model_copy import carry_out, copy_model
from brickbook.lab.widgets import (
    Button,
    HTMLText,
    JobProgress,
    LeanLayout,
    ProgressCallback,
    Section,
    cancel_between_layers,
    full_width,
    reports_errors,
    tighten_lines,
)
from brickbook.lab.widgets.picture import Picture
from brickbook.measure.triple import Triple, triple
from brickbook.views.data.triple_rows import choose_layers
from brickbook.views.svg.triple import MAX_LAYERS, triple_svg

__all__ = ["TripleTab"]

MAX_SECONDS = 1.0  # what takes longer is asked for
MAX_ALL = 200  # rows: a page cannot draw any number
CANCEL_DELAY = 0.3
PAUSE = 10.0  # seconds: the longest that a cell waits for the layer that runs
RATES = {"SGD": 0.1, "Adam": 1e-3, "AdamW": 1e-3}  # and the learning rate to begin with


class TripleTab(Section):
    """The ``picture``, and what it is of.

    A pass runs through a copy of the model: at every choice and by ``run``; by itself where signals
    have run and it takes less than a second. ``found`` is what the picture shows, None before.
    """

    message_position = 1

    def __init__(self, texts: Texts, actions: LabActions) -> None:
        self.texts, self.actions = texts, actions
        self.state: LabState | None = None
        self.found: Triple | None = None
        self.found_key: Hashable = None
        self.failed_key: Hashable = None
        self.drawn: object = None
        self.seconds: float | None = None
        self.paused = self.interrupted = False
        self.of = self.menu("of", [("as_is", "as_is"), ("by_rules", "by_rules")])
        self.gradients = self.menu(
            "gradients", [("gradients_weights", "weights"), ("gradients_outputs", "outputs")]
        )
        names = [(texts["triple.no_step"], ""), *((name, name) for name in RATES)]
        self.optimizer = w.Dropdown(
            options=names, value="", description=texts["triple.step"],
            style={"description_width": "initial"}, layout=LeanLayout(width="auto"),
        )  # fmt: skip
        self.rate = w.FloatText(
            value=0.1, description=texts["triple.lr"], continuous_update=False,
            style={"description_width": "initial"},
            layout=LeanLayout(width="12em", display="none"),
        )  # fmt: skip
        self.common_x = self.check("common_x")
        self.all_layers = self.check("all")
        self.run = Button(
            description=texts["triple.run"], icon="line-chart", tooltip=texts["triple.run_tip"],
            layout=full_width(),
        )  # fmt: skip
        self.progress = JobProgress(texts("live.stop_tip"), texts)
        self.words = HTMLText(layout=full_width())
        self.picture = Picture(layout=full_width())
        self.run.on_click(self.on_run)
        self.optimizer.observe(self.on_optimizer, "value")
        for control in (self.of, self.rate):
            control.observe(self.on_change, "value")
        for control in (self.gradients, self.common_x, self.all_layers):
            control.observe(self.on_look, "value")
        self.picture.observe(self.on_look, "width")
        self.picture.observe(self.on_choice, "chosen")
        controls = w.HBox(
            [
                self.of, self.gradients, self.optimizer, self.rate, self.common_x,
                self.all_layers, self.run,
            ],
            layout=full_width(flex_flow="row wrap", align_items="center"),
        )  # fmt: skip
        super().__init__(controls, self.progress, self.words, self.picture)

    def menu(self, key: str, options: list[tuple[str, str]]) -> w.Dropdown:
        """Return a menu."""
        return w.Dropdown(
            options=[(self.texts[f"triple.{word}"], value) for word, value in options],
            description=self.texts[f"triple.{key}"],
            style={"description_width": "initial"},
            layout=LeanLayout(width="auto"),
        )

    def check(self, key: str) -> w.Checkbox:
        """Return a switch."""
        return w.Checkbox(
            description=self.texts[f"triple.{key}"], indent=False, layout=LeanLayout(width="auto")
        )

    @property
    def wanted_key(self) -> Hashable:
        """Return what the picture is to be of."""
        state = self.state
        if state is None:
            return None
        modes = tuple(part.training for part in state.model.modules())
        rules = repr(state.rules) if self.of.value == "by_rules" else ""
        step = (self.optimizer.value, self.rate.value) if self.optimizer.value else ()
        return (state.weights_version, modes, id(state.batch), state.input_shape, rules, step)

    def show(self, state: LabState) -> None:
        """Show the model as it is now."""
        self.state = state
        self.draw()
        self.start()

    def start(self, asked: bool = False) -> None:
        """Run what is wanted, if it is not shown and may run."""
        state, key = self.state, self.wanted_key
        if state is None or (key == self.found_key and not asked):
            return
        self.progress.worker.cancel()
        self.progress.finish()
        quick = bool(state.lines) if self.seconds is None else self.seconds <= MAX_SECONDS
        if not asked and (self.paused or not quick or state.problem or key == self.failed_key):
            return
        if asked and state.problem:
            self.show_message(state.problem)
        if state.problem or not state.probe_arguments:
            return
        by_rules, optimizer = self.of.value == "by_rules", self.make_optimizer()

        def task(report_progress: ProgressCallback) -> tuple[Triple, float]:
            if optimizer is not None:  # torch takes seconds to load the first: they do not count
                optimizer([torch.zeros(1, requires_grad=True)])
            begin, twin = time.perf_counter(), copy_model(state.model)
            with cancel_between_layers(twin, report_progress):
                if by_rules and state.plan is not None:
                    carry_out(state.plan, state.seed, twin, state.probe_arguments)
                found = triple(twin, **state.probe_arguments, optimizer=optimizer)
            return found, time.perf_counter() - begin

        self.progress.start_job(
            self.texts["live.running"], task, partial(self.on_result, key), CANCEL_DELAY
        )

    def make_optimizer(self) -> Any:
        """Return what makes the chosen optimizer, None for none.

        Raises:
            BadValueError: The learning rate is no positive number.
        """
        if not self.optimizer.value:
            return None
        rate = self.rate.value
        if not (math.isfinite(rate) and rate > 0):
            raise BadValueError("lr", wrong_value("a positive number", rate))
        return partial(getattr(torch.optim, self.optimizer.value), lr=rate)

    @reports_errors
    def on_result(
        self, key: Hashable, result: tuple[Triple, float] | None, error: Exception | None
    ) -> None:
        """Show what has run."""
        self.progress.finish()
        self.show_message("")
        if error is not None or result is None:
            self.failed_key = key
            ours = isinstance(error, ConfigError)
            text = self.texts.explain(error) if ours else f"{type(error).__name__}: {error}"
            self.show_message(self.texts("lines.failed", error=text))
            return
        (self.found, self.seconds), self.found_key = result, key
        self.draw()

    def draw(self) -> None:
        """Draw what was found, if it is not drawn so already."""
        self.words.value = tighten_lines(escape(self.describe()))
        found = self.found
        if found is None:
            return
        many = len(found.rows) > MAX_LAYERS
        self.all_layers.layout.display = None if many else "none"
        limit = MAX_ALL if self.all_layers.value else MAX_LAYERS
        wanted = (
            id(found), limit, self.gradients.value, self.common_x.value, self.picture.draw_width
        )  # fmt: skip
        if wanted == self.drawn:
            return
        self.drawn = wanted
        self.picture.svg = triple_svg(
            found,
            layers=choose_layers(found, limit),
            gradients="outputs" if self.gradients.value == "outputs" else "weights",
            common_x=self.common_x.value,
            width=self.picture.draw_width,
            language=self.texts.language,
        )

    def describe(self) -> str:
        """Say what the picture is of, or that it is of something else than what is asked for."""
        found = self.found
        if found is None:
            return self.texts["triple.run_tip"]
        if self.found_key != self.wanted_key:
            return self.texts["triple.old"]
        shapes = self.texts["list.comma"].join(" × ".join(map(str, it)) for it in found.input)
        source = self.texts.get(f"lines.source.{found.source}", found.source)
        mode = self.texts[f"lines.{found.mode}"]
        words = self.texts("triple.words", source=source, shapes=shapes, mode=mode)
        return self.texts["init.gap"].join((words, self.texts["triple.loss"]))

    @reports_errors
    def on_run(self, _button: w.Button) -> None:
        """Run, however long it takes."""
        self.start(asked=True)

    @reports_errors
    def on_change(self, _change: object) -> None:
        """Run for another choice: who makes one asks for it."""
        self.draw()
        if self.wanted_key != self.found_key:
            self.start(asked=True)

    @reports_errors
    def on_optimizer(self, change: dict[str, Any]) -> None:
        """Offer the learning rate that is usual for another optimizer."""
        self.rate.layout.display = None if change["new"] else "none"
        self.rate.value = RATES.get(change["new"], self.rate.value)
        self.on_change(change)

    @reports_errors
    def on_look(self, _change: object) -> None:
        """Draw in another way."""
        self.draw()

    @reports_errors
    def on_choice(self, change: dict[str, Any]) -> None:
        """Show the weight of the layer that was clicked."""
        rows = self.found.rows if self.found is not None else ()
        name = next(
            (row.weights[0] for row in rows if row.name == change["new"] and row.weights), ""
        )
        if name:
            self.actions.select(name)

    def pause(self) -> None:
        """Stop before code of the user's runs: the layer that runs is waited for."""
        self.paused, self.interrupted = True, self.progress.worker.busy
        self.progress.worker.cancel()
        self.progress.worker.wait(PAUSE)
        self.progress.finish()

    def resume(self) -> None:
        """Go on with what was stopped."""
        self.paused = False
        if self.interrupted:
            self.interrupted = False
            self.start()

    def close(self) -> None:
        """Stop, and close everything."""
        self.progress.worker.cancel()
        super().close()
