"""Numbers and histograms as texts: what a notebook shows of a snapshot and its like.

A histogram is a row of block characters: they come through every notebook's filter, follow the
colours of the theme, and are text in a terminal too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from brickbook.markup import shape

if TYPE_CHECKING:
    from brickbook.measure.stats import TensorStats

__all__ = ["holes", "number", "snapshot_columns", "spark"]

BLOCKS = "▁▂▃▄▅▆▇█"
CELLS = 16


def spark(counts: Sequence[int], cells: int = CELLS) -> str:
    """Draw counts as block characters, neighbours added up; an empty cell is the lowest block.

    >>> spark((0, 1, 8, 16, 8, 1, 0, 0)), spark((5,)), spark(())
    ('▁▂▅█▅▂▁▁', '█', '')
    """
    if not any(counts):
        return ""
    each = -(-len(counts) // cells)
    sums = [sum(counts[at : at + each]) for at in range(0, len(counts), each)]
    tallest, top = max(sums), len(BLOCKS) - 1
    return "".join(BLOCKS[max(1, round(top * n / tallest)) if n else 0] for n in sums)


def number(value: float | None) -> str:
    """Write a number with four digits, a dash for none."""
    return "–" if value is None else f"{value:.4g}"


def holes(stats: TensorStats) -> str:
    """What a histogram cannot show: "2 NaN, 1 infinite", "no values (meta)", or ""."""
    if not stats.count:
        return f"no values ({stats.missing})" if stats.missing else "no values"
    parts = [(stats.nan, "NaN"), (stats.inf, "infinite")]
    return ", ".join(f"{count:,} {word}" for count, word in parts if count)


def snapshot_columns(
    tensors: Iterable[TensorStats],
) -> tuple[Sequence[str], list[Sequence[str]], range]:
    """The heads and rows of a snapshot's table, and which columns are numbers."""
    heads = ("tensor", "shape", "dtype", "min", "max", "mean", "std", "zeros", "histogram", "")
    return heads, [snapshot_row(stats) for stats in tensors], range(3, 8)


def snapshot_row(stats: TensorStats) -> Sequence[str]:
    """One row of a snapshot."""
    zeros = f"{stats.zeros:.2%}" if stats.count else "–"
    return (
        stats.name,
        shape(stats.shape),
        stats.dtype,
        *map(number, (stats.min, stats.max, stats.mean, stats.std)),
        zeros,
        spark(stats.counts),
        holes(stats),
    )
