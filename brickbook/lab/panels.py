"""What every panel of the lab shares: messages, one lock, callbacks that survive, one per model."""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import wraps
from typing import Any, Literal, Protocol
from weakref import WeakValueDictionary

import ipywidgets as w

from brickbook.lab.light import Slim, Words
from brickbook.lab.sweeper import sweep

__all__ = [
    "MODEL_LOCK", "PANEL_LOCK", "Notice", "Panel", "Tone", "close_tree", "guarded", "live_panel",
    "live_panels", "look_around", "take_place",
]  # fmt: skip

# Trait callbacks run in a thread of their own beside a running cell, button clicks in the main
# one. Whatever reads or changes the state of a panel holds the first of these, whatever changes a
# model, runs it or copies it the second: a batch may run for a minute, and the panel lives on.
# Who needs both takes them in this order.
PANEL_LOCK = threading.RLock()
MODEL_LOCK = threading.RLock()

Tone = Literal["error", "info", "plain"]

# Role, colour of the bar on the left, and a mark for readers who see no colours, by tone.
TONES: Mapping[str, tuple[str, str, str]] = {
    "error": ("alert", "var(--jp-error-color1, #c62828)", "⚠ "),
    "info": ("status", "var(--jp-border-color1, #888)", ""),
    "plain": ("note", "transparent", ""),
}


class Notice(Words):
    """A message that wraps, nothing while it is empty; an error is read out as it appears.

    Every text is escaped here.
    """

    def __init__(self, text: str = "", tone: Tone = "error") -> None:
        display = None if text else "none"
        self.layout = Slim(width="auto", margin="0 0 0 2px", display=display)
        self.say(text, tone)
        super().__init__()  # last: what a widget holds when it is made costs no message of its own

    def say(self, text: str, tone: Tone = "error") -> None:
        """Show ``text``, or nothing."""
        self.text = text
        role, colour, mark = TONES[tone]
        style = (
            f"border-left: 3px solid {colour}; padding: 1px 0 1px 8px; margin: 2px 0; "
            "line-height: 1.4; white-space: pre-wrap; overflow-wrap: anywhere"
        )
        words = html.escape(f"{mark}{text}")
        self.value = f'<div role="{role}" style="{style}">{words}</div>' if text else ""
        self.layout.display = None if text else "none"

    def clear(self) -> None:
        """Show nothing."""
        self.say("")


class Guarded(Protocol):
    """What `guarded` needs: a place for a message and one for the exception."""

    notice: Notice
    last_error: Exception | None


def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a method a safe widget callback: it holds the panels' lock, an exception is shown.

    A notebook drops what a callback raises. Here the panel says it, keeps it in ``last_error``
    with its traceback, and lives on.
    """

    @wraps(method)
    def run(self: Guarded, *args: Any) -> Any:
        with PANEL_LOCK:
            try:
                return method(self, *args)
            except Exception as error:
                self.last_error = error
                self.notice.say(f"{type(error).__name__}: {error}")
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
    parts = {id(part): part for part in parts_in(widget)}.values()  # a figure has no hash
    own = [part for part in parts if part is widget or not isinstance(part, Panel)]
    sweep(own)
    for part in own:
        w.Widget.close(part)
    for part in parts:
        if part is not widget and isinstance(part, Panel):
            part.close()  # it may hold more than its children


def parts_in(widget: w.Widget) -> Iterator[w.Widget]:
    """Yield a widget and what it shows and uses, down to the panels in it."""
    yield widget
    used = (getattr(widget, name, None) for name in ("layout", "style"))
    yield from (part for part in used if isinstance(part, w.Widget))
    for child in getattr(widget, "children", ()):
        if isinstance(child, Panel):
            yield child
        else:
            yield from parts_in(child)


LIVE: WeakValueDictionary[Hashable, w.Widget] = WeakValueDictionary()


def take_place(key: Hashable, panel: w.Widget) -> None:
    """Close the panel that was shown for ``key`` and put this one in its place.

    ``key`` is ("builder", name) or ("model", id of the model); a panel must hold its model, so
    that the id stays its own.
    """
    with PANEL_LOCK:
        old = LIVE.get(key)
        LIVE[key] = panel
    if old is not None and old is not panel:
        old.close()


def live_panel(key: Hashable) -> w.Widget | None:
    """Return the panel that is shown for ``key``, as in `take_place`; None if there is none."""
    panel = LIVE.get(key)
    return panel if panel is not None and panel.comm is not None else None


def live_panels() -> tuple[w.Widget, ...]:
    """Return all panels that are shown."""
    return tuple(panel for panel in tuple(LIVE.values()) if panel.comm is not None)


def look_around() -> None:
    """Let every live panel look whether its model was changed by somebody else."""
    for panel in live_panels():
        look_again = getattr(panel, "look_again", None)
        if look_again is not None:
            look_again()
