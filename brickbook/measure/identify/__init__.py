"""What numbers say of how they came about: untouched draws, moved ones, constants, others."""

from brickbook.measure.identify.identify import Identification, TensorStart, identify

__all__ = ["Identification", "TensorStart", "identify"]
