"""Ranks of one group that are forked from a process that has imported torch: seconds are saved.

Run as ``ranks.py WORKER FOLDER WORLD ...``; ``WORKER.answers(file)`` is asked on every rank, and
FOLDER/WORLD.json gets what all of them answered. ``file`` is a name that the ranks share.
"""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from importlib import import_module
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

__all__ = ["answers_of"]


def answers_of(worker: str, folder: Path, *worlds: int) -> dict[int, list[Any]]:
    """Start groups of so many ranks, one after the other, and return what each rank found."""
    command = [sys.executable, __file__, worker, str(folder), *map(str, worlds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    files = {world: folder / f"{world}.json" for world in worlds}
    # Not the exit status: gloo's threads may end a process that is done with an abort.
    if not all(file.exists() for file in files.values()):
        raise RuntimeError(done.stderr[-5000:])
    return {world: json.loads(file.read_text()) for world, file in files.items()}


def answer(worker: str, file: Path, rank: int, world: int) -> None:
    """Be one rank."""
    import torch.distributed as dist

    store = f"file://{file}.store"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world)
    everybody: list[Any] = [None] * world
    dist.all_gather_object(everybody, import_module(worker).answers(str(file)))
    if rank == 0:
        file.write_text(json.dumps(everybody))
    dist.barrier()
    dist.destroy_process_group()


def run(worker: str, file: Path, world: int) -> None:
    """Start the ranks, and end all of them when one has failed: they would wait for it."""
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    ranks = [context.Process(target=answer, args=(worker, file, at, world)) for at in range(world)]
    for rank in ranks:
        rank.start()
    while alive := [rank for rank in ranks if rank.is_alive()]:
        if not file.exists() and any(rank.exitcode for rank in ranks):
            for rank in alive:
                rank.terminate()
        wait([rank.sentinel for rank in alive])


if __name__ == "__main__":
    import_module("torch.distributed.fsdp")  # once for all
    import_module(sys.argv[1])
    for world in map(int, sys.argv[3:]):
        run(sys.argv[1], Path(sys.argv[2], f"{world}.json"), world)
