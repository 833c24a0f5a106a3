"""What is wrong with how the model starts, in words; each with its rule, told on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import ipywidgets as w
from torch import nn

from brickbook.errors import ConfigError
from brickbook.init.initplan import InitPlan
from brickbook.init.report import InitReport
from brickbook.lab.builder_state import parse_shape
from brickbook.lab.init_batches import batches_in, named_batch
from brickbook.lab.init_findings import findings_html
from brickbook.lab.init_look import Fold, Part, close_up, wide
from brickbook.lab.init_progress import Progress
from brickbook.lab.light import Button, Slim, Words
from brickbook.lab.panels import MODEL_LOCK, guarded
from brickbook.lab.stopping import between_layers, between_steps
from brickbook.lab.worker import GoOn
from brickbook.measure import Finding, Signals, diagnose, probe
from brickbook.measure.batches import each_tensor, first_layer, fitting
from brickbook.texts import Texts

__all__ = ["Diagnosis"]

BATCH = 16
PATIENCE = 0.3  # seconds: a look that is done by then needs no Cancel


class Diagnosis(Part):
    """Folded until it is asked for, because it looks at every weight.

    All work is done in a thread; `stop` ends it. A batch runs under the models' lock: one of a
    shape to draw, or the one of that name in ``namespace``, the user's variables. ``input_shape``,
    without the batch size, stands in the field at first.

    ``findings`` is what was found last, ``signals`` what a batch has shown (None before). Controls:
    ``fold``; ``shape``, ``run`` and ``progress`` once it was opened.
    """

    spot = 1

    def __init__(
        self,
        model: nn.Module,
        picture: Callable[[Signals], str],
        namespace: Mapping[str, Any] | None = None,
        input_shape: Sequence[int] | None = None,
        texts: Texts | None = None,
    ) -> None:
        self.model, self.picture, self.texts = model, picture, texts or Texts()
        self.namespace, self.input_shape = namespace or {}, input_shape
        self.plan: InitPlan | None = None
        self.report: InitReport | None = None
        self.batch: Any = None
        self.signals: Signals | None = None
        self.findings: tuple[Finding, ...] = ()
        self.running = False
        self.fold = Fold(self.texts["diagnosis.title"], self.texts)
        super().__init__(self.fold)
        self.fold.observe(self.unfold, "unfolded")

    @property
    def opened(self) -> bool:
        """Whether the findings can be seen."""
        return self.fold.unfolded

    @property
    def title(self) -> str:
        """What stands on the fold."""
        return self.fold.title

    @title.setter
    def title(self, text: str) -> None:
        self.fold.title = text

    @cached_property
    def words(self) -> Words:
        """The place of the findings; with it all other controls are made, at the first look."""
        self.chart = Words(layout=wide())
        shape = self.input_shape
        self.shape = w.Combobox(
            value=", ".join(map(str, (BATCH, *shape))) if shape else "",
            options=batches_in(self.namespace),
            placeholder=self.suggested(),
            description=self.texts("diagnosis.input"),
            tooltip=self.texts("live.input_tip"),
            continuous_update=False,
            style={"description_width": "6ch"},
            layout=Slim(width="22em"),
        )
        self.run = Button(
            description=self.texts("diagnosis.run"),
            icon="line-chart",
            tooltip=self.texts("diagnosis.run_tip"),
            layout=wide(),
        )
        self.run.on_click(self.press_run)
        self.progress = Progress(self.texts("live.stop_tip"), self.texts, self.stopped)
        words = Words(layout=wide())
        row = w.HBox([self.shape, self.run], layout=wide(flex_flow="row wrap"))
        self.fold.body.children = (words, row, self.progress, self.chart)
        return words

    def suggested(self) -> str:
        """Say what an empty field stands for."""
        if self.batch is not None:
            shapes = (" × ".join(map(str, tensor.shape)) for tensor in each_tensor(self.batch))
            return self.texts("live.given", shapes=", ".join(shapes))
        shape = fitting(first_layer(self.model)[1])
        return ", ".join(map(str, shape)) if shape else f"{BATCH}, 3, 224, 224"

    def show(self, plan: InitPlan | None, report: InitReport | None, batch: Any = None) -> None:
        """Take another plan or report; what a batch has shown of other weights is forgotten."""
        if report is not self.report:
            self.forget()
        self.plan, self.report, self.batch = plan, report, batch
        self.resume()

    def resume(self) -> None:
        """Look again, if it can be seen; after a batch that comes anyway."""
        if self.opened and not self.running:
            self.look()

    def forget(self) -> None:
        """Stop, and forget what a batch has shown: the weights are others now."""
        self.stop()
        self.signals = None

    def stop(self) -> None:
        """Stop all work; no lock is needed, and nothing is waited for."""
        if "words" in vars(self):
            self.progress.worker.cancel()
            self.progress.end()
        if self.running:
            self.notice.say(self.texts("live.stopped"), "info")
        self.running = False

    def stopped(self) -> None:
        """Say what was stopped by its button."""
        self.notice.say(self.texts("live.stopped" if self.running else "live.look_stopped"), "info")
        self.title = self.texts("diagnosis.title")
        if not self.running:
            self.findings, self.words.value = (), ""
        self.running = False

    @guarded
    def unfold(self, _change: object) -> None:
        """Look when it is opened."""
        if self.opened and "words" in vars(self):
            self.shape.options = batches_in(self.namespace)
        self.resume()

    def look(self) -> None:
        """Diagnose what there is: the plan while nothing is done, else what was done."""
        given: dict[str, Any] = {"report": self.report, "signals": self.signals}
        if self.report is None:
            given["plan"] = self.plan

        def task(go_on: GoOn) -> tuple[Finding, ...]:
            with between_steps(go_on):
                return diagnose(self.model, **given)

        self.chart.value = self.picture(self.signals) if self.words and self.signals else ""
        self.title = self.texts("live.looking")
        self.progress.do(self.texts("live.look"), task, self.hear_findings, PATIENCE)

    @guarded
    def hear_findings(self, found: tuple[Finding, ...] | None, error: Exception | None) -> None:
        """Show what was found."""
        self.progress.end()
        self.findings = found or ()
        self.title = self.texts("diagnosis.title")
        self.words.value = ""
        if error is not None:
            raise error
        self.words.value = close_up(findings_html(self.findings, self.texts))
        count = len(self.findings)
        self.title = self.texts("diagnosis.found" if count else "diagnosis.clean", n=count)

    @guarded
    def press_run(self, _button: w.Button) -> None:
        """Run the given batch, or one of N(0, 1) numbers, through the model as it is."""
        self.say("")
        try:
            given = self.input()
        except ConfigError as error:
            self.say(f"{error.problem} {error.hint}".rstrip())
            return

        def task(go_on: GoOn) -> Signals:
            with MODEL_LOCK, between_layers(self.model, go_on):
                return probe(self.model, **given)

        self.running = True
        self.progress.do(self.texts("live.running"), task, self.hear_signals)

    def input(self) -> dict[str, Any]:
        """Return what the model is to run on, as arguments of `probe`; ConfigErrors for no such."""
        text = self.shape.value.strip()
        if not text and self.batch is not None:
            return {"batch": self.batch}
        if text and text[0] not in "0123456789([":
            return {"batch": named_batch(self.namespace, text)}
        return {"input_shape": parse_shape(text or self.suggested())}

    @guarded
    def hear_signals(self, found: Signals | None, error: Exception | None) -> None:
        """Take what a batch has shown, or say in which layer it failed."""
        self.running = False
        self.progress.end()
        self.signals = found
        if error is not None:
            told = (
                str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
            )
            if error.__cause__ is not None or not isinstance(error, ConfigError):
                self.last_error = error  # the model's own: its traceback is wanted
                told = self.texts("live.failed", error=told)
            self.say(told)
        self.look()

    def close(self) -> None:
        """Stop, and close everything."""
        self.stop()
        super().close()
