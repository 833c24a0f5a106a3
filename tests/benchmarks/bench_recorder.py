"""A training with a `Recorder` against the same training without."""

from __future__ import annotations

from itertools import pairwise

import torch
from timing import fastest
from torch import Tensor, nn

from brickbook.measure.recorder import Recorder

STEPS, BOUND = 40, 1.10


def cases() -> list[dict[str, float | str]]:
    """One row: a small convolutional net, every tenth step recorded."""
    torch.manual_seed(0)
    x, y = torch.randn(64, 3, 32, 32), torch.randint(10, (64,))
    ours, peer = fastest([lambda: recorded(x, y), lambda: train(net(), x, y)], 5)
    name = f"{STEPS} steps with a Recorder / without"
    return [{"name": name, "ours": ours, "peer": peer, "ratio": ours / peer, "bound": BOUND}]


def net() -> nn.Module:
    widths = (3, 32, 64, 128)
    blocks = [
        part
        for wide, high in pairwise(widths)
        for part in (nn.Conv2d(wide, high, 3, 2, 1), nn.BatchNorm2d(high), nn.ReLU())
    ]
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


def recorded(x: Tensor, y: Tensor) -> object:
    model = net()
    with Recorder(model) as recorder:
        train(model, x, y)
    return recorder.history


def train(model: nn.Module, x: Tensor, y: Tensor) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(STEPS):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
