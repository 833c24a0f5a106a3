"""What would happen: a plan in words, what is wrong with the rules, and the plan row by row."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from brickbook.init.initplan import InitPlan
from brickbook.lab.init_look import Fold, Part, close_up, wide
from brickbook.lab.init_words import plan_table, summary, unmatched_words
from brickbook.lab.light import Words
from brickbook.lab.panels import Notice, guarded
from brickbook.markup import table
from brickbook.texts import Texts

__all__ = ["Forecast"]

PLAN_ROWS = 1000


class Forecast(Part):
    """The top of the init lab; the table is only filled while it is unfolded."""

    spot = 2

    def __init__(self, texts: Texts | None = None) -> None:
        self.texts = texts or Texts()
        self.plan: InitPlan | None = None
        self.words, self.problems = Notice(), Notice()
        self.fold = Fold(self.texts["init.plan"], self.texts)
        super().__init__(self.words, self.problems, self.fold)
        self.fold.observe(self.unfold, "unfolded")

    @cached_property
    def table(self) -> Words:
        """The place of the rows."""
        made = Words(layout=wide(max_height="22em", overflow="auto"))
        self.fold.body.children = (made,)
        return made

    def show(self, plan: InitPlan | None, wrong: Sequence[str]) -> None:
        """Say what a plan would do, or, if there is none, what is wrong."""
        self.plan = plan
        if plan is None:
            self.words.say(self.texts["init.mend"], "info")
        else:
            self.words.say(summary(plan, self.texts), "info")
            wrong = [*unmatched_words(plan, self.texts), *wrong]
        self.problems.say("\n".join(wrong))
        self.fill()

    @guarded
    def unfold(self, _change: object) -> None:
        """Fill the table when it is opened."""
        self.fill()

    def fill(self) -> None:
        """Write the table, if it can be seen."""
        if self.fold.unfolded:
            rows = plan_table(self.plan, self.texts) if self.plan is not None else None
            rest = self.texts["plan.more"]
            self.table.value = close_up(table(*rows, shown=PLAN_ROWS, rest=rest)) if rows else ""
