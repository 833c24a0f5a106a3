"""What the init lab adds in the kernel to an Initialize of ResNet-50 and its statistics."""

from __future__ import annotations

import sys
from pathlib import Path

from timing import fastest

from brickbook import compare, initialize, snapshot

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
from torchvision_support import import_torchvision

BOUND = 0.5
RULES = [dict(type="Kaiming", layer=["Conv2d"])]


def cases() -> list[dict[str, float | str]]:
    """One row: the panel's own share of the time of Initialize."""
    from brickbook.lab import InitLab

    model = import_torchvision().models.resnet50(weights=None)
    lab = InitLab(model, init_cfg=RULES, seed=0)

    def bare() -> None:
        before = snapshot(model)
        initialize(model, RULES, seed=0)
        compare(before, snapshot(model))

    whole, peer = fastest([lab.apply, bare], rounds=5)
    lab.close()
    own = max(whole - peer, 0.0)
    name = "the panel's own time in an Initialize of ResNet-50 / initialize and statistics"
    return [{"name": name, "ours": own, "peer": peer, "ratio": own / peer, "bound": BOUND}]
