"""Sharing work out: jobs that several threads do, each with its own scratch memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor

__all__ = ["Job", "Kind", "Scratch", "serial", "share"]

Kind = tuple[torch.device, torch.dtype]
Scratch = dict[Kind, Tensor]
Job = Callable[[Scratch], None]


@contextmanager
def serial() -> Iterator[None]:
    """Keep torch's operations in one thread each: the work is shared out already.

    And the last bits of a QR decomposition depend on how many threads it has.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def share(jobs: Iterable[Job], scratches: Sequence[Scratch]) -> None:
    """Do the jobs in as many threads as there are scratches; this thread is one of them."""
    waiting = iter(jobs)
    turn = threading.Lock()
    stop = threading.Event()

    @torch.no_grad()  # a thread begins with gradients on
    def work(scratch: Scratch) -> None:
        try:
            while not stop.is_set():
                with turn:
                    job = next(waiting, None)
                if job is None:
                    return
                job(scratch)
        except BaseException:
            stop.set()
            raise

    if len(scratches) < 2:
        for scratch in scratches:
            work(scratch)
        return
    with ThreadPoolExecutor(len(scratches) - 1) as pool:
        try:
            working = [pool.submit(work, scratch) for scratch in scratches[1:]]
            work(scratches[0])
            for other in working:
                other.result()  # an exception of a thread is raised here
        except BaseException:
            stop.set()  # leaving the pool waits for its threads
            raise
