"""What the numbers of a model look like: small frozen records, never the weights themselves."""

from brickbook.measure.coordinate_check import CoordinateCheck, coordinate_check
from brickbook.measure.cost import Complexity, Cost, ShapeRow, ShapeTrace, complexity, shapes
from brickbook.measure.diagnosis import RULES, DiagnosisRule, Finding, diagnose
from brickbook.measure.expected import expected_signals
from brickbook.measure.identify import Identification, TensorStart, identify
from brickbook.measure.mean_field import MeanField, mean_field
from brickbook.measure.network import Network, NetworkNode, network
from brickbook.measure.probe import Signal, Signals, probe
from brickbook.measure.race import Race, race
from brickbook.measure.recorder import ActivationHistory, Recorder
from brickbook.measure.snapshot import (
    Comparison,
    Snapshot,
    TensorChange,
    TensorStats,
    compare,
    compare_stats,
    snapshot,
)
from brickbook.measure.spectra import Spectra, Spectrum, jacobian_spectrum, spectra
from brickbook.measure.triple import Triple, TripleRow, triple

__all__ = [
    "RULES",
    "ActivationHistory",
    "Comparison",
    "Complexity",
    "CoordinateCheck",
    "Cost",
    "DiagnosisRule",
    "Finding",
    "Identification",
    "MeanField",
    "Network",
    "NetworkNode",
    "Race",
    "Recorder",
    "ShapeRow",
    "ShapeTrace",
    "Signal",
    "Signals",
    "Snapshot",
    "Spectra",
    "Spectrum",
    "TensorChange",
    "TensorStart",
    "TensorStats",
    "Triple",
    "TripleRow",
    "compare",
    "compare_stats",
    "complexity",
    "coordinate_check",
    "diagnose",
    "expected_signals",
    "identify",
    "jacobian_spectrum",
    "mean_field",
    "network",
    "probe",
    "race",
    "shapes",
    "snapshot",
    "spectra",
    "triple",
]
