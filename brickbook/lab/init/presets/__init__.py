"""Common initialisations for the menu of the init lab, and the one that it opens with."""

from brickbook.lab.init.presets.table import (
    DEFAULT_NAME,
    DEFAULT_PRESET,
    PRESETS,
    initial_init_cfg,
)

__all__ = ["DEFAULT_NAME", "DEFAULT_PRESET", "PRESETS", "initial_init_cfg"]
