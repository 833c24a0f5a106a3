"""What is likely to go wrong with a model's start, in sentences with numbers."""

from brickbook.measure.diagnosis.diagnose import diagnose
from brickbook.measure.diagnosis.finding import Finding, layer_label
from brickbook.measure.diagnosis.rules import RULES, DiagnosisRule

__all__ = [
    "RULES",
    "DiagnosisRule",
    "Finding",
    "diagnose",
    "layer_label",
]
