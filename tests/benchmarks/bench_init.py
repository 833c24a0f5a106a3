"""`initialize` of a ResNet-50 with Kaiming against the loop people write with torch."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from timing import fastest
from torch import nn

from brickbook import initialize, plan
from brickbook.init.execution import SeededRng
from brickbook.init.execution.rng import fill_tensors
from brickbook.init.laws import Normal

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
from torchvision_support import import_torchvision

BOUND = 1.1
CFG = dict(type="Kaiming", layer="Conv2d")


def cases() -> list[dict[str, float | str]]:
    """The whole of `initialize`, what the plan alone takes of it, and draws with a seed."""
    model = import_torchvision().models.resnet50(weights=None)

    def ours() -> None:
        torch.manual_seed(0)
        initialize(model, CFG)

    def theirs() -> None:
        torch.manual_seed(0)
        for part in model.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")

    mine, peer, planning = fastest([ours, theirs, lambda: plan(model, CFG)])
    name = "initialize ResNet-50 with Kaiming / kaiming_normal_ in a loop"
    share = "the plan's share of that"
    return [
        {"name": name, "ours": mine, "peer": peer, "ratio": mine / peer, "bound": BOUND},
        {"name": share, "ours": planning, "peer": peer, "ratio": planning / peer, "bound": 0.1},
        *seeded(),
    ]


def seeded() -> list[dict[str, float | str]]:
    """Two rows: a seeded Normal on 300 M values in one and in two threads."""
    values = torch.empty(300_000_000)
    write = [(values, Normal(0.0, 0.02), "weight")]
    one, two, peer = fastest(
        [
            lambda: fill_tensors(write, SeededRng(0), 1),
            lambda: fill_tensors(write, SeededRng(0), 2),
            lambda: nn.init.normal_(values, 0.0, 0.02),
        ],
        rounds=7,
    )
    name = "seeded Normal on 300 M values, {} / nn.init.normal_"
    return [
        {"name": name.format("1 thread"), "ours": one, "peer": peer, "ratio": one / peer,
         "bound": 1.1},
        {"name": name.format("2 threads"), "ours": two, "peer": peer, "ratio": two / peer,
         "bound": 0.55},
    ]  # fmt: skip
