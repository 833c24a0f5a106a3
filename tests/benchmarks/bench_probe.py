"""`probe` of a ResNet-50 against a plain forward and backward: time, and peak memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from timing import fastest
from torch import Tensor, nn

from brickbook import probe
from brickbook.backbones import ResNet

BATCH, PIXELS, ROUNDS = 8, 160, 7


def cases() -> list[dict[str, float | str]]:
    """Three rows: with statistics, with histograms too, and the peak memory of a process."""
    model, x = model_and_batch()
    jobs = (
        lambda: plain(model, x),
        lambda: probe(model, x, loss=last_square),
        lambda: probe(model, x, loss=last_square, histograms=True),
    )
    peer, *times = fastest(jobs, ROUNDS)
    rows: list[dict[str, float | str]] = [
        {
            "name": f"probe of ResNet-50, batch {BATCH}, {what} / forward and backward",
            "ours": ours, "peer": peer, "ratio": ours / peer, "bound": bound,
        }
        for what, ours, bound in zip(("statistics", "histograms"), times, (1.35, 1.8), strict=True)
    ]  # fmt: skip
    peer, ours = (peak_memory(what) for what in ("plain", "histograms"))
    name = "peak memory of a probe with histograms / of forward and backward"
    return [
        *rows,
        {
            "name": name,
            "ours": ours,
            "peer": peer,
            "ratio": ours / peer,
            "bound": 1.15,
            "unit": "MB",
        },
    ]


def model_and_batch() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    return ResNet(50).train(), torch.randn(BATCH, 3, PIXELS, PIXELS)


def last_square(outputs: tuple[Tensor, ...]) -> Tensor:
    return outputs[-1].square().mean()


def plain(model: nn.Module, x: Tensor) -> None:
    last_square(model(x)).backward()
    for parameter in model.parameters():
        parameter.grad = None


def peak_memory(what: str) -> float:
    """Return the peak resident memory of a process of its own, in MB, less that of the imports."""
    done = subprocess.run(
        [sys.executable, __file__, what], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def report_peak(what: str) -> None:
    """Print what one pass adds to the peak of this process."""
    model, x = model_and_batch()
    before = resident()
    if what == "plain":
        plain(model, x)
    else:
        probe(model, x, loss=last_square, histograms=True)
    print(resident() - before)


def resident() -> float:
    """Return the largest resident memory of this process so far, in MB; Linux tells it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    report_peak(sys.argv[1])
