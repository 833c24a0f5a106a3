"""The controls of a race, its progress and its picture: of the panel, and of the init lab."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import ipywidgets as w
from torch import nn

from brickbook.errors import ConfigError
from brickbook.html import escape
from brickbook.i18n import Texts
from brickbook.lab.race.choices import OPTIMIZERS
from brickbook.lab.widgets import (
    Button,
    HTMLText,
    JobProgress,
    LeanLayout,
    ProgressCallback,
    Section,
    full_width,
    reports_errors,
)
from brickbook.live_panels import PANEL_LOCK
from brickbook.measure.race import Race, race
from brickbook.views.data.race_curves import stop_label
from brickbook.views.svg.race import race_picture

__all__ = ["RaceSection"]

STEPS = (20, 50, 100, 200, 500, 1000)
RATES = ("0.0001", "0.0003", "0.001", "0.003", "0.01", "0.03", "0.1", "0.3", "1")
BATCH_SIZES = (8, 16, 32, 64, 128)
PAINT_INTERVAL = 0.25  # seconds between two pictures, at least

# What a race is of: a model or what makes one (None for the task's own), and the starts by name.
Starts = tuple[nn.Module | Callable[[], nn.Module] | None, Mapping[str, Any]]


class RaceSection(Section):
    """A race to be chosen, run in a thread, watched and cancelled.

    ``result`` is the race as far as it has come, None before the first. Controls: ``task``,
    ``steps``, ``seeds``, ``optimizer``, ``rate``, ``batch_size``, ``run`` and ``progress``.

    Args:
        find_starts: Returns what is raced; called as Race is pressed, under the panels' lock.
        texts: The texts of the panel's language.
        loss: Of output and target; by default by the targets.
    """

    message_position = 1

    def __init__(
        self,
        find_starts: Callable[[], Starts],
        texts: Texts,
        loss: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        self.find_starts, self.texts, self.loss = find_starts, texts, loss
        self.data: dict[str, Callable[[], Any]] = {}
        self.result: Race | None = None
        self.last_paint = 0.0
        self.task: Any = self.menu("race.task", [])
        self.steps: Any = self.menu("race.steps", STEPS, 100)
        self.seeds: Any = self.menu("race.seeds", (1, 2, 3, 5), 2)
        self.optimizer: Any = self.menu("race.optimizer", tuple(OPTIMIZERS), "SGD")
        self.rate: Any = self.menu("race.rate", RATES, "0.1")
        self.batch_size: Any = self.menu("race.batch_size", BATCH_SIZES, 32)
        self.run = Button(
            description=texts["race.run"],
            icon="flag-checkered",
            tooltip=texts["race.run_tip"],
            layout=full_width(),
        )
        self.run.on_click(self.on_run)
        self.progress = JobProgress(texts["race.stop_tip"], texts, self.on_cancel)
        self.picture = HTMLText(layout=full_width())
        menus = [self.task, self.steps, self.seeds, self.optimizer, self.rate, self.batch_size]
        row = w.HBox([*menus, self.run], layout=full_width(flex_flow="row wrap"))
        super().__init__(row, self.progress, self.picture)

    def menu(self, key: str, options: Any, value: Any = None) -> w.Dropdown:
        """Return a menu."""
        return w.Dropdown(
            options=options, value=value, description=self.texts[key],
            style={"description_width": "auto"}, layout=LeanLayout(width="auto", max_width="22em"),
        )  # fmt: skip

    def offer(self, data: Mapping[str, Callable[[], Any]]) -> None:
        """Offer data by name, each made when it is raced on; what was chosen stays, if it can."""
        self.data = dict(data)
        names = tuple(self.data)
        if tuple(self.task.options) != names:
            chosen = self.task.value
            self.task.options = names
            self.task.value = chosen if chosen in names else next(iter(names), None)
        self.run.disabled = not names

    @reports_errors
    def on_run(self, _button: object) -> None:
        """Start the race."""
        self.show_message("")
        model, starts = self.find_starts()
        make_data = self.data[self.task.value]
        given = {
            "steps": self.steps.value,
            "seeds": self.seeds.value,
            "optimizer": partial(OPTIMIZERS[self.optimizer.value], lr=float(self.rate.value)),
            "batch_size": self.batch_size.value,
            "loss": self.loss,
        }

        def task(report_progress: ProgressCallback) -> Race:
            done = 0

            def on_share(found: Race, share: float) -> None:
                nonlocal done
                done = round(1000 * share)
                if report_progress(done, 1000):
                    self.show_part(found, report_progress)

            data = make_data()
            model_fn = getattr(data, "model_fn", None) if model is None else model
            return race(
                model_fn,  # pyright: ignore[reportArgumentType] - checked there
                starts,
                data,
                **given,
                progress=on_share,
                cancelled=lambda: not report_progress(done, 1000),
            )

        self.result, self.picture.value = None, ""
        self.progress.start_job(self.texts["race.running"], task, self.on_end)

    def show_part(self, found: Race, report_progress: ProgressCallback) -> None:
        """Show the race as far as it has come, unless it was cancelled or is being drawn."""
        now = time.monotonic()
        if now - self.last_paint < PAINT_INTERVAL:
            return
        with PANEL_LOCK:
            if report_progress(0, 0):
                self.last_paint, self.result = now, found
                self.paint()

    @reports_errors
    def on_end(self, found: Race | None, error: Exception | None) -> None:
        """Show how the race has ended."""
        self.progress.finish()
        if error is None:
            self.result = found
            self.paint()
        elif isinstance(error, ConfigError):
            self.show_message(self.texts.explain(error))
        else:
            raise error

    def on_cancel(self) -> None:
        """Say that the race was stopped; what there is stays."""
        self.notice.show(self.texts["race.cancelled"], "info")

    def paint(self) -> None:
        """Draw the race."""
        if self.result is None:
            return
        drawn = race_picture(self.result, self.texts.language)._repr_html_()
        lines = [*self.result.notes]
        for run in self.result.runs:
            if run.problem:
                lines.append(run.outcome)
            elif run.status == "diverged":
                stopped = stop_label(run, self.texts)
                lines.append(self.texts("init.line", place=run.variant, text=stopped))
        said = "".join(f"<div>⚠ {escape(line)}</div>" for line in dict.fromkeys(lines))
        self.picture.value = f"{drawn}{said}"

    def close(self) -> None:
        """Stop, and close everything."""
        self.progress.worker.cancel()
        super().close()
