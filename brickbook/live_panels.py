"""The panels that are open, and the locks that they share with whatever else writes weights.

This module knows no widgets: a command that runs without a notebook may ask it.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any, Protocol, runtime_checkable
from weakref import WeakValueDictionary

__all__ = [
    "MODEL_LOCK",
    "PANEL_LOCK",
    "LivePanel",
    "ModelPanel",
    "WatchingPanel",
    "forget_live_panel",
    "live_model_panel",
    "live_panels",
    "pause_live_panels",
    "refresh_live_panels",
    "replace_live_panel",
    "resume_live_panels",
    "watch_cells",
]

# Trait callbacks run in a thread of their own beside a running cell, button clicks in the main
# one. Whatever reads or changes the state of a panel holds the first of these, whatever changes a
# model, runs it or copies it the second: a batch may run for a minute, and the panel lives on.
# Who needs both takes them in this order.
PANEL_LOCK = threading.RLock()
MODEL_LOCK = threading.RLock()


class LivePanel(Protocol):
    """A panel as a widget: ``comm`` is its connection to the page, None once it is closed."""

    comm: Any

    def close(self) -> None:
        """Close the panel."""
        ...


@runtime_checkable
class WatchingPanel(LivePanel, Protocol):
    """A panel that shows what other code may change."""

    def look_again(self) -> None:
        """Show things as they are, if something else has changed them."""
        ...


@runtime_checkable
class ModelPanel(WatchingPanel, Protocol):
    """A panel that shows the weights of a model and can initialise it."""

    def pause(self) -> None:
        """Stop what runs by itself: a cell of the user's begins."""
        ...

    def resume(self) -> None:
        """Go on with it."""
        ...

    def carry_out(self, todo: Any, /, *, seed: Any, atomic: bool, batch: Any) -> Any:
        """Initialise the model by a plan, so that the panel can undo it; return the report."""
        ...


class Cell:
    """Whether a cell of the user's runs."""

    running = False


CELL = Cell()
PANELS: WeakValueDictionary[Hashable, LivePanel] = WeakValueDictionary()


def replace_live_panel(key: Hashable, panel: LivePanel) -> None:
    """Close the panel that was shown for ``key`` and put this one in its place.

    ``key`` is ("builder", name) or ("model", id of the model); a panel must hold its model, so
    that the id stays its own.
    """
    with PANEL_LOCK:
        old = PANELS.get(key)
        PANELS[key] = panel
    if old is not None and old is not panel:
        old.close()


def forget_live_panel(key: Hashable, panel: LivePanel) -> None:
    """Note that a panel that lives on is not the one for ``key`` any more."""
    with PANEL_LOCK:
        if PANELS.get(key) is panel:
            del PANELS[key]


def live_panels() -> tuple[LivePanel, ...]:
    """Return all panels that are open."""
    return tuple(panel for panel in tuple(PANELS.values()) if panel.comm is not None)


def live_model_panel(model: object) -> ModelPanel | None:
    """Return the open panel of this very model; None if there is none."""
    panel = PANELS.get(("model", id(model)))
    return panel if isinstance(panel, ModelPanel) and panel.comm is not None else None


def refresh_live_panels() -> None:
    """Let every open panel see whether something else has changed what it shows."""
    for panel in live_panels():
        if isinstance(panel, WatchingPanel):
            panel.look_again()


def pause_live_panels() -> None:
    """Stop what open panels run by themselves: a cell begins, and torch's numbers are its own."""
    CELL.running = True
    for panel in live_panels():
        if isinstance(panel, ModelPanel):
            panel.pause()


def resume_live_panels() -> None:
    """Let open panels go on: the cell has ended."""
    CELL.running = False
    for panel in live_panels():
        if isinstance(panel, ModelPanel):
            panel.resume()


def watch_cells(shell: Any) -> bool:
    """Have panels pause while a cell of a shell runs; return whether one runs now."""
    if pause_live_panels not in shell.events.callbacks["pre_execute"]:
        shell.events.register("pre_execute", pause_live_panels)
        shell.events.register("post_execute", resume_live_panels)
        kernel = getattr(shell, "kernel", None)
        parent = kernel.get_parent() if kernel is not None else {}
        CELL.running = parent.get("header", {}).get("msg_type") == "execute_request"
    return CELL.running
