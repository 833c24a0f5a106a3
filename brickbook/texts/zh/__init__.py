"""All texts in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from brickbook.texts.zh.about import ABOUT
from brickbook.texts.zh.builder import BUILDER
from brickbook.texts.zh.found import FOUND
from brickbook.texts.zh.grid import GRID
from brickbook.texts.zh.init_lab import INIT_LAB
from brickbook.texts.zh.live import LIVE
from brickbook.texts.zh.pictures import PICTURES
from brickbook.texts.zh.rules import RULES

__all__ = ["CHINESE"]

CHINESE: Mapping[str, str] = MappingProxyType(
    {**GRID, **BUILDER, **INIT_LAB, **RULES, **PICTURES, **LIVE, **FOUND, **ABOUT}
)
