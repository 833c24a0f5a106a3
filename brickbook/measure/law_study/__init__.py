"""What the law of an initialiser looks like on one layer, and what many such layers do."""

from brickbook.measure.law_study.layer import LAYER_KINDS, LayerSize
from brickbook.measure.law_study.signals import ChainSignals
from brickbook.measure.law_study.study import LawStudy, Moment, study_law

__all__ = ["LAYER_KINDS", "ChainSignals", "LawStudy", "LayerSize", "Moment", "study_law"]
