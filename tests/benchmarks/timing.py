"""Timing two or more ways of doing one thing, so that the load of the machine hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

ROUNDS = 9


def fastest(jobs: Sequence[Callable[[], object]], rounds: int = ROUNDS) -> list[float]:
    """Return the shortest time of each job in seconds; they take turns, there and back.

    Back, too: what a job finds in the caches is what the one before it left there.
    """
    best = [float("inf")] * len(jobs)
    order = list(range(len(jobs)))
    for _ in range(rounds):
        for at in order:
            start = time.perf_counter()
            jobs[at]()
            best[at] = min(best[at], time.perf_counter() - start)
        order.reverse()
    return best
