"""How models of the literature start, as configs, each with its paper and its library's line."""

from brickbook.init.presets.preset import Preset, Presets, find_preset, preset, presets

__all__ = ["Preset", "Presets", "find_preset", "preset", "presets"]
