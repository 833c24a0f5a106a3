"""Long work in a thread of its own: progress at most ten times a second, and a way to stop it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

__all__ = ["PAUSE", "GoOn", "Stopped", "Worker"]

PAUSE = 0.1  # seconds between two reports: notebooks drop messages that come too fast

GoOn = Callable[[int, int], bool]


class Stopped(BaseException):
    """Raised inside of a task that was told to stop; code that catches errors lets it pass."""


class Worker:
    """Does one task at a time; starting another stops the one before.

    ``progress`` hears (done, total) while a task runs; it is called in the task's thread. ``lock``
    is held while a result is handed over: whoever holds it and cancels gets none afterwards.
    """

    def __init__(
        self,
        progress: Callable[[int, int], None],
        lock: AbstractContextManager[Any] | None = None,
    ) -> None:
        self.progress, self.lock = progress, lock or nullcontext()
        self.thread: threading.Thread | None = None
        self.stop = threading.Event()
        self.starting = threading.Lock()  # who waits never meets a thread that is not started

    @property
    def busy(self) -> bool:
        """Whether a task is running that was not told to stop."""
        return self.thread is not None and self.thread.is_alive() and not self.stop.is_set()

    def start(
        self, task: Callable[[GoOn], Any], then: Callable[[Any, Exception | None], None]
    ) -> None:
        """Run ``task(go_on)`` and give ``then`` its result, or its exception.

        A task asks ``go_on(done, total)`` now and then; once that is False it should end, by
        `Stopped` if it likes, and nobody hears of it any more. What is no Exception, such as the
        SystemExit of a user's code, comes as the cause of a RuntimeError.
        """
        self.cancel()
        stop = self.stop = threading.Event()
        last = [0.0]

        def go_on(done: int, total: int) -> bool:
            now = time.monotonic()
            if not stop.is_set() and now - last[0] >= PAUSE:
                last[0] = now
                self.progress(done, total)
            return not stop.is_set()

        def run() -> None:
            found, error = None, None
            try:
                found = task(go_on)
            except Stopped:
                return
            except Exception as caught:
                error = caught
            except BaseException as caught:  # it would end the thread, and nobody would know
                error = RuntimeError(f"{type(caught).__name__} was raised: {caught}")
                error.__cause__ = caught
            with self.lock:  # before the question: the answer must still hold in `then`
                if not stop.is_set():
                    then(found, error)

        with self.starting:
            self.thread = threading.Thread(target=run, name="brickbook-worker", daemon=True)
            self.thread.start()

    def cancel(self) -> None:
        """Tell the task that runs to stop; it is not waited for."""
        self.stop.set()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the task has ended, and those that its end has started."""
        met = None
        while self.thread not in (met, None, threading.current_thread()):
            with self.starting:
                met = self.thread
            met.join(seconds)
