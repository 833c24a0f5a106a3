"""What the numbers of a model look like: small frozen records, never the weights themselves."""

from brickbook.measure.comparisons import Comparison, Pair, compare, pair
from brickbook.measure.coordinates import CoordinateCheck, coordinate_check
from brickbook.measure.costing import complexity
from brickbook.measure.costs import Complexity, Cost
from brickbook.measure.diagnosis import RULES, DiagnosisRule, Finding, diagnose
from brickbook.measure.probing import probe
from brickbook.measure.signals import Signal, Signals
from brickbook.measure.snapshots import Snapshot, TensorStats, snapshot
from brickbook.measure.tracing import ShapeRow, ShapeTrace, shapes

__all__ = [
    "RULES",
    "Comparison",
    "Complexity",
    "CoordinateCheck",
    "Cost",
    "DiagnosisRule",
    "Finding",
    "Pair",
    "ShapeRow",
    "ShapeTrace",
    "Signal",
    "Signals",
    "Snapshot",
    "TensorStats",
    "compare",
    "complexity",
    "coordinate_check",
    "diagnose",
    "pair",
    "probe",
    "shapes",
    "snapshot",
]
