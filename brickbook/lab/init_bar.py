"""The buttons of the init lab, what was done last, and the rules as Python."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as w

from brickbook.lab.init_look import Part, wide
from brickbook.lab.light import Button
from brickbook.lab.panels import Notice, close_tree, guarded
from brickbook.texts import Texts

__all__ = ["Bar"]

MOST_LINES = 24


class Bar(Part):
    """Initialize, Undo, Redo, Copy config, Export.

    ``python`` gives the text to copy; it is shown in ``code``, which is None while it is folded.
    """

    def __init__(
        self,
        initialize: Callable[[w.Button], None],
        undo: Callable[[w.Button], None],
        redo: Callable[[w.Button], None],
        python: Callable[[], str],
        export: Callable[[w.Button], None],
        texts: Texts | None = None,
    ) -> None:
        self.python, self.texts = python, texts or Texts()
        self.status = Notice()
        self.code: w.Textarea | None = None
        shared = wide()
        self.initialize = Button(
            description=self.texts["init.initialize"],
            icon="play",
            button_style="primary",
            layout=shared,
        )
        self.undo = Button(
            description=self.texts["init.undo"],
            icon="undo",
            tooltip=self.texts["init.no_undo"],
            disabled=True,
            layout=shared,
        )
        self.redo = Button(
            description=self.texts["init.redo"],
            icon="repeat",
            tooltip=self.texts["init.no_redo"],
            disabled=True,
            layout=shared,
        )
        self.copy = Button(
            description=self.texts["init.copy"],
            icon="copy",
            tooltip=self.texts["init.copy_tip"],
            layout=shared,
        )
        self.export = Button(
            description=self.texts["export.title"],
            icon="download",
            tooltip=self.texts["export.tip"],
            layout=shared,
        )
        self.initialize.on_click(initialize)
        self.undo.on_click(undo)
        self.redo.on_click(redo)
        self.copy.on_click(self.press_copy)
        self.export.on_click(export)
        line = [self.initialize, self.undo, self.redo, self.copy, self.export]
        self.line = w.HBox(line, layout=wide(flex_flow="row wrap"))
        super().__init__(self.line, self.status)

    def allow(self, ready: bool, why_no_undo: str, why_no_redo: str) -> None:
        """Say what may be pressed."""
        self.initialize.disabled = not ready
        self.undo.disabled = bool(why_no_undo)
        self.undo.tooltip = why_no_undo or self.texts["init.undo_tip"]
        self.redo.disabled = bool(why_no_redo)
        self.redo.tooltip = why_no_redo or self.texts["init.redo_tip"]

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
