"""Counting all values of a large model beside what is shown, with progress and Cancel."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import ipywidgets as w

from brickbook.lab.init_look import Part, wide
from brickbook.lab.init_session import InitSession
from brickbook.lab.panels import PANEL_LOCK, close_tree, guarded
from brickbook.lab.worker import Worker
from brickbook.measure.counting import SAMPLE
from brickbook.measure.snapshots import Snapshot

__all__ = ["SAMPLED", "Counting"]

SAMPLED = f"Shown is a sample: at most {SAMPLE:,} values of every tensor."


class Counting(Part):
    """A line of words, a bar and Cancel; nothing is shown while nothing is done.

    ``counted`` hears that the session has the exact numbers.
    """

    def __init__(self, session: InitSession, counted: Callable[[], None]) -> None:
        self.session, self.counted = session, counted
        self.worker = Worker(self.tell, PANEL_LOCK)
        super().__init__()

    @cached_property
    def line(self) -> w.HBox:
        """The controls, made for the first large model."""
        self.words = w.Label(layout=wide())
        self.bar = w.IntProgress(0, 0, 100, layout=wide(max_width="18em", min_width="8em"))
        self.cancel = w.Button(
            description="Cancel", icon="stop", tooltip="Stop counting", layout=wide()
        )
        self.cancel.on_click(lambda _: self.stop())  # not guarded: it must not wait for the lock
        line = [self.words, self.bar, self.cancel]
        return w.HBox(line, layout=wide(align_items="center", flex_flow="row wrap"))

    def begin(self) -> None:
        """Count, if what is shown is a sample."""
        if not self.session.sampled:
            self.hold()
            return
        self.hold(self.line)
        self.words.value, self.bar.value = f"{SAMPLED} Counting all of them …", 0
        self.cancel.layout.display = self.bar.layout.display = None
        self.worker.start(self.session.count, self.hear)

    def tell(self, done: int, total: int) -> None:
        """Move the bar."""
        self.bar.value = round(100 * done / max(total, 1))

    def stop(self) -> None:
        """Stop counting; the sample stays."""
        self.worker.cancel()
        self.words.value = SAMPLED
        self.cancel.layout.display = self.bar.layout.display = "none"

    @guarded
    def hear(self, found: Snapshot | None, error: Exception | None) -> None:
        """Take what the worker has counted."""
        if error is not None:
            self.stop()
            raise error
        if found is not None:
            self.session.take(found)
            self.hold()
            self.counted()

    def close(self) -> None:
        """Stop, and close everything, also what is not shown any more."""
        self.worker.cancel()
        if "line" in vars(self):
            close_tree(self.line)
        super().close()
