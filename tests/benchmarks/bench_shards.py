"""Two ranks fill a sharded model, with one thread each, against one process that fills all of it.

Each rank runs this file; the model is a transformer's Linears, 302 M parameters, float32.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

RANKS = 2
ROUNDS = 7
WIDTH, BLOCKS = 2048, 6
SIDES = (WIDTH, 3 * WIDTH), (WIDTH, WIDTH), (WIDTH, 4 * WIDTH), (4 * WIDTH, WIDTH)
CFG = dict(type="Normal", layer="Linear", std=0.02)
MIB = 2**20


def cases() -> list[dict[str, float | str]]:
    """The time of two ranks and of one, and the memory that each rank has above its shard."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += ["--nproc-per-node", str(RANKS), __file__, str(found)]
        done = subprocess.run(command, capture_output=True, text=True)
        if not found.exists():
            raise RuntimeError(done.stderr)
        both, alone, above = json.loads(found.read_text())
    rows: list[dict[str, float | str]] = [
        {"name": "2 ranks fill a sharded model of 302 M / one process, 1 thread each",
         "ours": both, "peer": alone, "ratio": both / alone, "bound": 0.6},
    ]  # fmt: skip
    if above is not None:
        name = "memory of a rank above its shard / 16 MiB"
        rows.append({"name": name, "ours": above, "peer": 16.0, "ratio": above / 16.0,
                     "bound": 1.0, "unit": "MiB"})  # fmt: skip
    return rows


def model() -> nn.ModuleList:
    """Return the model without memory."""
    with torch.device("meta"):
        return nn.ModuleList(
            nn.Sequential(*(nn.Linear(into, out, bias=False) for into, out in SIDES))
            for _ in range(BLOCKS)
        )


def resident(key: str) -> float:
    """Return a line of Linux's list on the memory of this process, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(f"{key}:"))


def rank(path: str) -> None:
    """Measure in one of the processes; the first one writes what was found."""
    import torch.distributed as dist
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import init_device_mesh

    from brickbook import initialize

    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    mesh = init_device_mesh("cpu", (RANKS,))
    warm = fully_shard(nn.Linear(300, 500, bias=False), mesh=mesh)
    initialize(warm, CFG, seed=0)  # what is loaded at first use is no scratch
    part = model()
    for block in part:
        fully_shard(block, mesh=mesh)
    part.to_empty(device="cpu")
    above = memory(part, lambda: initialize(part, CFG, seed=0))
    whole = model().to_empty(device="cpu") if dist.get_rank() == 0 else None
    both, alone = [], []
    for _ in range(ROUNDS):
        dist.barrier()
        start = time.perf_counter()
        initialize(part, CFG, seed=0)
        dist.barrier()
        both.append(time.perf_counter() - start)
        if whole is not None:
            start = time.perf_counter()
            initialize(whole, CFG, seed=0)
            alone.append(time.perf_counter() - start)
    everybody: list = [None] * RANKS
    dist.all_gather_object(everybody, above)
    if dist.get_rank() == 0:
        most = None if None in everybody else max(everybody)
        Path(path).write_text(json.dumps([min(both), min(alone), most]))
    dist.barrier()
    dist.destroy_process_group()


def memory(part: nn.Module, job: Callable[[], object]) -> float | None:
    """Return by how many MiB a job raises the peak above the shard itself; None if not on Linux.

    The shard's memory is not there before: it is handed out when it is written.
    """
    shard = sum(value.to_local().nbytes for value in part.parameters()) / MIB
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    except OSError:
        return None
    before = resident("VmRSS")
    job()
    return resident("VmHWM") - before - shard


if __name__ == "__main__":
    rank(sys.argv[1])
