"""`initialize` of a ResNet-50 with Kaiming against the loop people write with torch."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from timing import fastest
from torch import nn

from brickbook import initialize, plan

sys.path.insert(0, str(Path(__file__).parent.parent))
from torchvision_support import import_torchvision

BOUND = 1.1
CFG = dict(type="Kaiming", layer="Conv2d")


def cases() -> list[dict[str, float | str]]:
    """Two rows: the whole of `initialize`, and what the plan alone takes of it."""
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
    ]
