"""Progress of long work in the init lab, with a button that stops it."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as w

from brickbook.lab.init_look import Part, wide

__all__ = ["Progress"]


class Progress(Part):
    """A line of words, a bar and Cancel; nothing is shown while nothing is done."""

    def __init__(self, cancel: Callable[[], None]) -> None:
        self.words = w.Label(layout=wide())
        self.bar = w.IntProgress(0, 0, 100, layout=wide(max_width="18em", min_width="8em"))
        self.cancel = w.Button(
            description="Cancel", icon="stop", tooltip="Stop counting", layout=wide()
        )
        self.cancel.on_click(lambda _: cancel())  # not guarded: it must not wait for the lock
        self.line = w.HBox(
            [self.words, self.bar, self.cancel],
            layout=wide(align_items="center", flex_flow="row wrap"),
        )
        super().__init__(self.line)
        self.hide()

    def show(self, words: str) -> None:
        """Show that something has begun."""
        self.words.value, self.bar.value = words, 0
        self.cancel.layout.display = self.bar.layout.display = None
        self.layout.display = None

    def tell(self, done: int, total: int) -> None:
        """Move the bar."""
        self.bar.value = round(100 * done / max(total, 1))

    def rest(self, words: str) -> None:
        """Show words alone."""
        self.words.value = words
        self.cancel.layout.display = self.bar.layout.display = "none"

    def hide(self) -> None:
        """Show nothing."""
        self.layout.display = "none"
