"""Snapshots of large models: a sample at once, the exact numbers with progress and a way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from brickbook.measure.snapshots import Snapshot, absence, measure, named, some
from brickbook.measure.tally import Scratch

__all__ = ["SAMPLE", "exact", "sampled", "values_of"]

SAMPLE = 1 << 16  # of a normal law, the std of so many values is right to 0.3 %


def values_of(model: nn.Module) -> int:
    """Return how many values the parameters and buffers hold that have any."""
    return sum(tensor.numel() for _, _, tensor in named(model) if not absence(tensor))


def sampled(model: nn.Module, bins: int = 64, most: int = SAMPLE) -> Snapshot:
    """Take the numbers of at most ``most`` values of every tensor, at equal distances.

    ``count`` is that of the values looked at; the range is theirs too, so rare extremes are missed.
    """
    room: dict[torch.device, Scratch] = {}
    found = {}
    with torch.no_grad():
        for name, kind, tensor in named(model):
            part = tensor if absence(tensor) else some(tensor.detach(), most)
            stats = measure(name, kind, part, bins, room)
            if not absence(tensor):
                stats = replace(stats, shape=tuple(tensor.shape))
            found[name] = stats
    return Snapshot(found, bins)


def exact(model: nn.Module, go_on: Callable[[int, int], bool], bins: int = 64) -> Snapshot | None:
    """Take the numbers of all values, tensor by tensor.

    ``go_on`` hears how many values are counted, of how many; where it returns False, the rest is
    not counted and there is no snapshot (None).
    """
    total, done = values_of(model), 0
    room: dict[torch.device, Scratch] = {}
    found = {}
    for name, kind, tensor in named(model):
        if not go_on(done, total):
            return None
        with torch.no_grad():
            found[name] = measure(name, kind, tensor, bins, room)
        done += 0 if absence(tensor) else tensor.numel()
    return Snapshot(found, bins) if go_on(total, total) else None
