"""Work beside the panel: a line of words, a bar and Cancel; and the counting of a large model."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

import ipywidgets as w

from brickbook.lab.init_look import Part, wide
from brickbook.lab.init_session import InitSession
from brickbook.lab.light import Button, Label
from brickbook.lab.panels import PANEL_LOCK, close_tree, guarded
from brickbook.lab.worker import GoOn, Worker
from brickbook.measure.counting import SAMPLE
from brickbook.measure.snapshots import Snapshot
from brickbook.texts import Texts

__all__ = ["Counting", "Progress"]


class Progress(Part):
    """A line of words, a bar and Cancel; nothing is shown while nothing is done.

    ``why`` is the tooltip of Cancel (a page cannot draw a box that has one of its own), ``stopped``
    hears that it was pressed.
    """

    def __init__(
        self,
        why: str,
        texts: Texts | None = None,
        stopped: Callable[[], None] = lambda: None,
    ) -> None:
        self.why, self.texts, self.stopped = why, texts or Texts(), stopped
        self.worker = Worker(self.tell, PANEL_LOCK)
        self.doing = ""
        self.due: float | None = None  # when the line appears, if the work lasts that long
        super().__init__()

    @cached_property
    def line(self) -> w.HBox:
        """The controls, made for the first work."""
        self.words = Label(layout=wide())
        self.bar = w.IntProgress(0, 0, 100, layout=wide(max_width="18em", min_width="8em"))
        self.cancel = Button(
            description=self.texts("counting.cancel"),
            icon="stop",
            tooltip=self.why,
            layout=wide(),
        )
        self.cancel.on_click(lambda _: self.stop())  # not guarded: it must not wait for a lock
        line = [self.words, self.bar, self.cancel]
        return w.HBox(line, layout=wide(align_items="center", flex_flow="row wrap"))

    def do(
        self,
        words: str,
        task: Callable[[GoOn], Any],
        then: Callable[[Any, Exception | None], None],
        patience: float = 0.0,
    ) -> None:
        """Start work as `Worker.start` does, and show it after ``patience`` seconds."""
        self.worker.cancel()
        self.doing, self.due = words, time.monotonic() + patience if patience else None
        if patience:
            self.hold()
        else:
            self.reveal()
        self.worker.start(task, then)

    def reveal(self) -> None:
        """Show what is done."""
        line, self.due = self.line, None
        self.words.value, self.bar.value = self.doing, 0
        self.cancel.layout.display = self.bar.layout.display = None
        self.hold(line)

    def tell(self, done: int, total: int) -> None:
        """Move the bar."""
        if self.due is not None and time.monotonic() >= self.due:
            with PANEL_LOCK:  # who is patient holds no other lock while it works
                if self.worker.busy and self.due is not None:
                    self.reveal()
                    self.bar.layout.display = None if total else "none"
        if total and "line" in vars(self):
            self.bar.value = round(100 * done / total)

    def stop(self) -> None:
        """Stop what is done; no result will come."""
        self.worker.cancel()
        self.end()
        self.stopped()

    def end(self, words: str = "") -> None:
        """Show that nothing is done any more: these words, or nothing."""
        self.due = None
        if not words:
            self.hold()
            return
        line = self.line
        self.words.value = words
        self.cancel.layout.display = self.bar.layout.display = "none"
        self.hold(line)

    def close(self) -> None:
        """Stop, and close everything, also what is not shown any more."""
        self.worker.cancel()
        if "line" in vars(self):
            close_tree(self.line)
        super().close()


class Counting(Progress):
    """Counts all values of a large model beside what is shown.

    ``counted`` hears that the session has the exact numbers.
    """

    def __init__(
        self, session: InitSession, counted: Callable[[], None], texts: Texts | None = None
    ) -> None:
        self.session, self.counted = session, counted
        texts = texts or Texts()
        self.sampled = texts("counting.sampled", n=SAMPLE)
        super().__init__(texts("counting.cancel_tip"), texts)

    def begin(self) -> None:
        """Count, if what is shown is a sample."""
        if self.session.sampled:
            words = self.texts("counting.busy", sampled=self.sampled)
            self.do(words, self.session.count, self.hear)
        else:
            self.end()

    def stop(self) -> None:
        """Stop counting; the sample stays."""
        self.worker.cancel()
        self.end(self.sampled)

    @guarded
    def hear(self, found: Snapshot | None, error: Exception | None) -> None:
        """Take what the worker has counted."""
        if error is not None:
            self.stop()
            raise error
        if found is not None:
            self.session.take(found)
            self.end()
            self.counted()
