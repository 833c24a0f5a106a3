"""The chosen parameter, large: one plotly figure, its numbers, and which rule speaks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as w

from brickbook.init.rows import Row
from brickbook.lab.init_look import Part, close_up, wide
from brickbook.lab.init_words import numbers, where_from
from brickbook.lab.light import Label, Words
from brickbook.lab.panels import Notice, guarded
from brickbook.markup import table
from brickbook.measure.comparisons import Pair
from brickbook.texts import Texts
from brickbook.views.grid import law_of, pending

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from brickbook.init.laws import Law
    from brickbook.init.report import InitReport

__all__ = ["Detail"]


class Detail(Part):
    """One tensor before and after.

    ``figure`` is None until something is chosen: plotly takes a second to import, and the page
    5 MB of script for the first figure. There is never a second one. ``log_counts`` gives the next
    drawing a logarithmic scale.
    """

    spot = 2

    def __init__(self, texts: Texts | None = None) -> None:
        self.texts = texts or Texts()
        self.figure: go.FigureWidget | None = None
        self.fitted = self.log_counts = False
        self.pair: Pair | None = None
        self.row: Row | None = None
        self.law: Law | None = None
        self.origin = Notice(self.texts["detail.nothing"], "info")
        super().__init__(self.origin)

    def unfold(self) -> None:
        """Make the controls, at the first choice."""
        self.heading = Label(layout=wide())
        self.table = Words(layout=wide(overflow="auto hidden"))
        self.canvas = w.VBox(layout=wide())
        self.hold(self.heading, self.origin, self.table, self.canvas)

    def show(self, pair: Pair | None, row: Row | None, report: InitReport | None = None) -> None:
        """Show another tensor, or the same one with other numbers; None leaves what is there."""
        if pair is None:
            return
        if self.pair is None:
            self.unfold()
        self.pair, self.row, self.law = pair, row, law_of(row, report)
        self.heading.value = self.head(pair)
        self.origin.say(where_from(row, self.texts), "info")
        heads, *lines = numbers(pair, self.law, self.texts, pending(row, report))
        self.table.value = close_up(table(heads, lines, right=range(1, len(heads))))
        self.paint()

    def head(self, pair: Pair) -> str:
        """Say which tensor it is, its shape and its size."""
        stats = pair.latest
        return self.texts(
            "detail.head",
            name=pair.name,
            shape=" × ".join(map(str, stats.shape)) or self.texts["grid.scalar"],
            values=self.texts("grid.values", n=stats.count),
            dtype=stats.dtype,
        )

    def paint(self) -> None:
        """Draw into the one figure."""
        if self.pair is None:
            return
        # Here, not above: plotly takes a second to import, and who only looks at the grid needs
        # none of it.
        from plotly.graph_objects import FigureWidget

        from brickbook.views.figures import histogram

        drawn = histogram(
            self.pair.before,
            self.pair.after,
            self.law,
            log=self.log_counts,
            language=self.texts.language,
        )
        if self.figure is None:
            self.figure = FigureWidget(drawn)
            self.figure._config = {**self.figure._config, "responsive": True}
            self.figure.observe(self.fit, "_js2py_traceDeltas")
            self.canvas.children = (self.figure,)
            return
        # Nothing but the traces and the axes: a layout sent again would fix the width.
        with self.figure.batch_update():
            self.figure.update(data=list(drawn.to_plotly_json()["data"]))
            self.figure.update_layout(
                xaxis=drawn.layout["xaxis"], yaxis=drawn.layout["yaxis"], overwrite=True
            )

    @guarded
    def fit(self, _change: object) -> None:
        """Take the width of the panel when the page answers: before, the figure has none."""
        if self.figure is not None and not self.fitted:
            self.fitted = True
            self.figure.update_layout(autosize=True)
