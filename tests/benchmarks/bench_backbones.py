"""ResNet-50 against mmcv's: building it, and one picture through it in evaluation."""

from __future__ import annotations

import copy
import warnings

import torch
from timing import fastest

from brickbook import ResNet

BUILDING, RUNNING = 1.0, 1.02


def cases() -> list[dict[str, float | str]]:
    """Two rows: seconds for one model, and for one forward pass."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mmcv.cnn import ResNet as Theirs

    def build(make: type) -> None:
        torch.manual_seed(0)
        make(50)

    build(ResNet), build(Theirs)
    ours, peer = fastest([lambda: build(ResNet), lambda: build(Theirs)], rounds=30)
    name = "ResNet(50) / mmcv-lite 2.2.0"
    rows = [{"name": name, "ours": ours, "peer": peer, "ratio": ours / peer, "bound": BUILDING}]
    mine, other = ResNet(50), Theirs(50)
    other.load_state_dict(copy.deepcopy(mine.state_dict()))
    mine.eval(), other.eval()
    x = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        mine(x), other(x)
        ours, peer = fastest([lambda: mine(x), lambda: other(x)], rounds=30)
    name = "ResNet(50), forward of 1×3×224×224 / mmcv-lite 2.2.0"
    rows.append({"name": name, "ours": ours, "peer": peer, "ratio": ours / peer, "bound": RUNNING})
    return rows
