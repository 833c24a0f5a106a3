"""What panels are made of: messages, sections, and callbacks that show their errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, wraps
from typing import Any, Literal, Protocol

import ipywidgets as w
import traitlets

from brickbook.html import escape
from brickbook.i18n import Texts
from brickbook.lab.widgets.frontend_cleanup import release_in_frontend
from brickbook.lab.widgets.lean import Button, HTMLText, LeanLayout, LeanWidget, full_width
from brickbook.live_panels import PANEL_LOCK

__all__ = [
    "Disclosure",
    "Notice",
    "Panel",
    "Section",
    "close_tree",
    "descendants",
    "reports_errors",
    "scrolling_column",
    "tighten_lines",
    "widgets_in",
]

Tone = Literal["error", "info", "plain"]

# Role, colour of the bar on the left, and a mark for readers who see no colours, by tone.
TONES: Mapping[str, tuple[str, str, str]] = {
    "error": ("alert", "var(--jp-error-color1, #c62828)", "⚠ "),
    "info": ("status", "var(--jp-border-color1, #888)", ""),
    "plain": ("note", "transparent", ""),
}


class Notice(HTMLText):
    """A message that wraps, nothing while it is empty; a screen reader reads an error at once.

    Every text is escaped here.
    """

    def __init__(self, text: str = "", tone: Tone = "error") -> None:
        display = None if text else "none"
        self.layout = LeanLayout(width="auto", margin="0 0 0 2px", display=display)
        self.show(text, tone)
        super().__init__()  # last: what a widget holds when it is made costs no message of its own

    def show(self, text: str, tone: Tone = "error") -> None:
        """Show ``text``, or nothing."""
        self.text = text
        role, colour, mark = TONES[tone]
        style = (
            f"border-left: 3px solid {colour}; padding: 1px 0 1px 8px; margin: 2px 0; "
            "line-height: 1.4; white-space: pre-wrap; overflow-wrap: anywhere"
        )
        words = escape(f"{mark}{text}")
        self.value = f'<div role="{role}" style="{style}">{words}</div>' if text else ""
        self.layout.display = None if text else "none"

    def clear(self) -> None:
        """Show nothing."""
        self.show("")


class ErrorReporter(Protocol):
    """A panel or section whose callbacks `reports_errors`: it has a message and keeps the error."""

    notice: Notice
    last_error: Exception | None


def reports_errors(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a method a safe widget callback: it holds the panels' lock, an exception is shown.

    A notebook drops what a callback raises. Here the panel shows it, keeps it in ``last_error``
    with its traceback, and lives on.
    """

    @wraps(method)
    def run(self: ErrorReporter, *args: Any) -> Any:
        with PANEL_LOCK:
            try:
                return method(self, *args)
            except Exception as error:
                self.last_error = error
                texts = getattr(self, "texts", None) or Texts()
                self.notice.show(f"{type(error).__name__}: {texts.explain(error)}")
                return None

    return run


class Panel(w.VBox):
    """A box with a place for messages; closing it closes all that is in it."""

    def __init__(self, **kwargs: Any) -> None:
        self.notice = Notice()
        self.last_error: Exception | None = None
        super().__init__(**kwargs)

    def close(self) -> None:
        """Close the panel and everything in it."""
        if getattr(self, "comm", None) is not None:
            close_tree(self)


def close_tree(widget: w.Widget) -> None:
    """Close a widget with its children, layouts and styles, so that the page forgets them.

    ``close`` of a box leaves all of them open.
    """
    parts = {id(part): part for part in widgets_in(widget)}.values()  # a figure has no hash
    own = [part for part in parts if part is widget or not isinstance(part, Panel)]
    release_in_frontend(own)
    for part in own:
        w.Widget.close(part)
    for part in parts:
        if part is not widget and isinstance(part, Panel):
            part.close()  # it may hold more than its children


def widgets_in(widget: w.Widget) -> Iterator[w.Widget]:
    """Yield a widget with its children, layouts and styles, down to the panels in it."""
    yield widget
    used = (getattr(widget, name, None) for name in ("layout", "style"))
    yield from (part for part in used if isinstance(part, w.Widget))
    for child in getattr(widget, "children", ()):
        if isinstance(child, Panel):
            yield child
        else:
            yield from widgets_in(child)


COLUMN_HEIGHT = "min(78vh, 960px)"  # the grid's, with its menus


class Section(LeanWidget, w.VBox):
    """A box with a message; the widget for it is made for the first one.

    ``message_position`` is how many children stand above the message. A subclass makes its
    children first and calls ``__init__`` last: what a widget holds when it is made costs no
    message of its own.
    """

    message_position = 1
    last_error: Exception | None = None

    def __init__(self, *children: w.Widget, **layout: Any) -> None:
        super().__init__(children or self.children, layout=LeanLayout(width="auto", **layout))

    @cached_property
    def notice(self) -> Notice:
        """The widget of the message."""
        notice, at = Notice(), self.message_position
        self.children = (*self.children[:at], notice, *self.children[at:])
        return notice

    @property
    def message(self) -> str:
        """The message that is shown, "" for none."""
        return self.notice.text if "notice" in vars(self) else ""

    def set_children(self, *children: w.Widget) -> None:
        """Show these children, and the message if there is one."""
        notice, at = (self.notice,) if "notice" in vars(self) else (), self.message_position
        self.children = (*children[:at], *notice, *children[at:])

    def show_message(self, message: str) -> None:
        """Show a message, or nothing."""
        if message or "notice" in vars(self):
            self.notice.show(message)

    def close(self) -> None:
        """Close the section and everything in it."""
        if getattr(self, "comm", None) is not None:
            close_tree(self)


class Disclosure(LeanWidget, w.VBox):
    """A button, and below it a box that it shows and hides: an accordion has no keys in a notebook.

    Controls: ``header``, the button; ``body``, made when it is unfolded first.
    """

    unfolded = traitlets.Bool(False)

    def __init__(self, title: str, texts: Texts) -> None:
        self.texts = texts
        # A flexible box, because the text of a button is in its middle.
        at_left = full_width(display="flex", justify_content="flex-start", align_items="center")
        self.header = Button(
            description=title,
            icon="caret-right",
            tooltip=texts["fold.closed_tip"],
            layout=at_left,
        )
        self.header.on_click(self.toggle)
        super().__init__((self.header,), layout=full_width())

    @cached_property
    def body(self) -> w.VBox:
        """The box, empty at first."""
        body = w.VBox(layout=full_width())
        self.children = (self.header, body)
        return body

    @property
    def title(self) -> str:
        """The text of the button."""
        return self.header.description

    @title.setter
    def title(self, text: str) -> None:
        self.header.description = text

    def toggle(self, _button: w.Button) -> None:
        """Show what is hidden, or hide it."""
        self.unfolded = not self.unfolded

    @traitlets.observe("unfolded")
    def update_body(self, _change: object) -> None:
        """Show or hide the box; the button tells which."""
        self.header.icon = "caret-down" if self.unfolded else "caret-right"
        self.header.tooltip = self.texts["fold.open_tip" if self.unfolded else "fold.closed_tip"]
        self.body.layout.display = None if self.unfolded else "none"


def tighten_lines(table: str) -> str:
    """Return a table in HTML with its lines closer than those of controls."""
    return f'<div style="line-height: 1.4">{table}</div>'


def descendants(box: w.Widget) -> Iterator[w.Widget]:
    """Yield everything inside a box."""
    for child in getattr(box, "children", ()):
        yield child
        yield from descendants(child)


def scrolling_column(*children: w.Widget) -> w.Box:
    """Return a column that scrolls."""
    # A block, because the items of a flexible box with a greatest height would shrink.
    return w.Box(
        children,
        layout=LeanLayout(
            display="block",
            flex="0 0 25em",
            max_height=COLUMN_HEIGHT,
            overflow="hidden auto",
            padding="0 8px 0 0",
        ),
    )
