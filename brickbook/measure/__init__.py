"""What the numbers of a model look like: small frozen records, never the weights themselves."""

from brickbook.measure.comparisons import Comparison, Pair, compare, pair
from brickbook.measure.snapshots import Snapshot, TensorStats, snapshot
from brickbook.measure.tracing import ShapeRow, ShapeTrace, shapes

__all__ = [
    "Comparison",
    "Pair",
    "ShapeRow",
    "ShapeTrace",
    "Snapshot",
    "TensorStats",
    "compare",
    "pair",
    "shapes",
    "snapshot",
]
