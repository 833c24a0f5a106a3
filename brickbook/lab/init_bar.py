"""The buttons of the init lab, what was done last, and the rules as Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as w

from brickbook.lab.init_look import Part, wide
from brickbook.lab.panels import Notice, close_tree, guarded

__all__ = ["Bar"]

MOST_LINES = 24


class Bar(Part):
    """Initialize, Undo, Redo, Copy config.

    ``python`` gives the text to copy; it is shown in ``code``, which is None while it is folded.
    """

    def __init__(
        self,
        initialize: Callable[[w.Button], None],
        undo: Callable[[w.Button], None],
        redo: Callable[[w.Button], None],
        python: Callable[[], str],
    ) -> None:
        self.python = python
        self.status = Notice()
        self.code: w.Textarea | None = None
        shared: dict[str, Any] = {"layout": wide(), "style": w.ButtonStyle()}
        self.initialize = w.Button(
            description="Initialize", icon="play", button_style="primary", **shared
        )
        self.undo = w.Button(description="Undo", icon="undo", disabled=True, **shared)
        self.redo = w.Button(description="Redo", icon="repeat", disabled=True, **shared)
        self.copy = w.Button(
            description="Copy config",
            icon="copy",
            tooltip="Show the rules as Python that runs as pasted",
            **shared,
        )
        self.initialize.on_click(initialize)
        self.undo.on_click(undo)
        self.redo.on_click(redo)
        self.copy.on_click(self.press_copy)
        self.line = w.HBox(
            [self.initialize, self.undo, self.redo, self.copy], layout=wide(flex_flow="row wrap")
        )
        super().__init__(self.line, self.status)

    def allow(self, ready: bool, why_no_undo: str, why_no_redo: str) -> None:
        """Say what may be pressed."""
        self.initialize.disabled = not ready
        self.undo.disabled = bool(why_no_undo)
        self.undo.tooltip = why_no_undo or "Put the weights back, bit for bit"
        self.redo.disabled = bool(why_no_redo)
        self.redo.tooltip = why_no_redo or "Write what was undone again, bit for bit"

    def refresh(self) -> None:
        """Write the rules as Python, if the text is unfolded."""
        if self.code is not None:
            self.code.value = self.python()
            self.code.rows = min(MOST_LINES, self.code.value.count("\n") + 1)

    @guarded
    def press_copy(self, _button: w.Button) -> None:
        """Unfold the Python text, or fold it."""
        if self.code is None:
            self.code = w.Textarea(layout=wide())
            self.refresh()
            self.hold(self.line, self.status, self.code)
        else:
            self.hold(self.line, self.status)
            close_tree(self.code)
            self.code = None
