"""ConvModule and the depthwise separable bundle against mmcv's: built, forward, compiled."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from timing import fastest
from torch import nn

from brickbook import ConvModule, DepthwiseSeparableConvModule

BN = dict(type="BN")
IMAGE = (1, 64, 14, 14)
Row = dict[str, float | str]


def cases() -> list[Row]:
    """Return a row for each bundle: 100 built, forward in training and evaluation, compiled."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mmcv.cnn import ConvModule as Theirs
        from mmcv.cnn import DepthwiseSeparableConvModule as TheirsInTwo
    rows = []
    for kinds in ((ConvModule, Theirs), (DepthwiseSeparableConvModule, TheirsInTwo)):
        name = kinds[0].__name__
        rows += [
            row(f"100 × {name}(64, 64, 3, norm_cfg=dict(type='BN'))", built(kinds), 1.0),
            row(f"{name} forward in training", forward(pair(kinds)), 1.02),
            row(f"{name} forward in evaluation", forward(pair(kinds, train=False)), 1.02),
            # the generated code is the same, so that the ratio is 1 but for noise
            row(f"compiled {name}, the peer eager if that is faster", compiled(kinds), 1.02),
        ]
    return rows


def row(name: str, times: list[float], bound: float) -> Row:
    """Return a row of the table."""
    ours, peer = times
    name = f"{name} / mmcv-lite 2.2.0"
    return {"name": name, "ours": ours, "peer": peer, "ratio": ours / peer, "bound": bound}


def built(kinds: tuple[type, ...]) -> list[float]:
    """Time the construction of 100 bundles."""

    def build(make: Any) -> None:
        torch.manual_seed(0)
        for _ in range(100):
            make(64, 64, 3, norm_cfg=BN)

    jobs = [lambda kind=kind: build(kind) for kind in kinds]
    for job in jobs:  # both have read their signatures
        job()
    return fastest(jobs, rounds=30)


def pair(kinds: tuple[type, ...], train: bool = True) -> list[nn.Module]:
    """Build ours and theirs with the same weights."""
    made = [kind(64, 64, 3, padding=1, norm_cfg=BN).train(train) for kind in kinds]
    made[0].load_state_dict(made[1].state_dict())
    return made


def forward(modules: list[Any]) -> list[float]:
    """Time ten calls each."""
    x = torch.rand(IMAGE)

    def call(module: Any) -> None:
        with torch.no_grad():
            for _ in range(10):
                module(x)

    jobs = [lambda module=module: call(module) for module in modules]
    for job in jobs:
        job()
    return fastest(jobs, rounds=100)


def compiled(kinds: tuple[type, ...]) -> list[float]:
    """Time ours compiled against theirs compiled or as it is, whichever is faster."""
    ours, theirs = pair(kinds, train=False)
    first, second, eager = forward([torch.compile(ours), torch.compile(theirs), theirs])
    return [first, min(second, eager)]
