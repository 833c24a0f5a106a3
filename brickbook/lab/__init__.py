"""Panels for a notebook: the builder, the init lab and the migration of a config."""

from brickbook.lab.builder import Builder
from brickbook.lab.init import InitLab
from brickbook.lab.migrate import Migrator

__all__ = ["Builder", "InitLab", "Migrator"]
