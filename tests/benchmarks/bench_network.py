"""`network` of a thousand modules and its picture, every box drawn, against 1.5 s."""

from __future__ import annotations

import sys
from pathlib import Path

from timing import fastest
from torch import nn

from brickbook import network
from brickbook.views.svg.network import network_svg

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
from network_support import deep_net

BLOCKS, SHAPE, ROUNDS, SECONDS = 249, (1, 3, 16, 16), 5, 1.5


def cases() -> list[dict[str, float | str]]:
    """One row."""
    model = deep_net(BLOCKS).eval()
    assert sum(1 for _ in model.modules()) == 999
    (ours,) = fastest((lambda: draw(model),), ROUNDS)
    name = f"network of 1,000 modules, every box drawn / {SECONDS} s"
    return [{"name": name, "ours": ours, "peer": SECONDS, "ratio": ours / SECONDS, "bound": 1.0}]


def draw(model: nn.Module) -> str:
    found = network(model, input_shape=SHAPE)
    return network_svg(found, closed=(), unfolded=[blocks[0][0] for blocks in found.repeats])
