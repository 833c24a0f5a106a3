"""Panels for a notebook: the builder and the init lab."""

from brickbook.lab.builder import Builder
from brickbook.lab.init import InitLab

__all__ = ["Builder", "InitLab"]
