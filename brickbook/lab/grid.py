"""The grid of small histograms, one per parameter, as a widget."""

from __future__ import annotations

import anywidget
import traitlets

from brickbook.init.initplan import InitPlan
from brickbook.init.report import InitReport
from brickbook.lab.panels import close_tree
from brickbook.measure.comparisons import Comparison
from brickbook.views.grid import GRID_CSS, GRID_JS, grid_payload

__all__ = ["Grid"]


class Grid(anywidget.AnyWidget):
    """Every parameter before and after, and the law it should follow.

    ``meta`` describes the cells, ``buffer`` holds their numbers; both are those of
    `grid_payload`, and ``rev`` counts how often they were set. ``selected`` is the name of the
    parameter that was chosen last, "" for none, ``log_counts`` whether counts are
    drawn on a logarithmic scale; both can be set from Python too.
    """

    _esm = GRID_JS.read_text("utf-8")
    _css = GRID_CSS.read_text("utf-8")

    meta = traitlets.Dict().tag(sync=True)
    buffer = traitlets.Bytes().tag(sync=True)
    rev = traitlets.Int().tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)
    log_counts = traitlets.Bool().tag(sync=True)

    def show(
        self,
        comparison: Comparison,
        plan: InitPlan | None = None,
        report: InitReport | None = None,
    ) -> None:
        """Show a comparison, and with a plan what each parameter should look like.

        A ``report`` leaves out the laws of what a checkpoint has written; where the plan is
        another than the report's, the laws are called the next ones.
        """
        payload = grid_payload(comparison, plan, report)
        with self.hold_sync():
            self.meta, self.buffer = payload.meta, payload.buffer
            self.rev += 1

    def close(self) -> None:
        """Close the widget and its layout."""
        if self.comm is not None:
            close_tree(self)

    def __repr__(self) -> str:
        return f"Grid({len(self.meta.get('cells', ()))} parameters)"
