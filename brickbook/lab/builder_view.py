"""The controls of the builder and where they stand; what they do is in `Builder`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import ipywidgets as w

from brickbook.lab.brick_list import BrickList
from brickbook.lab.builder_state import BuilderState
from brickbook.lab.panels import Notice, Panel

__all__ = ["ADD", "EDITS", "JSON", "PYTHON", "TAKEN", "USE", "BuilderView", "offer"]

ADD, USE, PYTHON, JSON = "Add", "Use", "Copy Python", "Copy JSON"
TAKEN = "`{}` is something else in this notebook: choose another name."
EDITS: Mapping[str, Callable[[BuilderState], BuilderState]] = {
    "Duplicate": BuilderState.duplicate,
    "Up": BuilderState.up,
    "Down": BuilderState.down,
    "Delete": BuilderState.delete,
    "Undo": BuilderState.undo,
    "Redo": BuilderState.redo,
}
BUTTONS = (ADD, *EDITS, USE, PYTHON, JSON)

# Labels as wide as their words, fields that share the room of a line, columns that may wrap.
WHOLE = {"description_width": "initial"}
ROOM = {"width": "auto", "flex": "1 1 10em", "min_width": "8em"}
COLUMN = {"flex": "1 1 26em", "min_width": "0", "padding": "0 8px 8px 0"}


class BuilderView(Panel):
    """The builder's controls, not yet connected."""

    def __init__(self) -> None:
        super().__init__(layout=w.Layout(width="100%"))
        self.make_controls()
        self.arrange()

    def make_controls(self) -> None:
        """Make the controls."""
        self.kind, self.type = menu("Kind"), menu("Type")
        self.bricks = BrickList()
        self.buttons = {
            word: w.Button(description=word, layout=w.Layout(width="auto")) for word in BUTTONS
        }
        self.title, self.about = w.Label(style={"font_weight": "bold"}), Notice()
        self.place = w.VBox(layout=w.Layout(width="auto"))
        self.shape, self.shape_notice = text_field("Input shape"), Notice()
        self.total = Notice()
        self.name, self.name_notice = text_field("Name"), Notice()
        self.code = w.Textarea(
            description="Code", rows=12, style=WHOLE, layout=w.Layout(width="auto")
        )
        self.code.layout.display = "none"

    def arrange(self) -> None:
        """Put the two sides next to each other where there is room, else below each other."""
        left = [
            line(self.kind, self.type, self.buttons["Add"]),
            self.bricks,
            line(*(self.buttons[word] for word in EDITS)),
            line(self.shape),
            self.shape_notice,
            self.total,
            line(self.name, *(self.buttons[word] for word in (USE, PYTHON, JSON))),
            self.name_notice,
            self.notice,
        ]
        right = [self.title, self.about, self.place]
        sides = w.HBox(
            [w.VBox(side, layout=w.Layout(**COLUMN)) for side in (left, right)],
            layout=w.Layout(flex_flow="row wrap", width="100%"),
        )
        self.children = (sides, self.code)


def menu(label: str) -> w.Dropdown:
    """Return a menu that takes the room there is."""
    return w.Dropdown(description=label, style=WHOLE, layout=w.Layout(**ROOM))


def text_field(label: str) -> w.Text:
    """Return a text field that speaks when the text is finished."""
    return w.Text(description=label, continuous_update=False, style=WHOLE, layout=w.Layout(**ROOM))


def line(*controls: w.Widget) -> w.HBox:
    """Put controls side by side, in more lines where there is no room."""
    return w.HBox(controls, layout=w.Layout(flex_flow="row wrap", align_items="center"))


def offer(control: w.Dropdown, words: Iterable[str | tuple[str, str]]) -> None:
    """Let a menu offer these words, keeping what is chosen where it still can be."""
    options = tuple(words)
    if control.options == options:
        return
    kept = control.value
    control.options = options
    values = [word if isinstance(word, str) else word[1] for word in options]
    control.value = kept if kept in values else next(iter(values), None)
