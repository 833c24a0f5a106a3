"""What worker processes of a race import: models, losses and starts that misbehave."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class Noisy(nn.Module):
    """A model that draws from every generator, and has statistics of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Linear(16, 3)
        self.drop = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(torch.relu(self.norm(self.first(x))))
        return self.last(x) * (1 + 0.01 * random.random() + 0.01 * np.random.rand())


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))


def samples(count: int = 96) -> tuple[Tensor, Tensor]:
    own = torch.Generator().manual_seed(5)
    inputs = torch.randn(count, 4, generator=own)
    return inputs, inputs[:, :3].argmax(1)


class Deadly(nn.Module):
    """Ends its process at the third call, as the system does where memory is short.

    It does so after `make_deadly`; with a ``mark`` the first time only.
    """

    def __init__(self, mark: str = "") -> None:
        super().__init__()
        self.body, self.calls, self.mark = nn.Linear(4, 3), 0, mark

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.calls == 3 and bool(self.body.bias.eq(100.0).any()):
            if not self.mark:
                os._exit(9)
            with suppress(FileExistsError):
                Path(self.mark).touch(exist_ok=False)
                os._exit(9)
        return self.body(x)


def make_deadly(model: nn.Module) -> None:
    """A start after which a `Deadly` ends its process."""
    with torch.no_grad():
        model.body.bias.fill_(100.0)  # pyright: ignore


def fail(model: nn.Module) -> None:
    raise RuntimeError("no such start")


def no_update(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.0)


class ForbidsReading:
    """Goes out of a process and never comes in again."""

    def __call__(self) -> nn.Module:
        return mlp()

    def __reduce__(self) -> Any:
        return refuse, ()


def refuse() -> Any:
    raise RuntimeError("not here")
