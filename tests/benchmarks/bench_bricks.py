"""Building a `ConvModule` against building mmcv's."""

from __future__ import annotations

import warnings

import torch
from timing import fastest

from brickbook import ConvModule

BOUND = 1.0


def cases() -> list[dict[str, float | str]]:
    """One row: seconds for 100 modules."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mmcv.cnn import ConvModule as Theirs
    norm = dict(type="BN")

    def build(make: type) -> None:
        torch.manual_seed(0)
        for _ in range(100):
            make(64, 64, 3, norm_cfg=norm)

    build(ConvModule), build(Theirs)  # both have read their signatures
    ours, peer = fastest([lambda: build(ConvModule), lambda: build(Theirs)], rounds=40)
    name = "100 × ConvModule(64, 64, 3, norm_cfg=dict(type='BN')) / mmcv-lite 2.2.0"
    return [{"name": name, "ours": ours, "peer": peer, "ratio": ours / peer, "bound": BOUND}]
