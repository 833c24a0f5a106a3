"""The controls of the builder and where they stand; what they do is in `Builder`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import ipywidgets as w

from brickbook.lab.brick_list import BrickList, words
from brickbook.lab.builder_places import Where
from brickbook.lab.builder_texts import say
from brickbook.lab.panels import Notice, Panel

__all__ = [
    "ADD",
    "BRANCH",
    "EDITS",
    "JSON",
    "PYTHON",
    "UNWRAP",
    "USE",
    "WRAP",
    "BuilderView",
    "offer",
]

ADD, USE, PYTHON, JSON = "Add", "Use", "Copy Python", "Copy JSON"
WRAP, UNWRAP, BRANCH = "Wrap", "Unwrap", "Branch"
# The buttons that edit what is chosen, and the edits of a state that they mean.
EDITS: Mapping[str, str] = {
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
BUTTONS = (ADD, *EDITS, WRAP, USE, PYTHON, JSON)

PLACES: tuple[Where, ...] = ("after", "before", "inside")

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
        self.kind, self.type, self.where = menu("kind"), menu("type"), menu("place")
        offer(self.where, [(say(f"place.{word}"), word) for word in PLACES])
        self.bricks = BrickList(words=words())
        self.buttons = {word: button(word) for word in BUTTONS}
        self.wrapping = menu("wrap in")
        self.wrapping.layout.flex = "0 1 12em"
        self.title, self.about = w.Label(style={"font_weight": "bold"}), Notice()
        self.change = menu("change")
        self.place = w.VBox(layout=w.Layout(width="auto"))
        self.shape, self.shape_notice = text_field("shape"), Notice()
        self.total = Notice()
        self.name, self.name_notice = text_field("name"), Notice()
        self.code = w.Textarea(
            description=say("code"), rows=12, style=WHOLE, layout=w.Layout(width="auto")
        )
        self.code.layout.display = "none"

    def arrange(self) -> None:
        """Put the two sides next to each other where there is room, else below each other."""
        left = [
            line(self.kind, self.type),
            line(self.where, self.buttons[ADD]),
            self.bricks,
            self.pressed("Up", "Down", "Out", "Into", "Duplicate", "Delete"),
            line(
                self.pressed("Undo", "Redo"), self.wrapping, self.pressed(WRAP, UNWRAP, BRANCH),
            ),
            line(self.shape),
            self.shape_notice,
            self.total,
            line(self.name, *(self.buttons[word] for word in (USE, PYTHON, JSON))),
            self.name_notice,
            self.notice,
        ]  # fmt: skip
        right = [line(self.title, self.change), self.about, self.place]
        sides = w.HBox(
            [w.VBox(side, layout=w.Layout(**COLUMN)) for side in (left, right)],
            layout=w.Layout(flex_flow="row wrap", width="100%"),
        )
        self.children = (sides, self.code)

    def pressed(self, *names: str) -> w.HBox:
        """Return a line of buttons."""
        return line(*(self.buttons[name] for name in names))


def button(word: str) -> w.Button:
    """Return a button as wide as its word."""
    text = say("use", name="model") if word == USE else say(word)
    return w.Button(description=text, layout=w.Layout(width="auto"))


def menu(key: str) -> w.Dropdown:
    """Return a menu that takes the room there is."""
    return w.Dropdown(description=say(key), style=WHOLE, layout=w.Layout(**ROOM))


def text_field(key: str) -> w.Text:
    """Return a text field that speaks when the text is finished."""
    return w.Text(
        description=say(key), continuous_update=False, style=WHOLE, layout=w.Layout(**ROOM)
    )


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
