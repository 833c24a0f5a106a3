"""Histograms as rows of plain values: what a CSV file of bins is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from brickbook.measure.snapshot import Alternatives, Comparison, Snapshot, TensorChange, TensorStats

__all__ = ["bin_rows"]

Values = Mapping[str, Any]


def bin_rows(value: Snapshot | Comparison | Alternatives) -> Iterator[Values]:
    """One row per bin of every histogram: ``low`` ≤ values < ``high``, and how many there are.

    ``of`` says whose: "values" of a snapshot, "before" and "after", "now" and a config's name.
    """
    if isinstance(value, Snapshot):
        for name, stats in value.items():
            yield from tensor_bins(name, stats, {"values": stats.counts})
    elif isinstance(value, Comparison):
        for name, item in value.items():
            has = {"before": item.before, "after": item.after}
            counts = {"before": item.counts_before, "after": item.counts_after}
            yield from tensor_bins(name, item, {key: counts[key] for key in has if has[key]})
    else:
        for name in value.parameters:
            low, width, counts = value.histograms(name)
            place = TensorStats(name, "parameter", (), "", low=low, width=width, counts=counts[0])
            yield from tensor_bins(name, place, dict(zip(("now", *value), counts, strict=True)))


def tensor_bins(
    name: str, histogram: TensorStats | TensorChange, sides: Mapping[str, tuple[int, ...]]
) -> Iterator[Values]:
    """The rows of one tensor; the edges are those of ``place``."""
    edges = histogram.edges
    for side, counts in sides.items():
        for low, high, count in zip(edges, edges[1:], counts, strict=False):
            yield {"name": name, "of": side, "low": low, "high": high, "count": count}
