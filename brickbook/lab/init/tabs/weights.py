"""The tab of the weights: every parameter as a small histogram, the chosen one large."""

from __future__ import annotations

import ipywidgets as w

from brickbook.i18n import Texts
from brickbook.lab.init.tabs.detail import Detail
from brickbook.lab.init.tabs.lab_state import LabActions, LabState
from brickbook.lab.widgets import Grid, LeanLayout, Section, full_width, reports_errors

__all__ = ["WeightsTab"]


class WeightsTab(Section):
    """The ``grid`` of all parameters; beside it the ``detail`` of the one that is chosen in it."""

    message_position = 0

    def __init__(self, texts: Texts, actions: LabActions) -> None:
        self.texts, self.state = texts, None
        self.grid = Grid(layout=LeanLayout(flex="3 1 25em", min_width="0"))
        self.detail = Detail(texts)
        self.detail.layout.flex, self.detail.layout.min_width = "1 1 22em", "0"
        self.detail.add_class("bb-detail")
        self.detail.layout.display = "none"  # until there is something to show
        self.grid.observe(self.on_grid_change, ["selected", "log_counts"])
        both = [self.grid, self.detail]
        super().__init__(w.HBox(both, layout=full_width(flex_flow="row wrap")))

    def show(self, state: LabState) -> None:
        """Show the numbers of the model."""
        self.state: LabState | None = state
        self.grid.show(
            state.comparison,
            state.plan,
            state.report,
            state.variants,
            language=self.texts.language,
        )
        self.show_detail()

    @reports_errors
    def on_grid_change(self, _change: object) -> None:
        """Show another parameter, or the same one on another scale."""
        self.show_detail()

    def show_detail(self) -> None:
        """Show the chosen parameter."""
        if self.state is None:
            return
        name, plan = self.grid.selected, self.state.plan
        row = plan.get(name) if plan is not None else None
        self.detail.log_counts = self.grid.log_counts
        if name in self.state.comparison:
            self.detail.layout.display = None
        self.detail.show(self.state.comparison.get(name), row, self.state.report)
