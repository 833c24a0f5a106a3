"""The controls of the builder and where they stand; `Builder` says what they do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import ipywidgets as w

from brickbook.lab.builder.brick_list import BrickList, page_texts
from brickbook.lab.builder.tree_edits import Position
from brickbook.lab.builder.words import builder_text
from brickbook.lab.widgets import Notice

__all__ = [
    "ADD",
    "BRANCH",
    "BUTTON_EDITS",
    "COLUMN_LAYOUT",
    "JSON",
    "PYTHON",
    "UNWRAP",
    "USE",
    "WRAP",
    "BuilderControls",
    "make_dropdown",
    "make_line",
    "set_options",
]

ADD, USE, PYTHON, JSON = "Add", "Use", "Copy Python", "Copy JSON"
WRAP, UNWRAP, BRANCH = "Wrap", "Unwrap", "Branch"

# The buttons that edit what is chosen, and the edits of a state that they mean.
BUTTON_EDITS: Mapping[str, str] = {
    "Up": "up",
    "Down": "down",
    "Out": "out",
    "Into": "into",
    "Duplicate": "duplicate",
    "Delete": "delete",
    "Undo": "undo",
    "Redo": "redo",
    UNWRAP: "unwrap",
    BRANCH: "branch",
}

BUTTONS = (ADD, *BUTTON_EDITS, WRAP, USE, PYTHON, JSON)
POSITIONS: tuple[Position, ...] = ("after", "before", "inside")

# Labels as wide as their text, fields that share the room of a line, columns that may wrap.
LABEL_STYLE = {"description_width": "initial"}
FIELD_LAYOUT = {"width": "auto", "flex": "1 1 10em", "min_width": "8em"}
COLUMN_LAYOUT = {"flex": "1 1 26em", "min_width": "0", "padding": "0 8px 8px 0"}


class BuilderControls(w.VBox):
    """The left side of the builder, not yet connected: what to add, the tree, buttons, the name.

    ``notice`` is the place of the builder's messages, at the end.
    """

    def __init__(self, notice: Notice) -> None:
        self.kind, self.type = make_dropdown("kind"), make_dropdown("type")
        self.position = make_dropdown("place")
        set_options(self.position, [(builder_text(f"place.{word}"), word) for word in POSITIONS])
        self.bricks = BrickList(words=page_texts())
        self.buttons = {name: make_button(name) for name in BUTTONS}
        self.container_menu = make_dropdown("wrap in")
        self.container_menu.layout.flex = "0 1 12em"
        self.shape, self.shape_notice = make_text_field("shape"), Notice()
        self.summary = Notice()
        self.name, self.name_notice = make_text_field("name"), Notice()
        wrapping = (self.container_menu, self.button_line(WRAP, UNWRAP, BRANCH))
        parts = (
            make_line(self.kind, self.type),
            make_line(self.position, self.buttons[ADD]),
            self.bricks,
            self.button_line("Up", "Down", "Out", "Into", "Duplicate", "Delete"),
            make_line(self.button_line("Undo", "Redo"), *wrapping),
            make_line(self.shape),
            self.shape_notice,
            self.summary,
            make_line(self.name, *(self.buttons[name] for name in (USE, PYTHON, JSON))),
            self.name_notice,
            notice,
        )
        super().__init__(parts, layout=w.Layout(**COLUMN_LAYOUT))

    def button_line(self, *names: str) -> w.HBox:
        """Return a line of buttons."""
        return make_line(*(self.buttons[name] for name in names))


def make_button(name: str) -> w.Button:
    """Return a button as wide as its label."""
    text = builder_text("use", name="model") if name == USE else builder_text(name)
    return w.Button(description=text, layout=w.Layout(width="auto"))


def make_dropdown(key: str) -> w.Dropdown:
    """Return a menu that takes the room there is."""
    return w.Dropdown(
        description=builder_text(key), style=LABEL_STYLE, layout=w.Layout(**FIELD_LAYOUT)
    )


def make_text_field(key: str) -> w.Text:
    """Return a text field whose value changes when the text is finished."""
    return w.Text(
        description=builder_text(key),
        continuous_update=False,
        style=LABEL_STYLE,
        layout=w.Layout(**FIELD_LAYOUT),
    )


def make_line(*controls: w.Widget) -> w.HBox:
    """Return controls side by side, in more lines where there is no room."""
    return w.HBox(controls, layout=w.Layout(flex_flow="row wrap", align_items="center"))


def set_options(control: w.Dropdown, choices: Iterable[str | tuple[str, str]]) -> None:
    """Give a menu these options; its value stays if it is one of them."""
    options = tuple(choices)
    if control.options == options:
        return
    old = control.value
    control.options = options
    values = [option if isinstance(option, str) else option[1] for option in options]
    control.value = old if old in values else next(iter(values), None)
