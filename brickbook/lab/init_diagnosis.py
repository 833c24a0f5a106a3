"""What is wrong with how the model starts, in words; each with its rule, told on request."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from html import escape
from typing import Any

import ipywidgets as w
from torch import nn

from brickbook.errors import ConfigError
from brickbook.init.initplan import InitPlan
from brickbook.init.report import InitReport
from brickbook.lab.builder_state import parse_shape
from brickbook.lab.init_look import Part, Slim, close_up, wide
from brickbook.lab.panels import guarded
from brickbook.measure import Finding, Signals, diagnose, probe

__all__ = ["Diagnosis", "findings_html"]

SIGNS = {"error": "✖ error", "warning": "⚠ warning", "note": "• note"}
GOOD = "Nothing was found that speaks against these weights."
TITLE = "Diagnosis"
BATCH = 16


class Diagnosis(Part):
    """Folded until it is asked for, because it looks at every weight.

    ``findings`` is what was found last, ``signals`` what a batch has shown (None before). Controls:
    ``accordion``; ``shape`` and ``run`` once it was opened.
    """

    spot = 1

    def __init__(self, model: nn.Module, picture: Callable[[Signals], str]) -> None:
        self.model, self.picture = model, picture
        self.plan: InitPlan | None = None
        self.report: InitReport | None = None
        self.batch: Any = None
        self.signals: Signals | None = None
        self.findings: tuple[Finding, ...] = ()
        self.accordion = w.Accordion(
            [w.VBox(layout=wide())], titles=(TITLE,), selected_index=None, layout=wide()
        )
        super().__init__(self.accordion)
        self.accordion.observe(self.unfold, "selected_index")

    @property
    def opened(self) -> bool:
        """Whether the findings can be seen."""
        return self.accordion.selected_index is not None

    @cached_property
    def words(self) -> w.HTML:
        """The place of the findings; with it all other controls are made, at the first look."""
        self.chart = w.HTML(layout=wide())
        self.shape = w.Text(
            placeholder=f"{BATCH}, 3, 224, 224",
            description="input",
            tooltip="The shape of a batch of N(0, 1) numbers, batch size first",
            continuous_update=False,
            disabled=self.batch is not None,
            style={"description_width": "6ch"},
            layout=Slim(width="18em"),
        )
        self.run = w.Button(
            description="Run a batch",
            icon="line-chart",
            tooltip="One forward and one backward pass; the model is left as it is",
            layout=wide(),
        )
        self.run.on_click(self.press_run)
        words = w.HTML(layout=wide())
        row = w.HBox([self.shape, self.run], layout=wide(flex_flow="row wrap"))
        self.accordion.children[0].children = (words, row, self.chart)
        return words

    def show(self, plan: InitPlan | None, report: InitReport | None, batch: Any = None) -> None:
        """Take another plan or report; what a batch has shown of other weights is forgotten."""
        if report is not self.report:
            self.signals = None
        self.plan, self.report, self.batch = plan, report, batch
        if self.opened:
            self.look()

    @guarded
    def unfold(self, _change: object) -> None:
        """Look when it is opened."""
        if self.opened:
            self.look()

    def look(self) -> None:
        """Diagnose what there is: the plan while nothing is done, else what was done."""
        plan = None if self.report is not None else self.plan
        self.findings = diagnose(self.model, plan=plan, report=self.report, signals=self.signals)
        self.words.value = close_up(findings_html(self.findings))
        self.chart.value = self.picture(self.signals) if self.signals is not None else ""
        count = len(self.findings)
        self.accordion.titles = (f"{TITLE}: {count} found" if count else f"{TITLE}: nothing found",)

    @guarded
    def press_run(self, _button: w.Button) -> None:
        """Run the given batch, or one of N(0, 1) numbers, through the model as it is."""
        self.say("")
        try:
            given: dict[str, Any] = {"batch": self.batch}
            if self.batch is None:
                given = {"input_shape": parse_shape(self.shape.value)}
            self.signals = probe(self.model, **given)
        except ConfigError as error:
            self.say(f"{error.problem} {error.hint}".rstrip())
            return
        self.look()


def findings_html(findings: Iterable[Finding]) -> str:
    """Write findings as a list; each unfolds to what its rule is about."""
    items = [
        f'<details style="margin: 2px 0"><summary style="cursor: pointer">'
        f"<b>{SIGNS[item.severity]}</b> {escape(item.text)}</summary>"
        f'<div style="margin: 2px 0 6px 1.5em; max-width: 60em"><b>{escape(item.about.title)}</b> '
        f"(threshold: {escape(item.about.threshold)}). {escape(item.about.explain)}</div></details>"
        for item in findings
    ]
    return "".join(items) or f"<div>{GOOD}</div>"
