"""Work in a thread, with a line of progress and Cancel."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

import ipywidgets as w

from brickbook.i18n import Texts
from brickbook.lab.widgets.base import Section, close_tree
from brickbook.lab.widgets.cancellation import Cancelled, ProgressCallback
from brickbook.lab.widgets.lean import Button, Label, full_width
from brickbook.live_panels import PANEL_LOCK

__all__ = ["REPORT_INTERVAL", "JobProgress", "Worker"]

REPORT_INTERVAL = 0.1  # seconds between two reports: notebooks drop messages that come too fast

Task = Callable[[ProgressCallback], Any]
ResultCallback = Callable[[Any, Exception | None], None]


class Worker:
    """Does one task at a time in a thread; starting another cancels the one before.

    Args:
        on_progress: Called with what is done, of how much, in the task's thread, at most every
            `REPORT_INTERVAL` seconds.
        lock: Held while a result is handed over: after `cancel` under this lock none comes.
    """

    def __init__(
        self,
        on_progress: Callable[[int, int], None],
        lock: AbstractContextManager[Any] | None = None,
    ) -> None:
        self.on_progress, self.lock = on_progress, lock or nullcontext()
        self.thread: threading.Thread | None = None
        self.cancelled = threading.Event()
        self.start_lock = threading.Lock()  # `wait` never sees a thread that is not started

    @property
    def busy(self) -> bool:
        """Whether a task is running that was not cancelled."""
        return self.thread is not None and self.thread.is_alive() and not self.cancelled.is_set()

    def start(self, task: Task, on_result: ResultCallback) -> None:
        """Run a task and give its result, or its exception, to ``on_result``.

        Args:
            task: Gets a function that it calls with what is done, of how much. Once that returns
                False it should end, by `Cancelled` if it likes; its result is dropped.
            on_result: Gets the result and None, or None and the exception. What is no Exception,
                such as the SystemExit of a user's code, comes as the cause of a RuntimeError.
        """
        self.cancel()
        cancelled = self.cancelled = threading.Event()
        last_report = float("-inf")

        def report_progress(done: int, total: int) -> bool:
            nonlocal last_report
            now = time.monotonic()
            if not cancelled.is_set() and now - last_report >= REPORT_INTERVAL:
                last_report = now
                self.on_progress(done, total)
            return not cancelled.is_set()

        def run() -> None:
            result, error = None, None
            try:
                result = task(report_progress)
            except Cancelled:
                return
            except Exception as caught:
                error = caught
            except BaseException as caught:  # it would end the thread, and nobody would know
                error = RuntimeError(f"{type(caught).__name__} was raised: {caught}")
                error.__cause__ = caught
            with self.lock:  # first: whether it is cancelled must still hold in `on_result`
                if not cancelled.is_set():
                    on_result(result, error)

        with self.start_lock:
            self.thread = threading.Thread(target=run, name="brickbook-worker", daemon=True)
            self.thread.start()

    def cancel(self) -> None:
        """Cancel the task that runs, without waiting for its end."""
        self.cancelled.set()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the task has ended, and those that its end has started."""
        joined = None
        while self.thread not in (joined, None, threading.current_thread()):
            with self.start_lock:
                joined = self.thread
            joined.join(seconds)


class JobProgress(Section):
    """A label, a bar and Cancel in a line; nothing is shown while no job runs.

    ``on_cancel`` is called when Cancel was pressed. The tooltip is that of the button: a page
    cannot draw a box that has one of its own.
    """

    def __init__(
        self,
        cancel_tooltip: str,
        texts: Texts | None = None,
        on_cancel: Callable[[], None] = lambda: None,
    ) -> None:
        self.cancel_tooltip, self.on_cancel = cancel_tooltip, on_cancel
        self.texts = texts or Texts()
        self.worker = Worker(self.on_progress, PANEL_LOCK)
        self.job_label = ""
        self.reveal_at: float | None = None  # when the line appears, if the job lasts that long
        super().__init__()

    @cached_property
    def line(self) -> w.HBox:
        """The controls, made for the first job."""
        self.label = Label(layout=full_width())
        self.bar = w.IntProgress(0, 0, 100, layout=full_width(max_width="18em", min_width="8em"))
        self.cancel = Button(
            description=self.texts("counting.cancel"),
            icon="stop",
            tooltip=self.cancel_tooltip,
            layout=full_width(),
        )
        self.cancel.on_click(
            lambda _: self.stop()
        )  # without `reports_errors`: it waits for no lock
        line = [self.label, self.bar, self.cancel]
        return w.HBox(line, layout=full_width(align_items="center", flex_flow="row wrap"))

    def start_job(
        self,
        label: str,
        task: Task,
        on_result: ResultCallback,
        delay: float = 0.0,
    ) -> None:
        """Start a task as `Worker.start` does, and show its label after ``delay`` seconds."""
        self.worker.cancel()
        self.job_label, self.reveal_at = label, time.monotonic() + delay if delay else None
        if delay:
            self.set_children()
        else:
            self.reveal()
        self.worker.start(task, on_result)

    def reveal(self) -> None:
        """Show the line."""
        line, self.reveal_at = self.line, None
        self.label.value, self.bar.value = self.job_label, 0
        self.cancel.layout.display = self.bar.layout.display = None
        self.set_children(line)

    def on_progress(self, done: int, total: int) -> None:
        """Move the bar."""
        if self.reveal_at is not None and time.monotonic() >= self.reveal_at:
            with PANEL_LOCK:  # a delayed job holds no other lock
                if self.worker.busy and self.reveal_at is not None:
                    self.reveal()
                    self.bar.layout.display = None if total else "none"
        if total and "line" in vars(self):
            self.bar.value = round(100 * done / total)

    def stop(self) -> None:
        """Cancel the job; no result will come."""
        self.worker.cancel()
        self.finish()
        self.on_cancel()

    def finish(self, message: str = "") -> None:
        """Show a message without bar and Cancel, or nothing, when no job runs any more."""
        self.reveal_at = None
        if not message:
            self.set_children()
            return
        line = self.line
        self.label.value = message
        self.cancel.layout.display = self.bar.layout.display = "none"
        self.set_children(line)

    def close(self) -> None:
        """Cancel, and close everything, also what is not shown any more."""
        self.worker.cancel()
        if "line" in vars(self):
            close_tree(self.line)
        super().close()
