"""The chosen parameter, large: one plotly figure, its numbers, and which rule fills it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as w

from brickbook.html import html_table
from brickbook.i18n import Texts
from brickbook.init.planning import PlanRow
from brickbook.lab.init.words import explain_row, statistics_table
from brickbook.lab.widgets import (
    HTMLText,
    Label,
    Notice,
    Section,
    full_width,
    reports_errors,
    tighten_lines,
)
from brickbook.measure.snapshot import TensorChange
from brickbook.views.data.rule_badges import pending
from brickbook.views.grid.payload import expected_law

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from brickbook.init.execution import InitReport
    from brickbook.init.laws import Law


class Detail(Section):
    """One tensor before and after.

    ``figure`` is None until something is chosen: plotly takes a second to import, and the page
    5 MB of script for the first figure. There is never a second one. ``log_counts`` gives the next
    drawing a logarithmic scale.
    """

    message_position = 2

    def __init__(self, texts: Texts | None = None) -> None:
        self.texts = texts or Texts()
        self.figure: go.FigureWidget | None = None
        self.width_fitted = self.log_counts = False
        self.change: TensorChange | None = None
        self.row: PlanRow | None = None
        self.law: Law | None = None
        self.explanation = Notice(self.texts["detail.nothing"], "info")
        super().__init__(self.explanation)

    def make_controls(self) -> None:
        """Make the controls, at the first choice."""
        self.heading = Label(layout=full_width())
        self.table = HTMLText(layout=full_width(overflow="auto hidden"))
        self.canvas = w.VBox(layout=full_width())
        self.set_children(self.heading, self.explanation, self.table, self.canvas)

    def show(
        self, change: TensorChange | None, row: PlanRow | None, report: InitReport | None = None
    ) -> None:
        """Show another tensor, or the same one with other numbers; None leaves what is there."""
        if change is None:
            return
        if self.change is None:
            self.make_controls()
        self.change, self.row, self.law = change, row, expected_law(row, report)
        self.heading.value = self.heading_text(change)
        self.explanation.show(explain_row(row, self.texts), "info")
        heads, *lines = statistics_table(change, self.law, self.texts, pending(row, report))
        self.table.value = tighten_lines(
            html_table(heads, lines, right_aligned=range(1, len(heads)))
        )
        self.draw()

    def heading_text(self, change: TensorChange) -> str:
        """Return which tensor it is, its shape and its size."""
        stats = change.latest
        return self.texts(
            "detail.head",
            name=change.name,
            shape=" × ".join(map(str, stats.shape)) or self.texts["grid.scalar"],
            values=self.texts("grid.values", n=stats.count),
            dtype=stats.dtype,
        )

    def draw(self) -> None:
        """Draw into the one figure."""
        if self.change is None:
            return
        # Here, not above: plotly takes a second to import, and who only looks at the grid needs
        # none of it.
        from plotly.graph_objects import FigureWidget

        from brickbook.views.plotly.histogram import histogram

        drawn = histogram(
            self.change.before,
            self.change.after,
            self.law,
            log=self.log_counts,
            language=self.texts.language,
        )
        if self.figure is None:
            self.figure = FigureWidget(drawn)
            self.figure._config = {**self.figure._config, "responsive": True}
            self.figure.observe(self.fit_width, "_js2py_traceDeltas")
            self.canvas.children = (self.figure,)
            return
        # Nothing but the traces and the axes: a layout sent again would fix the width.
        with self.figure.batch_update():
            self.figure.update(data=list(drawn.to_plotly_json()["data"]))
            self.figure.update_layout(
                xaxis=drawn.layout["xaxis"], yaxis=drawn.layout["yaxis"], overwrite=True
            )

    @reports_errors
    def fit_width(self, _change: object) -> None:
        """Take the width of the panel when the page answers: before, the figure has none."""
        if self.figure is not None and not self.width_fitted:
            self.width_fitted = True
            self.figure.update_layout(autosize=True)
