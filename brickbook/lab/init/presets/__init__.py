"""Common initialisations for the menu of the init lab, and the one that it opens with."""

from brickbook.lab.init.presets.literature import (
    OWN_START,
    preset_options,
    preset_rules,
    preset_title,
    trace_start,
)
from brickbook.lab.init.presets.table import (
    DEFAULT_NAME,
    DEFAULT_PRESET,
    PRESETS,
    initial_init_cfg,
)

__all__ = [
    "DEFAULT_NAME",
    "DEFAULT_PRESET",
    "OWN_START",
    "PRESETS",
    "initial_init_cfg",
    "preset_options",
    "preset_rules",
    "preset_title",
    "trace_start",
]
