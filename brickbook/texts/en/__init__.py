"""All texts in English."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from brickbook.texts.en.about import ABOUT
from brickbook.texts.en.builder import BUILDER
from brickbook.texts.en.found import FOUND
from brickbook.texts.en.grid import GRID
from brickbook.texts.en.init_lab import INIT_LAB
from brickbook.texts.en.live import LIVE
from brickbook.texts.en.pictures import PICTURES
from brickbook.texts.en.rules import RULES

__all__ = ["ENGLISH"]

ENGLISH: Mapping[str, str] = MappingProxyType(
    {**GRID, **BUILDER, **INIT_LAB, **RULES, **PICTURES, **LIVE, **FOUND, **ABOUT}
)
