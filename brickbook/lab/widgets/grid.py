"""The grid of small histograms, one per parameter, as a widget."""

from __future__ import annotations

from collections.abc import Mapping

import anywidget
import traitlets

from brickbook.init.execution import InitReport
from brickbook.init.planning import InitPlan
from brickbook.lab.widgets.base import close_tree
from brickbook.measure.snapshot import Comparison
from brickbook.views.grid.payload import GRID_CSS, GRID_JS, Variant, grid_payload

__all__ = ["Grid"]


class Grid(anywidget.AnyWidget):
    """Every parameter before and after, and the law it should follow.

    ``meta`` describes the cells, ``buffer`` holds their numbers; both are those of
    `grid_payload`, and ``rev`` counts how often they were set. All other traits are what the
    reader has set, and can be set from Python too; they hold when other numbers are shown.

    ``selected`` is the name of the parameter that was chosen last, "" for none. ``query`` searches:
    words, of which all must be there, globs of names, or ``re:`` and a regular expression.
    ``filter`` is "all", "changed", "untouched", "none" (no rule), or "rule:" and where a rule
    stands: "rule:init_cfg[0]". ``group`` is the depth of the modules that have a heading, and
    ``collapsed`` has those that are folded. Many parameters that are one constant have one line
    together, which ``constants_shown`` unfolds. ``same_x`` draws all histograms that are shown on
    one axis, ``log_counts`` draws counts on a logarithmic scale, ``as_table`` shows the numbers
    instead. ``variants_as`` says how several variants are compared.
    """

    _esm = GRID_JS.read_text()
    _css = GRID_CSS.read_text()

    meta = traitlets.Dict().tag(sync=True)
    buffer = traitlets.Bytes().tag(sync=True)
    rev = traitlets.Int().tag(sync=True)

    selected = traitlets.Unicode().tag(sync=True)
    query = traitlets.Unicode().tag(sync=True)
    filter = traitlets.Unicode("all").tag(sync=True)
    sort = traitlets.Enum(("model", "size", "std", "ratio", "change"), "model").tag(sync=True)
    group = traitlets.Enum(("none", "first", "second"), "none").tag(sync=True)
    collapsed = traitlets.List(traitlets.Unicode()).tag(sync=True)
    constants_shown = traitlets.Bool().tag(sync=True)
    same_x = traitlets.Bool().tag(sync=True)
    log_counts = traitlets.Bool().tag(sync=True)
    as_table = traitlets.Bool().tag(sync=True)
    variants_as = traitlets.Enum(("overlay", "beside"), "overlay").tag(sync=True)

    def show(
        self,
        comparison: Comparison,
        plan: InitPlan | None = None,
        report: InitReport | None = None,
        variants: Mapping[str, Comparison | Variant] | None = None,
        *,
        language: str | None = None,
    ) -> None:
        """Show a comparison, and with a plan what each parameter should look like.

        Args:
            comparison: What was before and is after.
            plan: Gives the laws.
            report: Leaves out the laws of what a checkpoint has written; where the plan is another
                than its own, the laws are called the next ones.
            variants: Up to four others to be compared, by label.
            language: "en" or "zh", None for the reader's.
        """
        payload = grid_payload(comparison, plan, report, variants, language=language)
        with self.hold_sync():
            self.meta, self.buffer = payload.meta, payload.buffer
            self.rev += 1

    def close(self) -> None:
        """Close the widget and its layout."""
        if self.comm is not None:
            close_tree(self)

    def __repr__(self) -> str:
        return f"Grid({len(self.meta.get('cells', ()))} parameters)"
