"""What the builder's menus offer: types to change to, containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brickbook.blueprint import MODELS, kinds, resolve, slots_of
from brickbook.errors import ConfigError
from brickbook.lab.builder.preview import type_name
from brickbook.lab.builder.words import builder_text

__all__ = ["container_types", "kind_label", "kind_options", "type_option_of", "type_options"]


def kind_options() -> list[tuple[str, str]]:
    """Return the kinds that have types: a label and the kind."""
    found = [word for word, registry in kinds().items() if len(registry)]
    return [(kind_label(word), word) for word in found]


def kind_label(kind: str) -> str:
    """Return how a kind is called in a menu."""
    return builder_text("layers") if kind == "model" else kind


def container_types() -> list[str]:
    """Return the types that contain bricks."""
    return [name for name, make in list(MODELS.module_dict.items()) if slots_of(make)]


def type_options(cfg: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the types that a brick can be changed to, those of its own kind first.

    Each is a label and a value: the kind and the name, with a blank between them.
    """
    try:
        own = resolve(cfg.get("type"))[0]
    except ConfigError:
        own = ""
    offered = [kind for _, kind in kind_options()]
    order = [own, *(kind for kind in offered if kind != own)] if own in offered else offered
    options = [] if own in offered else [(type_name(cfg.get("type")), "")]
    for kind in order:
        label = "" if kind == own else f"{kind_label(kind)}: "
        options += [
            (f"{label}{name}", f"{kind} {name}") for name in list(kinds()[kind].module_dict)
        ]
    return options


def type_option_of(cfg: Mapping[str, Any]) -> str:
    """Return the value of a brick's own type in `type_options`; "" for a type of no kind."""
    try:
        kind, _ = resolve(cfg.get("type"))
    except ConfigError:
        return ""
    word = cfg["type"]
    return f"{kind} {word.removeprefix(f'{kind}.')}" if kind in kinds() else ""
