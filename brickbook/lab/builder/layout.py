"""The controls of the builder and where they stand; `Builder` says what they do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import ipywidgets as w

from brickbook.lab.builder.brick_list import BrickList, page_texts
from brickbook.lab.builder.search import SearchBox
from brickbook.lab.builder.templates import TEMPLATES
from brickbook.lab.builder.tree_edits import Position
from brickbook.lab.builder.words import builder_text
from brickbook.lab.widgets import Notice

__all__ = [
    "BRANCH",
    "BUTTON_EDITS",
    "COLUMN_LAYOUT",
    "COPY",
    "FORMS",
    "SHORTCUT",
    "START",
    "UNWRAP",
    "USE",
    "WRAP",
    "BuilderControls",
    "make_dropdown",
    "make_line",
    "set_options",
]

USE, START, COPY = "Use", "Start", "Copy"
WRAP, UNWRAP, BRANCH, SHORTCUT = "Wrap", "Unwrap", "Branch", "Shortcut"

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
    SHORTCUT: "add_shortcut",
}

# What can be copied, and the method of a state that writes it.
FORMS: Mapping[str, str] = {
    "config": "to_config",
    "python": "to_python",
    "json": "to_json",
    "module": "to_module_source",
}

BUTTONS = (*BUTTON_EDITS, WRAP, USE, START, COPY)
POSITIONS: tuple[Position, ...] = ("after", "before", "inside")

# Labels as wide as their text, fields that share the room of a line, columns that may wrap.
LABEL_STYLE = {"description_width": "initial"}
FIELD_LAYOUT = {"width": "auto", "flex": "1 1 10em", "min_width": "8em"}
COLUMN_LAYOUT = {"flex": "1 1 26em", "min_width": "0", "padding": "0 8px 8px 0"}


class BuilderControls:
    """The controls of the builder but for the form, not yet connected, in three boxes.

    ``top``: the name, the input shape, templates, undo. ``left``: the search box, the bricks and
    what is done with them. ``bottom``: sums and what leaves the builder; ``notice`` is the place of
    the builder's messages, at its end.
    """

    def __init__(self, notice: Notice, search: SearchBox, picture: w.Widget) -> None:
        self.search, self.search_notice = search, Notice()
        self.picture = picture
        self.position = make_dropdown("place")
        self.position.layout.flex = "0 1 16em"
        set_options(self.position, [(builder_text(f"place.{word}"), word) for word in POSITIONS])
        self.bricks = BrickList(words=page_texts())
        self.buttons = {name: make_button(name) for name in BUTTONS}
        self.templates = {
            name: w.Button(
                description=name,
                tooltip=builder_text("template", name=name),
                layout=w.Layout(width="auto"),
            )
            for name in TEMPLATES
        }
        self.container_menu = make_dropdown("wrap in")
        self.container_menu.layout.flex = "0 1 12em"
        self.shape, self.shape_notice = make_text_field("shape"), Notice()
        self.shape.layout.flex = "0 1 15em"
        self.summary = Notice()
        self.name, self.name_notice = make_text_field("name"), Notice()
        self.name.layout.flex = "0 1 14em"
        self.form_menu = make_dropdown("copy as")
        self.form_menu.layout.flex = "0 1 20em"
        set_options(self.form_menu, [(builder_text(f"copy.{word}"), word) for word in FORMS])
        self.bottom_notice = notice
        self.top, self.left, self.bottom = self.make_top(), self.make_left(), self.make_bottom()

    def make_top(self) -> w.VBox:
        """Return the first row, with the messages of its fields."""
        label = w.Label(builder_text("templates"))
        starts = make_line(label, *self.templates.values())
        undo = self.button_line("Undo", "Redo")
        undo.layout.margin = "0 0 0 auto"
        line = make_line(self.name, self.shape, starts, undo)
        return w.VBox((line, self.name_notice, self.shape_notice), layout=w.Layout(width="auto"))

    def make_left(self) -> w.VBox:
        """Return the left side."""
        wrapping = (self.container_menu, self.button_line(WRAP, UNWRAP, BRANCH, SHORTCUT))
        first = make_line(self.search, self.position)
        first.layout.align_items = "flex-start"  # the list of the search box opens below it
        parts = (
            first,
            self.search_notice,
            self.picture,
            self.bricks,
            self.button_line("Up", "Down", "Out", "Into", "Duplicate", "Delete"),
            make_line(*wrapping),
        )
        return w.VBox(parts, layout=w.Layout(**{**COLUMN_LAYOUT, "flex": "1 1 36em"}))

    def make_bottom(self) -> w.VBox:
        """Return the last row, with the sums above and the messages below."""
        line = make_line(self.button_line(USE, START), self.form_menu, self.buttons[COPY])
        parts = (self.summary, line, self.bottom_notice)
        return w.VBox(parts, layout=w.Layout(width="auto"))

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
