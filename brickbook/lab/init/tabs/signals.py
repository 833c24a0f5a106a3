"""The tab of the signals: their size through depth, before and after, of every variant."""

from __future__ import annotations

from brickbook.html import escape
from brickbook.i18n import Texts
from brickbook.lab.init.tabs.lab_state import LabActions, LabState
from brickbook.lab.widgets import HTMLText, Section, full_width, reports_errors, tighten_lines
from brickbook.lab.widgets.picture import Picture
from brickbook.views.svg.depth import depth_svg

__all__ = ["SignalsTab"]

GHOSTS = ("before", "now")


class SignalsTab(Section):
    """The ``picture`` of all lines that have run, and in ``words`` what they ran on."""

    message_position = 0

    def __init__(self, texts: Texts, actions: LabActions) -> None:
        self.texts, self.actions = texts, actions
        self.state: LabState | None = None
        self.drawn: object = None
        shared = full_width()
        self.words = HTMLText(layout=shared)
        self.picture = Picture(layout=shared)
        self.picture.observe(self.on_width, "width")
        self.picture.observe(self.on_choice, "chosen")
        super().__init__(self.words, self.picture)

    def show(self, state: LabState) -> None:
        """Draw the lines at hand."""
        self.state = state
        wanted = (state.lines, self.picture.draw_width)
        if wanted == self.drawn:
            return
        self.drawn = wanted
        self.words.value = tighten_lines(escape(self.describe(state)))
        self.picture.svg = self.draw(state) if state.lines else ""

    def describe(self, state: LabState) -> str:
        """Say what ran, and in which mode; or that nothing did."""
        if not state.lines:
            return self.texts["lines.none"]
        signals = state.lines[-1].signals
        shapes = self.texts["list.comma"].join(" × ".join(map(str, it)) for it in signals.input)
        source = self.texts.get(f"lines.source.{signals.source}", signals.source)
        mode = self.texts[f"lines.{signals.mode}"]
        return self.texts("lines.words", source=source, shapes=shapes, mode=mode)

    def draw(self, state: LabState) -> str:
        """Draw the picture."""
        # A grey line alone would be of nothing.
        first, others = state.lines[0], state.lines[1:]
        has_ghost = first.kind in GHOSTS and bool(others)
        expected = {
            line.label: line.expected
            for line in (others if has_ghost else state.lines)
            if line.expected is not None and line.kind != "variant"
        }
        return depth_svg(
            {line.label: line.signals for line in state.lines},
            gradients=True,
            width=self.picture.draw_width,
            ghost=first.label if has_ghost else "",
            expected=expected,
            zones=True,
            language=self.texts.language,
        )

    @reports_errors
    def on_width(self, _change: object) -> None:
        """Draw for another width."""
        if self.state is not None:
            self.show(self.state)

    @reports_errors
    def on_choice(self, change: dict) -> None:
        """Show the weight of the layer that was clicked."""
        if change["new"] and self.state is not None:
            name = next(
                (it for it in self.state.comparison if it.rpartition(".")[0] == change["new"]), ""
            )
            if name:
                self.actions.select(name)
