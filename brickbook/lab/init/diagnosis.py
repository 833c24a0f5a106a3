"""The diagnosis of the init lab: findings as a list, and a batch run through the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import ipywidgets as w
from torch import nn

from brickbook.config import parse_shape
from brickbook.errors import ConfigError
from brickbook.html import escape
from brickbook.i18n import Texts
from brickbook.init.execution import InitReport
from brickbook.init.planning import InitPlan
from brickbook.lab.init.batches import batch_names, find_batch
from brickbook.lab.init.verdict import findings_html, start_loss_html, verdict
from brickbook.lab.init.words import problem_text
from brickbook.lab.widgets import (
    Button,
    Disclosure,
    HTMLText,
    JobProgress,
    LeanLayout,
    ProgressCallback,
    Section,
    cancel_between_calls,
    cancel_between_layers,
    full_width,
    reports_errors,
    tighten_lines,
)
from brickbook.live_panels import MODEL_LOCK
from brickbook.measure.diagnosis import Finding, diagnose
from brickbook.measure.probe import (
    Shape,
    Signals,
    collect_tensors,
    first_layer,
    guess_shape,
    make_batch,
    probe,
)

BATCH_SIZE = 16
CANCEL_DELAY = 0.3  # seconds: a diagnosis that is done by then needs no Cancel


class Diagnosis(Section):
    """The verdict in a line; unfolded, all findings about the weights, the plan and the signals.

    All work is done in a thread; `stop` ends it. A batch runs under the models' lock: one of a
    shape to draw, or the one of that name in ``namespace``, the user's variables. ``input_shape``,
    without the batch size, stands in the field at first. None runs while ``find_problem`` says why
    not. ``on_input`` is called when something else is to be run, or with what its button has run.

    ``findings`` is what was found last of what the rules would make, or have made, of the model;
    ``findings_now`` of the weights, where the rules would make others. ``signals`` is what a batch
    has shown of the weights as they are, ``rules_signals`` of what the rules would make of them
    (None before). Controls: ``disclosure``, and ``field`` with ``shape`` and ``run``.
    """

    message_position = 1

    def __init__(
        self,
        model: nn.Module,
        namespace: Mapping[str, Any] | None = None,
        input_shape: Sequence[int] | None = None,
        texts: Texts | None = None,
        find_problem: Callable[[], str] = str,
        on_input: Callable[[Signals | None], None] = lambda _: None,
    ) -> None:
        self.find_problem, self.on_input = find_problem, on_input
        self.model, self.texts = model, texts or Texts()
        self.namespace, self.input_shape = namespace or {}, input_shape
        self.guess: Shape | None = None
        with suppress(ConfigError):  # a model of TorchScript has no layers to look at
            self.guess = guess_shape(first_layer(model)[1])
        self.plan: InitPlan | None = None
        self.report: InitReport | None = None
        self.batch: Any = None
        self.loaded: tuple[Any, Any] = None, None  # a loader, and its first batch
        self.signals: Signals | None = None
        self.rules_signals: Signals | None = None
        self.findings: tuple[Finding, ...] = ()
        self.findings_now: tuple[Finding, ...] = ()
        self.batch_running = False
        self.disclosure = Disclosure(self.texts["diagnosis.title"], self.texts)
        self.disclosure.header.add_class("bb-verdict")
        self.shape = w.Combobox(
            value=", ".join(map(str, (BATCH_SIZE, *input_shape))) if input_shape else "",
            placeholder=self.placeholder_text(),
            description=self.texts("diagnosis.input"),
            tooltip=self.texts("live.input_tip"),
            continuous_update=False,
            style={"description_width": "6ch"},
            layout=LeanLayout(width="20em"),
        )
        self.run = Button(
            description=self.texts("diagnosis.run"),
            icon="line-chart",
            tooltip=self.texts("diagnosis.run_tip"),
            layout=self.disclosure.layout,
        )
        self.progress = JobProgress(self.texts("live.stop_tip"), self.texts, self.on_cancel)
        self.field = w.HBox([self.shape, self.run], layout=self.disclosure.layout)
        super().__init__(self.disclosure, self.progress)
        self.run.on_click(self.on_run)
        self.shape.observe(self.on_shape, "value")
        self.disclosure.observe(self.on_expand, "unfolded")

    @property
    def is_open(self) -> bool:
        """Whether the findings can be seen."""
        return self.disclosure.unfolded

    @property
    def title(self) -> str:
        """The label of the button that unfolds it: the verdict, once there is one."""
        return self.disclosure.title

    @title.setter
    def title(self, text: str) -> None:
        self.disclosure.title = text

    @cached_property
    def words(self) -> HTMLText:
        """The list of findings, made at the first diagnosis."""
        words = HTMLText(layout=full_width())
        self.disclosure.body.children = (words,)
        return words

    def placeholder_text(self) -> str:
        """Return what an empty field stands for."""
        if self.batch is not None:
            shapes = (" × ".join(map(str, tensor.shape)) for tensor in collect_tensors(self.batch))
            return self.texts("live.given", shapes=", ".join(shapes))
        shape = self.guess
        return ", ".join(map(str, shape)) if shape else f"{BATCH_SIZE}, 3, 224, 224"

    def show(self, plan: InitPlan | None, report: InitReport | None, batch: Any = None) -> None:
        """Diagnose another plan or report; what a batch has shown of other weights is dropped."""
        if report is not self.report:
            self.discard_signals()
        if plan is not self.plan:
            self.rules_signals = None
        self.plan, self.report = plan, report
        self.take_batch(batch)
        self.shape.options = batch_names(self.namespace)
        self.resume()

    def show_signals(self, now: Signals | None, by_rules: Signals | None) -> None:
        """Diagnose with what a batch has shown of the weights, and of what the rules would make."""
        if (now, by_rules) == (None, None) or (
            now is self.signals and by_rules is self.rules_signals
        ):
            return
        self.signals, self.rules_signals = now, by_rules
        self.resume()

    def take_batch(self, batch: Any) -> None:
        """Take what an empty field stands for; None for noise."""
        if batch is not self.batch:
            self.batch = batch
            self.shape.placeholder = self.placeholder_text()

    def use_guess(self, shape: Shape) -> None:
        """Take a shape that has run for that of an empty field."""
        self.guess = shape
        self.shape.placeholder = self.placeholder_text()

    def resume(self) -> None:
        """Diagnose again, if it can be seen; after a batch that comes anyway."""
        known = self.signals is not None or self.rules_signals is not None
        if (self.is_open or known) and not self.batch_running:
            self.start_diagnosis()

    def discard_signals(self) -> None:
        """Stop, and drop what a batch has shown: the weights are others now."""
        self.stop()
        self.signals = self.rules_signals = None

    def stop(self) -> None:
        """Stop all work; no lock is needed, and nothing is waited for."""
        self.progress.worker.cancel()
        self.progress.finish()
        if self.batch_running:
            self.notice.show(self.texts("live.stopped"), "info")
        self.batch_running = False

    def on_cancel(self) -> None:
        """Show what the Cancel button has stopped."""
        self.notice.show(
            self.texts("live.stopped" if self.batch_running else "live.look_stopped"), "info"
        )
        self.title = self.texts("diagnosis.title")
        if not self.batch_running:
            self.findings = self.findings_now = ()
            if "words" in vars(self):
                self.words.value = ""
        self.batch_running = False

    @reports_errors
    def on_expand(self, _change: object) -> None:
        """Diagnose when it is opened."""
        if self.is_open and self.words:
            self.resume()

    @reports_errors
    def on_shape(self, _change: object) -> None:
        """Say what is wrong with the field, or that something else is to be run."""
        try:
            self.probe_arguments()
        except ConfigError as error:
            self.show_message(problem_text(error, self.texts))
            return
        self.show_message("")
        self.signals = self.rules_signals = None
        self.on_input(None)

    def questions(self) -> list[dict[str, Any]]:
        """Return what is diagnosed, as arguments of `diagnose`: first of all the rules' result.

        That is the plan, while it is not carried out, or the report. Where signals are known of
        both, the weights as they are come second.
        """
        now = {"report": self.report, "signals": self.signals}
        if self.rules_signals is not None:
            return [{"plan": self.plan, "signals": self.rules_signals}, now]
        return [now if self.report is not None else {**now, "plan": self.plan}]

    def start_diagnosis(self) -> None:
        """Diagnose the plan while nothing is initialised, else the weights by their report."""
        asked = self.questions()

        def task(report_progress: ProgressCallback) -> list[tuple[Finding, ...]]:
            with cancel_between_calls(report_progress):
                return [diagnose(self.model, **given) for given in asked]

        if self.signals is None:
            self.title = self.texts("live.looking")
        self.progress.start_job(self.texts("live.look"), task, self.on_findings, CANCEL_DELAY)

    @reports_errors
    def on_findings(self, found: list[tuple[Finding, ...]] | None, error: Exception | None) -> None:
        """Show what was found."""
        self.progress.finish()
        self.findings, *others = found or [()]
        self.findings_now = others[0] if others else ()
        if error is not None:
            self.title = self.texts("diagnosis.title")
            self.words.value = ""
            raise error
        self.show_verdict()

    def show_verdict(self) -> None:
        """Write the line, and the list below it if it is unfolded."""
        both = self.rules_signals is not None
        shown = self.rules_signals or self.signals
        if both:
            self.title = self.texts(
                "verdict.both",
                now=verdict(self.findings_now, self.signals, self.texts),
                rules=verdict(self.findings, self.rules_signals, self.texts),
            )
        elif self.signals is not None:
            self.title = verdict(self.findings, self.signals, self.texts)
        else:
            count = len(self.findings)
            self.title = self.texts("diagnosis.found" if count else "diagnosis.clean", n=count)
        if not self.is_open:
            return
        words = start_loss_html(shown, self.texts) + findings_html(self.findings, self.texts)
        if both:
            heads = (f"<b>{escape(self.texts[f'verdict.{key}'])}</b>" for key in ("rules", "now"))
            now = start_loss_html(self.signals, self.texts)
            now += findings_html(self.findings_now, self.texts)
            words = "".join(map("<div>{}{}</div>".format, heads, (words, now)))
        self.words.value = tighten_lines(words)

    @reports_errors
    def on_run(self, _button: w.Button) -> None:
        """Run the given batch, or one of N(0, 1) numbers, through the model as it is."""
        self.show_message(self.find_problem())
        if self.message:
            return
        try:
            given = self.probe_arguments()
        except ConfigError as error:
            self.show_message(problem_text(error, self.texts))
            return

        def task(report_progress: ProgressCallback) -> Signals:
            with MODEL_LOCK, cancel_between_layers(self.model, report_progress):
                return probe(self.model, **given)

        self.batch_running = True
        self.progress.start_job(self.texts("live.running"), task, self.on_signals)

    def shape_text(self) -> str:
        """Return what stands in the field of the input, or will."""
        return self.shape.value.strip()

    def data_for_rules(self) -> tuple[Any, str]:
        """Return what rules that need data run the model on, and what that is in words.

        As the field of the input says, from which a batch that ran has come too.

        Raises:
            ConfigError: As in `probe_arguments`.
        """
        given = self.probe_arguments()
        if "batch" in given:
            batch = given["batch"]
            shapes = (" × ".join(map(str, tensor.shape)) for tensor in collect_tensors(batch))
            return batch, self.texts("live.given", shapes=", ".join(shapes))
        drawn = make_batch(self.model, None, given["input_shape"], seed=0)
        return drawn.args, f"{drawn.source}, {' × '.join(map(str, given['input_shape']))}"

    def probe_arguments(self) -> dict[str, Any]:
        """Return what to run the model on, as arguments of `probe`.

        Raises:
            ConfigError: there is no variable of that name, it is no batch, or the text no shape.
        """
        text = self.shape_text()
        if not text and self.batch is not None:
            return {"batch": self.batch}
        if text and text[0] not in "0123456789([":
            source = self.namespace.get(text)
            if source is None or source is not self.loaded[0]:
                self.loaded = source, find_batch(self.namespace, text, self.model)
            return {"batch": self.loaded[1]}
        return {"input_shape": parse_shape(text or self.placeholder_text())}

    @reports_errors
    def on_signals(self, found: Signals | None, error: Exception | None) -> None:
        """Show what a batch has shown, or in which layer it failed."""
        self.batch_running = False
        self.progress.finish()
        self.signals = found
        if error is not None:
            is_ours = isinstance(error, ConfigError)
            text = self.texts.explain(error) if is_ours else f"{type(error).__name__}: {error}"
            if error.__cause__ is not None or not is_ours:
                self.last_error = error  # the model's own: its traceback is needed
                text = self.texts("live.failed", error=text)
            self.show_message(text)
        self.start_diagnosis()
        self.on_input(found)

    def close(self) -> None:
        """Stop, and close everything."""
        self.stop()
        super().close()
