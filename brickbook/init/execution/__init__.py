"""From a plan to weights and a report."""

from brickbook.init.execution.execute import execute, initialize
from brickbook.init.execution.report import InitReport, Outcome, planned_outcome
from brickbook.init.execution.rng import SeededRng, fill_tensors

__all__ = [
    "InitReport",
    "Outcome",
    "SeededRng",
    "execute",
    "fill_tensors",
    "initialize",
    "planned_outcome",
]
