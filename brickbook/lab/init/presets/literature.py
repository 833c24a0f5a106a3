"""The starts of the literature that fit a model, beside the presets of the menu."""

from __future__ import annotations

from typing import Any

from torch import nn

from brickbook.i18n import Texts
from brickbook.init.presets import preset, presets
from brickbook.lab.init.presets.table import PRESETS

__all__ = ["preset_options", "preset_rules", "preset_title"]


def preset_options(model: nn.Module, texts: Texts) -> list[tuple[str, str]]:
    """Return what the menu says and what it means: presets, and what the literature has."""
    return [(preset_title(name, texts), name) for name in (*PRESETS, *presets(model))]


def preset_title(name: str, texts: Texts) -> str:
    """Return what the menu calls a preset; those of the literature have names."""
    return texts[f"preset.{name}"] if name in PRESETS else name


def preset_rules(name: str, model: nn.Module) -> tuple[dict[str, Any], ...]:
    """Return the rules that a name of the menu means for a model."""
    return PRESETS[name].rules(model) if name in PRESETS else tuple(preset(name))
