"""The race panel: short trainings from several starts, live."""

from brickbook.lab.race.panel import RacePanel
from brickbook.lab.race.section import RaceSection

__all__ = ["RacePanel", "RaceSection"]
