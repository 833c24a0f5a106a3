"""The diagnosis of the init lab: findings as a list, and a batch run through the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import ipywidgets as w
from torch import nn

from brickbook.config import parse_shape
from brickbook.errors import BadArgumentError, ConfigError, Sentence, UnknownNameError, nearest
from brickbook.html import escape
from brickbook.i18n import Texts
from brickbook.init.execution import InitReport
from brickbook.init.planning import InitPlan
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
    Signals,
    collect_tensors,
    first_layer,
    guess_shape,
    is_batch,
    make_batch,
    probe,
)

BATCH_SIZE = 16
CANCEL_DELAY = 0.3  # seconds: a diagnosis that is done by then needs no Cancel
HIDDEN_NAMES = frozenset({"In", "Out"})
SEVERITY_MARKS = {"error": "✖", "warning": "⚠", "note": "•"}


class Diagnosis(Section):
    """Findings about the weights and the plan; folded at first, because it reads every weight.

    All work is done in a thread; `stop` ends it. A batch runs under the models' lock: one of a
    shape to draw, or the one of that name in ``namespace``, the user's variables. ``input_shape``,
    without the batch size, stands in the field at first. None runs while ``find_problem`` says why
    not.

    ``findings`` is what was found last, ``signals`` what a batch has shown (None before). Controls:
    ``disclosure``; ``shape``, ``run`` and ``progress`` once it was opened.
    """

    message_position = 1

    def __init__(
        self,
        model: nn.Module,
        draw_signals: Callable[[Signals], str],
        namespace: Mapping[str, Any] | None = None,
        input_shape: Sequence[int] | None = None,
        texts: Texts | None = None,
        find_problem: Callable[[], str] = str,
    ) -> None:
        self.find_problem = find_problem
        self.model, self.draw_signals, self.texts = model, draw_signals, texts or Texts()
        self.namespace, self.input_shape = namespace or {}, input_shape
        self.plan: InitPlan | None = None
        self.report: InitReport | None = None
        self.batch: Any = None
        self.signals: Signals | None = None
        self.findings: tuple[Finding, ...] = ()
        self.batch_running = False
        self.disclosure = Disclosure(self.texts["diagnosis.title"], self.texts)
        super().__init__(self.disclosure)
        self.disclosure.observe(self.on_expand, "unfolded")

    @property
    def is_open(self) -> bool:
        """Whether the findings can be seen."""
        return self.disclosure.unfolded

    @property
    def title(self) -> str:
        """The label of the button that unfolds it."""
        return self.disclosure.title

    @title.setter
    def title(self, text: str) -> None:
        self.disclosure.title = text

    @cached_property
    def words(self) -> HTMLText:
        """The list of findings; with it all other controls are made, at the first diagnosis."""
        self.chart = HTMLText(layout=full_width())
        self.shape = w.Combobox(
            value=self.shape_text(),
            options=batch_names(self.namespace),
            placeholder=self.placeholder_text(),
            description=self.texts("diagnosis.input"),
            tooltip=self.texts("live.input_tip"),
            continuous_update=False,
            style={"description_width": "6ch"},
            layout=LeanLayout(width="22em"),
        )
        self.run = Button(
            description=self.texts("diagnosis.run"),
            icon="line-chart",
            tooltip=self.texts("diagnosis.run_tip"),
            layout=full_width(),
        )
        self.run.on_click(self.on_run)
        self.progress = JobProgress(self.texts("live.stop_tip"), self.texts, self.on_cancel)
        words = HTMLText(layout=full_width())
        row = w.HBox([self.shape, self.run], layout=full_width(flex_flow="row wrap"))
        self.disclosure.body.children = (words, row, self.progress, self.chart)
        return words

    def placeholder_text(self) -> str:
        """Return what an empty field stands for."""
        if self.batch is not None:
            shapes = (" × ".join(map(str, tensor.shape)) for tensor in collect_tensors(self.batch))
            return self.texts("live.given", shapes=", ".join(shapes))
        shape = guess_shape(first_layer(self.model)[1])
        return ", ".join(map(str, shape)) if shape else f"{BATCH_SIZE}, 3, 224, 224"

    def show(self, plan: InitPlan | None, report: InitReport | None, batch: Any = None) -> None:
        """Diagnose another plan or report; what a batch has shown of other weights is dropped."""
        if report is not self.report:
            self.discard_signals()
        self.plan, self.report, self.batch = plan, report, batch
        self.resume()

    def resume(self) -> None:
        """Diagnose again, if it can be seen; after a batch that comes anyway."""
        if self.is_open and not self.batch_running:
            self.start_diagnosis()

    def discard_signals(self) -> None:
        """Stop, and drop what a batch has shown: the weights are others now."""
        self.stop()
        self.signals = None

    def stop(self) -> None:
        """Stop all work; no lock is needed, and nothing is waited for."""
        if "words" in vars(self):
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
            self.findings, self.words.value = (), ""
        self.batch_running = False

    @reports_errors
    def on_expand(self, _change: object) -> None:
        """Diagnose when it is opened."""
        if self.is_open and "words" in vars(self):
            self.shape.options = batch_names(self.namespace)
        self.resume()

    def start_diagnosis(self) -> None:
        """Diagnose the plan while nothing is initialised, else the weights by their report."""
        given: dict[str, Any] = {"report": self.report, "signals": self.signals}
        if self.report is None:
            given["plan"] = self.plan

        def task(report_progress: ProgressCallback) -> tuple[Finding, ...]:
            with cancel_between_calls(report_progress):
                return diagnose(self.model, **given)

        self.chart.value = self.draw_signals(self.signals) if self.words and self.signals else ""
        self.title = self.texts("live.looking")
        self.progress.start_job(self.texts("live.look"), task, self.on_findings, CANCEL_DELAY)

    @reports_errors
    def on_findings(self, found: tuple[Finding, ...] | None, error: Exception | None) -> None:
        """Show what was found."""
        self.progress.finish()
        self.findings = found or ()
        self.title = self.texts("diagnosis.title")
        self.words.value = ""
        if error is not None:
            raise error
        words = start_loss_html(self.signals, self.texts) + findings_html(self.findings, self.texts)
        self.words.value = tighten_lines(words)
        count = len(self.findings)
        self.title = self.texts("diagnosis.found" if count else "diagnosis.clean", n=count)

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
        if "words" in vars(self):
            return self.shape.value.strip()
        return ", ".join(map(str, (BATCH_SIZE, *self.input_shape))) if self.input_shape else ""

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
            return {"batch": find_batch(self.namespace, text)}
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

    def close(self) -> None:
        """Stop, and close everything."""
        self.stop()
        super().close()


def batch_names(namespace: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the variables that may be meant as a batch, in order.

    >>> import torch
    >>> batch_names({"y": torch.ones(2), "x": (torch.ones(2), 3), "_": torch.ones(1), "n": 3})
    ('x', 'y')
    """
    return tuple(
        sorted(
            name
            for name, value in tuple(namespace.items())
            if not name.startswith("_") and name not in HIDDEN_NAMES and is_batch(value)
        )
    )


def find_batch(namespace: Mapping[str, Any], name: str) -> Any:
    """Return the batch of that name.

    Raises:
        KeyError: there is no such variable.
        TypeError: it holds no tensor.
    """
    if name not in namespace:
        known = batch_names(namespace)
        hint = nearest(name, known) if known else "No variable holds a batch yet."
        problem = Sentence("there is no variable {name}.", name=repr(name))
        raise UnknownNameError("input", problem, hint)
    value = namespace[name]
    if not is_batch(value):
        kind = type(value).__name__
        problem = "{name} holds no tensor: it is of the type {type}."
        raise BadArgumentError("input", Sentence(problem, name=name, type=kind))
    return value


def start_loss_html(signals: Signals | None, texts: Texts) -> str:
    """Write what the loss is at the start, and what guessing has; "" where neither is known."""
    if signals is None or signals.cross_entropy is None or not signals.expected_loss:
        return ""
    key = "diagnosis.start_loss_logits" if signals.over_all_labels else "diagnosis.start_loss"
    words = texts(
        key,
        found=f"{signals.cross_entropy:,.2f}",
        expected=f"{signals.expected_loss:.2f}",
        classes=f"{signals.classes:,}",
    )
    return f"<div>{escape(words)}</div>"


def findings_html(findings: Iterable[Finding], texts: Texts) -> str:
    """Write findings as a list; each unfolds to the explanation of its rule."""
    items = "".join(finding_html(item, texts) for item in findings)
    return items or f"<div>{escape(texts['diagnosis.good'])}</div>"


def finding_html(item: Finding, texts: Texts) -> str:
    """Write one finding."""
    about = item.about.translate(texts)
    sign = f"{SEVERITY_MARKS[item.severity]} {texts[f'diagnosis.{item.severity}']}"
    threshold = texts("diagnosis.threshold", threshold=about.threshold)
    return (
        f'<details style="margin: 2px 0"><summary style="cursor: pointer">'
        f"<b>{escape(sign)}</b> {escape(item.translate(texts))}</summary>"
        f'<div style="margin: 2px 0 6px 1.5em; max-width: 60em"><b>{escape(about.title)}</b> '
        f"{escape(texts['init.gap'].join((threshold, about.explain)))}</div></details>"
    )
