"""Small models whose data flow is known."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LeNet(nn.Module):
    """Functions between layers; ``features`` that do not fit are an error at fc1."""

    def __init__(self, features: int = 256) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2 = nn.Linear(features, 120), nn.Linear(120, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(self.conv2(x).relu(), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


class Residual(nn.Module):
    """x + act(norm(conv(x)))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm, self.act = nn.BatchNorm2d(channels), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.act(self.norm(self.conv(x)))


class UNet(nn.Module):
    """Two steps down, two up, with concatenations."""

    def __init__(self) -> None:
        super().__init__()
        self.downs = nn.ModuleList([nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)])
        self.pool, self.mid = nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1)
        self.ups = nn.ModuleList([
            nn.ConvTranspose2d(32, 16, 2, 2), nn.ConvTranspose2d(16, 8, 2, 2),
        ])  # fmt: skip
        self.decs = nn.ModuleList([nn.Conv2d(32, 16, 3, padding=1), nn.Conv2d(16, 8, 3, padding=1)])

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for down in self.downs:
            x = down(x)
            kept.append(x)
            x = self.pool(x)
        x = self.mid(x)
        for up, dec in zip(self.ups, self.decs, strict=True):
            x = dec(torch.cat([up(x), kept.pop()], 1))
        return x


class AsksForValues(nn.Module):
    """Neither torch.fx nor the meta device can follow it; it counts its calls in a buffer."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.drop = nn.Dropout(0.5)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        x = self.drop(self.first(x))
        return self.second(x) if x.sum() > -1e9 else x


class Caught(nn.Module):
    """It tries a layer that does not fit, and goes on with another."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong, self.right = nn.Linear(3, 3), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        try:
            return self.wrong(x)
        except RuntimeError:
            return self.right(x)


def deep_net(blocks: int) -> nn.Module:
    """A chain of equal residual blocks between two convolutions."""
    return nn.Sequential(nn.Conv2d(3, 4, 1), *(Residual(4) for _ in range(blocks)), nn.Flatten())
