"""Parameters, MACs and memory."""

from brickbook.measure.cost.complexity import Complexity, Cost, complexity
from brickbook.measure.cost.meter import RunWatcher, watch_run
from brickbook.measure.cost.shapes import ShapeRow, ShapeTrace, shapes

__all__ = [
    "Complexity",
    "Cost",
    "RunWatcher",
    "ShapeRow",
    "ShapeTrace",
    "complexity",
    "shapes",
    "watch_run",
]
