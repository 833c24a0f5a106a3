"""Parameters, MACs and memory."""

from brickbook.measure.cost.complexity import Complexity, Cost, complexity
from brickbook.measure.cost.shapes import ShapeRow, ShapeTrace, shapes

__all__ = [
    "Complexity",
    "Cost",
    "ShapeRow",
    "ShapeTrace",
    "complexity",
    "shapes",
]
