"""Snapshots as HTML: what a notebook shows of them."""

from __future__ import annotations

from collections.abc import Sequence

from brickbook.markup import block, shape, table
from brickbook.measure.snapshots import Snapshot, TensorStats
from brickbook.views.grid import holes

__all__ = ["snapshot_html"]


def snapshot_html(snapshot: Snapshot) -> str:
    """The numbers of every tensor."""
    heads = ("tensor", "shape", "dtype", "min", "max", "mean", "std", "zeros", "")
    rows = [numbers(stats) for stats in snapshot.values()]
    return block(repr(snapshot), [], table(heads, rows, right=range(3, 8)))


def numbers(stats: TensorStats) -> Sequence[str]:
    """One row of a snapshot."""
    values = (stats.min, stats.max, stats.mean, stats.std)
    shown = ("–" if value is None else f"{value:.4g}" for value in values)
    zeros = f"{stats.zeros:.2%}" if stats.count else "–"
    return (stats.name, shape(stats.shape), stats.dtype, *shown, zeros, holes(stats))
