"""What the menu of presets has for a model: ours, the literature's, and its own start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from brickbook.i18n import Texts
from brickbook.init.execution.replay import check_alike
from brickbook.init.presets import preset, presets
from brickbook.init.tracing import History, trace
from brickbook.lab.init.presets.table import PRESETS

__all__ = ["OWN_START", "preset_options", "preset_rules", "preset_title", "trace_start"]

OWN_START = "own_start"  # the preset of what a model's own code does


def preset_options(model: nn.Module, texts: Texts, own_start: bool) -> list[tuple[str, str]]:
    """Return what the menu says and what it means; ``own_start``: whether that can be traced."""
    own = (OWN_START,) if own_start else ()
    return [(preset_title(name, texts), name) for name in (*own, *PRESETS, *presets(model))]


def preset_title(name: str, texts: Texts) -> str:
    """Return what the menu calls a preset; those of the literature have names."""
    return texts[f"preset.{name}"] if name in PRESETS or name == OWN_START else name


def trace_start(build: Callable[[], nn.Module], model: nn.Module) -> History:
    """Trace how a model like this one starts itself, without memory for it.

    Raises:
        BadArgumentError: What is built is another model; and as in `trace`.
    """
    history = trace(build, meta=True)
    check_alike({name: row.shape for name, row in history.items()}, model)
    return history


def preset_rules(name: str, model: nn.Module) -> tuple[dict[str, Any], ...]:
    """Return the rules that a name of the menu means for a model."""
    return PRESETS[name].rules(model) if name in PRESETS else tuple(preset(name))
