"""What the many small parts of the init lab share: boxes, layouts, buttons that cost little."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import ipywidgets as w
import traitlets

from brickbook.lab.light import Button, Slim, Terse
from brickbook.lab.panels import Notice, close_tree
from brickbook.texts import Texts

__all__ = ["Fold", "Part", "close_up", "column", "icon_button", "parts_of", "wide"]

LEFT_HEIGHT = "min(78vh, 960px)"  # the grid's, with its menus


class Part(Terse, w.VBox):
    """A box that can say something: the place for that is made for the first message.

    ``spot`` is how many parts stand above the message. A subclass makes its parts first and calls
    ``__init__`` last: what a widget holds when it is made costs no message of its own.
    """

    spot = 1
    last_error: Exception | None = None

    def __init__(self, *parts: w.Widget, **layout: Any) -> None:
        super().__init__(parts or self.children, layout=Slim(width="auto", **layout))

    @cached_property
    def notice(self) -> Notice:
        """The place of the message."""
        made = Notice()
        self.children = (*self.children[: self.spot], made, *self.children[self.spot :])
        return made

    @property
    def message(self) -> str:
        """What is said, "" for nothing."""
        return self.notice.text if "notice" in vars(self) else ""

    def hold(self, *parts: w.Widget) -> None:
        """Hold these parts, and the message if there is one."""
        place = (self.notice,) if "notice" in vars(self) else ()
        self.children = (*parts[: self.spot], *place, *parts[self.spot :])

    def say(self, text: str) -> None:
        """Say what is wrong, or nothing."""
        if text or "notice" in vars(self):
            self.notice.say(text)

    def close(self) -> None:
        """Close the part and everything in it."""
        if getattr(self, "comm", None) is not None:
            close_tree(self)


class Fold(Terse, w.VBox):
    """A button, and below it a box that it shows and hides: an accordion has no keys in a notebook.

    Controls: ``head``; ``body``, made when it is unfolded first, for whoever fills it.
    """

    unfolded = traitlets.Bool(False)

    def __init__(self, title: str, texts: Texts) -> None:
        self.texts = texts
        # A flexible box, because the words of a button are in its middle.
        at_left = wide(display="flex", justify_content="flex-start", align_items="center")
        self.head = Button(
            description=title,
            icon="caret-right",
            tooltip=texts["fold.closed_tip"],
            layout=at_left,
        )
        self.head.on_click(self.press)
        super().__init__((self.head,), layout=wide())

    @cached_property
    def body(self) -> w.VBox:
        """The box, empty at first."""
        made = w.VBox(layout=wide())
        self.children = (self.head, made)
        return made

    @property
    def title(self) -> str:
        """What stands on the button."""
        return self.head.description

    @title.setter
    def title(self, text: str) -> None:
        self.head.description = text

    def press(self, _button: w.Button) -> None:
        """Show what is hidden, or hide it."""
        self.unfolded = not self.unfolded

    @traitlets.observe("unfolded")
    def turn(self, _change: object) -> None:
        """Show or hide the box, and say which on the button."""
        self.head.icon = "caret-down" if self.unfolded else "caret-right"
        self.head.tooltip = self.texts["fold.open_tip" if self.unfolded else "fold.closed_tip"]
        self.body.layout.display = None if self.unfolded else "none"


def wide(**layout: Any) -> Slim:
    """Return a layout as wide as there is room."""
    return Slim(width="auto", **layout)


def close_up(table: str) -> str:
    """Set the lines of a table closer than those of controls."""
    return f'<div style="line-height: 1.4">{table}</div>'


def icon_button(icon: str, tooltip: str, like: w.Button | None = None) -> Button:
    """Make a small square button; the tooltip is its name for a screen reader too.

    It shares its layout with the button ``like``.
    """
    return Button(
        icon=icon,
        tooltip=tooltip,
        layout=like.layout if like else Slim(width="2.4em", flex="0 0 auto", padding="0"),
    )


def parts_of(box: w.Widget) -> Iterator[w.Widget]:
    """Yield everything inside a box."""
    for child in getattr(box, "children", ()):
        yield child
        yield from parts_of(child)


def column(*parts: w.Widget) -> w.Box:
    """Put parts into a column that scrolls."""
    # A block, because the items of a flexible box with a greatest height would shrink.
    return w.Box(
        parts,
        layout=Slim(
            display="block",
            flex="0 0 25em",
            max_height=LEFT_HEIGHT,
            overflow="hidden auto",
            padding="0 8px 0 0",
        ),
    )
