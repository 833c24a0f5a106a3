"""A race against the loop that people write, and two worker processes against one."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import torch
import torch.nn.functional as F
from timing import fastest
from torch import nn

from brickbook import initialize
from brickbook.measure.race import race
from brickbook.measure.race.data import accuracy, batches
from brickbook.measure.race.tasks import make_mlp

STEPS, BATCH = 400, 64
KAIMING = {"type": "Kaiming", "layer": "Linear"}
MODEL = partial(make_mlp, 64, *[256] * 4, 10)
OPTIMIZER = partial(torch.optim.SGD, lr=0.01)


def cases() -> list[dict[str, float | str]]:
    """Two rows: the overhead of a race in this process, and what a second worker is worth."""
    own = torch.Generator().manual_seed(0)
    data = torch.randn(1797, 64, generator=own), torch.randint(10, (1797,), generator=own)
    ours, peer = fastest([lambda: one_run(data), lambda: bare_loop(data)], 5)
    name = f"race, {STEPS} steps / the same loop with loss and accuracy"
    rows: list[dict[str, float | str]] = [
        {"name": name, "ours": ours, "peer": peer, "ratio": ours / peer, "bound": 1.05}
    ]
    with pool(2) as two, pool(1) as one:
        for executor, runs in ((two, 2), (one, 1)):
            in_workers(data, executor, runs, steps=1)  # they import torch at the first run
        ours, peer = fastest(
            [lambda: in_workers(data, two, 4, STEPS), lambda: in_workers(data, one, 4, STEPS)], 3
        )
    name = "race of four runs, two worker processes / one"
    return [*rows, {"name": name, "ours": ours, "peer": peer, "ratio": ours / peer, "bound": 0.6}]


def pool(workers: int) -> ProcessPoolExecutor:
    """Worker processes that were not forked: in those torch has one thread."""
    return ProcessPoolExecutor(workers, get_context("spawn"))


def one_run(data: tuple[torch.Tensor, torch.Tensor]) -> object:
    return race(
        MODEL, {"a": KAIMING}, data, steps=STEPS, seeds=1, optimizer=OPTIMIZER, batch_size=BATCH
    )


def in_workers(
    data: tuple[torch.Tensor, torch.Tensor], executor: ProcessPoolExecutor, runs: int, steps: int
) -> object:
    return race(
        MODEL, {"a": KAIMING}, data, steps=steps, seeds=runs, optimizer=OPTIMIZER,
        batch_size=BATCH, threads=1, executor=executor,
    )  # fmt: skip


def bare_loop(
    data: tuple[torch.Tensor, torch.Tensor], seed: int = 0
) -> tuple[list[float], nn.Module]:
    """The loop that `race` promises to be, with the numbers that people write down."""
    torch.manual_seed(seed)
    model = MODEL().train()
    initialize(model, KAIMING, seed=seed)
    optimizer = OPTIMIZER(model.parameters())
    torch.manual_seed(seed)
    losses, shares = [], []
    for _, (inputs, target) in zip(range(STEPS), batches(data, BATCH, seed), strict=False):
        optimizer.zero_grad()
        output = model(inputs)
        loss = F.cross_entropy(output, target)
        losses.append(loss.item())
        shares.append(accuracy(output, target))
        loss.backward()
        optimizer.step()
    return losses, model
