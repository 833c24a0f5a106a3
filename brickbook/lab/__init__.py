"""Panels for a notebook: controls and painting, no decisions."""

from brickbook.lab.builder import Builder
from brickbook.lab.init_lab import InitLab

__all__ = ["Builder", "InitLab"]
