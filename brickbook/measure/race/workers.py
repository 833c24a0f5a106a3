"""The runs of a race in an executor: processes of this machine, or workers of a cluster."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from typing import Any

from brickbook.errors import BadValueError, Sentence, first_line
from brickbook.measure.race.records import Run
from brickbook.measure.race.train import RunSpec, forked_with_threads, run_or_report

__all__ = ["pack", "run_in_workers"]

Packed = dict[str, bytes]
POLL_SECONDS = 0.1  # how long a Cancel may wait
MODULE_HINT = "Define it in a module, or install cloudpickle."


def pack(parts: Mapping[str, Any]) -> Packed:
    """Return what workers need as bytes, each part by itself.

    Raises:
        BadValueError: A part cannot be sent to another process; it is named.
    """
    try:
        # Also of lambdas, and of what a notebook defines.
        from cloudpickle import dumps  # pyright: ignore[reportMissingImports] - optional
    except ImportError:
        from pickle import dumps
    packed: Packed = {}
    for name, part in parts.items():
        try:
            packed[name] = dumps(part)
        except Exception as error:  # a part may be anything
            problem = Sentence("no other process can get it: {error}.", error=describe(error))
            raise BadValueError(name, problem, MODULE_HINT) from error
    return packed


def describe(error: Exception) -> str:
    """The kind and the first line of an error, without a full stop."""
    return f"{type(error).__name__}: {first_line(error)}".rstrip(". ")


def unpack_check(packed: Packed) -> list[tuple[str, str]]:
    """Return, in a worker, the parts that cannot be read there, and why."""
    problems: list[tuple[str, str]] = []
    for name, data in packed.items():
        try:
            pickle.loads(data)
        except Exception as error:  # a part may be anything
            problems.append((name, describe(error)))
    return problems


def run_packed(packed: Packed, variant: str, seed: int) -> tuple[Run, bool]:
    """Train in a worker; return also whether it could not have the threads that were asked for."""
    parts = {name: pickle.loads(data) for name, data in packed.items()}
    spec = RunSpec(variant=variant, seed=seed, **parts)
    return run_or_report(spec), forked_with_threads(spec.threads)


class WorkerRuns:
    """The runs that wait, that are in the executor, and that are done.

    Args:
        executor: Where they run.
        shared: What all runs have in common, packed.
        inits: The start of each variant, packed.
        keys: The variant and the seed of each run, in their order.
    """

    def __init__(
        self, executor: Executor, shared: Packed, inits: Packed, keys: list[tuple[str, int]]
    ) -> None:
        self.executor, self.shared, self.inits, self.keys = executor, shared, inits, keys
        self.own: ProcessPoolExecutor | None = None  # in place of one that broke
        self.waiting = deque(keys)
        self.suspects: deque[tuple[str, int]] = deque()  # in a pool when it broke
        self.retried: set[tuple[str, int]] = set()  # those that have been suspects
        self.running: dict[Future[Any], tuple[str, int]] = {}
        self.done: dict[tuple[str, int], Run] = {}
        self.notes: list[str] = []

    def check(self) -> None:
        """Unpickle everything in a worker once; BadValueError names what cannot be read there."""
        starts = {f"init_cfgs.{name}": data for name, data in self.inits.items()}
        try:
            problems = self.executor.submit(unpack_check, {**self.shared, **starts}).result()
        except BrokenExecutor as error:
            problem = Sentence("its first worker died: {error}.", error=describe(error))
            raise BadValueError("executor", problem) from error
        for name, problem in problems:
            fact = Sentence("a worker cannot read it: {error}.", error=problem)
            raise BadValueError(name, fact, MODULE_HINT)

    def submit(self) -> None:
        """Hand out runs: as many as there are workers, so that few are lost with one of them.

        A run that may have killed its worker runs alone.
        """
        room = getattr(self.executor, "_max_workers", len(self.keys))
        while self.suspects and not self.running:
            self.start(self.suspects.popleft())
        while self.waiting and not self.suspects and len(self.running) < room:
            self.start(self.waiting.popleft())

    def start(self, key: tuple[str, int]) -> None:
        """Hand one run to the executor."""
        packed = {**self.shared, "init": self.inits[key[0]]}
        try:
            self.running[self.executor.submit(run_packed, packed, *key)] = key
        except BrokenExecutor as error:
            self.lose([key], error)

    def collect(self, finished: set[Future[Any]]) -> None:
        """Take the runs that have ended."""
        broken: list[tuple[str, int]] = []
        reason: Exception | None = None
        for future in finished:
            key = self.running.pop(future)
            try:
                self.done[key], short = future.result()
            except BrokenExecutor as error:
                broken.append(key)
                reason = error
            except CancelledError:
                self.done[key] = Run(*key, status="cancelled")
            except Exception as error:  # whatever an executor says of a worker that is gone
                self.done[key] = Run(*key, status="lost", problem=f"{describe(error)}.")
            else:
                note = "Torch had one thread: more hang in a process that was forked."
                self.notes += [note] if short and note not in self.notes else []
        if reason is not None:
            if self.running:  # the pool is broken for these too
                wait(self.running)
                broken += self.running.values()
                self.running.clear()
            self.lose(broken, reason)

    def lose(self, keys: list[tuple[str, int]], error: Exception) -> None:
        """Put a new pool in place of one that broke, and run again what was in it, one at a time.

        A run whose worker dies then too is lost.
        """
        fresh = renewed(self.executor)
        why = f"its worker died ({describe(error)})."
        lost = keys if fresh is None else [key for key in keys if key in self.retried]
        self.done.update((key, Run(*key, status="lost", problem=why)) for key in lost)
        if again := sorted(set(keys) - set(lost), key=self.keys.index):
            self.retried.update(again)
            self.suspects.extend(again)
            names = "; ".join(Run(*key).label for key in again)
            self.notes.append(f"A worker died; these were run again: {names}.")
        if fresh is None:
            why = "the executor broke before it began."
            self.done.update((key, Run(*key, status="lost", problem=why)) for key in self.waiting)
            self.waiting.clear()
        else:
            self.close()
            self.executor = self.own = fresh

    def close(self) -> None:
        """End the pool that was made here, if any."""
        if self.own is not None:
            self.own.shutdown(wait=False, cancel_futures=True)


def renewed(executor: Executor) -> ProcessPoolExecutor | None:
    """Return a pool like one of processes that broke, None for other executors.

    A broken pool takes no more work, and has no public way to say how it was made.
    """
    if not isinstance(executor, ProcessPoolExecutor):
        return None
    made: Any = executor
    return ProcessPoolExecutor(
        made._max_workers, made._mp_context, made._initializer, made._initargs
    )


def run_in_workers(
    executor: Executor,
    shared: Mapping[str, Any],
    inits: Mapping[str, Any],
    keys: list[tuple[str, int]],
    on_run: Callable[[list[Run]], None],
    cancelled: Callable[[], bool],
) -> tuple[list[Run], list[str]]:
    """Run everything in an executor; return the runs in order, and what went otherwise.

    After a Cancel nothing more is handed out; a run in a worker cannot be stopped from here, and is
    not waited for.
    """
    runs = WorkerRuns(executor, pack(shared), {}, keys)
    runs.inits = {
        name.removeprefix("init_cfgs."): data
        for name, data in pack({f"init_cfgs.{key}": init for key, init in inits.items()}).items()
    }
    runs.check()
    try:
        runs.submit()
        while runs.running and not cancelled():
            finished, _ = wait(runs.running, POLL_SECONDS, FIRST_COMPLETED)
            if finished:
                runs.collect(finished)
                runs.submit()
                on_run([runs.done[key] for key in keys if key in runs.done])
    finally:
        for future in runs.running:
            future.cancel()
        runs.close()
    ended = [runs.done.get(key) or Run(*key, status="cancelled") for key in keys]
    return ended, runs.notes
