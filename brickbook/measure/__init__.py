"""What the numbers of a model look like: small frozen records, never the weights themselves."""

from brickbook.measure.comparisons import Comparison, Pair, compare, pair
from brickbook.measure.coordinates import CoordinateCheck, coordinate_check
from brickbook.measure.snapshots import Snapshot, TensorStats, snapshot
from brickbook.measure.tracing import ShapeRow, ShapeTrace, shapes

__all__ = [
    "Comparison",
    "CoordinateCheck",
    "Pair",
    "ShapeRow",
    "ShapeTrace",
    "Snapshot",
    "TensorStats",
    "compare",
    "coordinate_check",
    "pair",
    "shapes",
    "snapshot",
]
