"""What would happen: a plan in words, what is wrong with the rules, and the plan row by row."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from brickbook.html import html_table
from brickbook.i18n import Texts
from brickbook.init.planning import InitPlan
from brickbook.lab.init.words import plan_summary, plan_table, unmatched_messages
from brickbook.lab.widgets import (
    Disclosure,
    HTMLText,
    Notice,
    Section,
    full_width,
    reports_errors,
    tighten_lines,
)

MAX_PLAN_ROWS = 1000


class PlanView(Section):
    """What the rules would do: a sentence, problems, and a table, filled only while unfolded."""

    message_position = 2

    def __init__(self, texts: Texts | None = None) -> None:
        self.texts = texts or Texts()
        self.plan: InitPlan | None = None
        self.summary, self.problems = Notice(), Notice()
        self.disclosure = Disclosure(self.texts["init.plan"], self.texts)
        super().__init__(self.summary, self.problems, self.disclosure)
        self.disclosure.observe(self.on_expand, "unfolded")

    @cached_property
    def table(self) -> HTMLText:
        """The table of the plan, one row a parameter; made when it is unfolded first."""
        made = HTMLText(layout=full_width(max_height="22em", overflow="auto"))
        self.disclosure.body.children = (made,)
        return made

    def show(self, plan: InitPlan | None, messages: Sequence[str]) -> None:
        """Show what a plan would do, or, if there is none, what is wrong."""
        self.plan = plan
        if plan is None:
            self.summary.show(self.texts["init.mend"], "info")
        else:
            self.summary.show(plan_summary(plan, self.texts), "info")
            messages = [*unmatched_messages(plan, self.texts), *messages]
        self.problems.show("\n".join(messages))
        self.fill_table()

    @reports_errors
    def on_expand(self, _change: object) -> None:
        """Fill the table when it is opened."""
        self.fill_table()

    def fill_table(self) -> None:
        """Write the table, if it can be seen."""
        if self.disclosure.unfolded:
            html = ""
            if self.plan is not None:
                rows, more = plan_table(self.plan, self.texts), self.texts["plan.more"]
                html = html_table(*rows, max_rows=MAX_PLAN_ROWS, more_template=more)
            self.table.value = tighten_lines(html) if html else ""
