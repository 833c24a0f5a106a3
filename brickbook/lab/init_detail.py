"""The chosen parameter, large: one plotly figure, its numbers, and which rule speaks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as w

from brickbook.init.rows import Row
from brickbook.lab.init_look import Part, wide
from brickbook.lab.init_words import numbers, where_from
from brickbook.lab.panels import Notice, guarded
from brickbook.measure.comparisons import Pair
from brickbook.views.markup import table

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["Detail"]

NOTHING = "Choose a parameter in the grid to see it large."


class Detail(Part):
    """One tensor before and after.

    ``figure`` is None until something is chosen: plotly takes a second to import, and the page
    5 MB of script for the first figure. There is never a second one.
    """

    def __init__(self) -> None:
        super().__init__(spot=2)
        self.figure: go.FigureWidget | None = None
        self.pair: Pair | None = None
        self.row: Row | None = None
        self.origin = Notice(NOTHING, "info")
        self.hold(self.origin)

    def unfold(self) -> None:
        """Make the controls, at the first choice."""
        self.heading = w.Label(layout=wide(flex="1 1 auto"))
        self.log_scale = w.Checkbox(description="logarithmic counts", indent=False, layout=wide())
        self.table = w.HTML(layout=wide(overflow="auto hidden"))
        self.canvas = w.VBox(layout=wide())
        line = w.HBox([self.heading, self.log_scale], layout=wide(flex_flow="row wrap"))
        self.hold(line, self.origin, self.table, self.canvas)
        self.log_scale.observe(self.take_log, "value")

    def show(self, pair: Pair | None, row: Row | None) -> None:
        """Show another tensor, or the same one with other numbers; None leaves what is there."""
        if pair is None:
            return
        if self.pair is None:
            self.unfold()
        self.pair, self.row = pair, row
        stats = pair.latest
        shape = " × ".join(map(str, stats.shape)) or "scalar"
        self.heading.value = f"{pair.name}: {shape}, {stats.count:,} values, {stats.dtype}"
        self.origin.say(where_from(row), "info")
        heads, *lines = numbers(pair, row)
        self.table.value = table(heads, lines, right=range(1, len(heads)))
        self.paint()

    @guarded
    def take_log(self, _change: object) -> None:
        """Change the scale."""
        self.paint()

    def paint(self) -> None:
        """Draw into the one figure."""
        if self.pair is None:
            return
        # Here, not above: plotly takes a second to import, and who only looks at the grid needs
        # none of it.
        from plotly.graph_objects import FigureWidget

        from brickbook.views.figures import histogram

        law = self.row.law if self.row else None
        drawn = histogram(self.pair.before, self.pair.after, law, log=self.log_scale.value)
        drawn.layout.autosize = True  # as wide as the panel
        if self.figure is None:
            self.figure = FigureWidget(drawn)
            self.canvas.children = (self.figure,)
            return
        with self.figure.batch_update():
            self.figure.update(drawn.to_plotly_json(), overwrite=True)
