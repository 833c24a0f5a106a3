"""Panels for a notebook: builder, init lab, law playground, race, migration of a config."""

from brickbook.lab.builder import Builder
from brickbook.lab.init import InitLab
from brickbook.lab.law import LawPlayground
from brickbook.lab.migrate import Migrator
from brickbook.lab.race import RacePanel

__all__ = ["Builder", "InitLab", "LawPlayground", "Migrator", "RacePanel"]
