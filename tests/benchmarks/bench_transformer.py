"""Attention and feed-forward networks against mmcv's: built, forward, forward with backward."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from timing import fastest
from torch import Tensor, nn

from brickbook.bricks.transformer.attention import MultiheadAttention
from brickbook.bricks.transformer.ffn import FFN

HEADS, LONG = 8, 1024
SMALL = 256
Row = dict[str, float | str]


def row(name: str, times: list[float], bound: float) -> Row:
    """Return a row of the table."""
    ours, peer = times
    name = f"{name} / mmcv-lite 2.2.0"
    return {"name": name, "ours": ours, "peer": peer, "ratio": ours / peer, "bound": bound}


def cases() -> list[Row]:
    """Return a row for each part, of building, of a forward, of attention over a long sequence."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mmcv.cnn.bricks import transformer as theirs
    attention = (MultiheadAttention, theirs.MultiheadAttention)
    ffn = (FFN, theirs.FFN)
    few = torch.rand(2, 100, SMALL)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # what takes a millisecond is no work for several
    try:
        rows = [
            row("100 × MultiheadAttention(64, 8)", built(attention, 64, HEADS), 1.0),
            row("100 × FFN(64, 256)", built(ffn, 64, 256), 1.0),
            row("MultiheadAttention on 100 tokens", forward(attention, few, SMALL, HEADS), 1.02),
            row("FFN on 100 tokens", forward(ffn, few, SMALL, 4 * SMALL), 1.02),
            *compiled(attention, ffn, torch.rand(2, 400, SMALL)),
        ]
    finally:
        torch.set_num_threads(threads)
    for width in (256, 512):
        long = f"MultiheadAttention({width}, 8) on 1024 tokens, forward and backward"
        rows.append(row(long, trained(attention, width), 0.7))
    return rows


def built(kinds: tuple[type, type], *args: int) -> list[float]:
    """Time the construction of 100 layers."""

    def build(kind: Callable[..., Any]) -> None:
        for _ in range(100):
            kind(*args)

    jobs = [lambda kind=kind: build(kind) for kind in kinds]
    for job in jobs:  # both have read their signatures
        job()
    return fastest(jobs, rounds=40)


def pair(kinds: tuple[type, type], *args: int) -> list[nn.Module]:
    """Build ours and theirs with the same weights."""
    ours, theirs = (kind(*args) for kind in kinds)
    ours.load_state_dict(theirs.state_dict())
    return [ours, theirs]


def forward(kinds: tuple[type, type], x: Tensor, *args: int) -> list[float]:
    """Time a forward without gradients."""
    layers = pair(kinds, *args)
    with torch.inference_mode():
        return fastest([lambda layer=layer: layer(x) for layer in layers], rounds=600)


def trained(kinds: tuple[type, type], width: int) -> list[float]:
    """Time a forward and a backward over a long sequence."""
    layers = pair(kinds, width, HEADS)
    x = torch.rand(LONG, 1, width, requires_grad=True)
    jobs = [lambda layer=layer: layer(x).sum().backward() for layer in layers]
    outs = [layer(x) for layer in layers]
    torch.testing.assert_close(*outs, rtol=0, atol=1e-6)
    return fastest(jobs, rounds=25)


def compiled(attention: tuple[type, type], ffn: tuple[type, type], x: Tensor) -> list[Row]:
    """Time compiled forwards; the peer is theirs, compiled or not, whichever is faster."""
    rows = []
    for kinds, args in ((attention, (SMALL, HEADS)), (ffn, (SMALL, 4 * SMALL))):
        layers = pair(kinds, *args)
        jobs = [*(torch.compile(layer) for layer in layers), layers[1]]
        with torch.inference_mode():
            for job in jobs:
                job(x)
            ours, *peers = fastest([lambda job=job: job(x) for job in jobs], rounds=200)
        # the peer has two chances to be fast, and a compiled layer's guards cost both the same
        rows.append(row(f"compiled {kinds[0].__name__} on 400 tokens", [ours, min(peers)], 1.02))
    return rows
