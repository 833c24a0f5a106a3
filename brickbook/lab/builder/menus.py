"""What the builder's menus offer: kinds of bricks, types of a kind, containers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brickbook.blueprint import MODELS, kinds, resolve, slots_of
from brickbook.errors import ConfigError
from brickbook.lab.builder.preview import type_name
from brickbook.lab.builder.words import builder_text

__all__ = ["container_types", "default_type", "kind_options", "type_option_of", "type_options"]

# The type that a kind begins with, by the number of axes of a sample.
DEFAULT_TYPES: Mapping[str, Mapping[int, str]] = {
    "conv": {2: "Conv1d", 3: "Conv2d", 4: "Conv3d"},
    "norm": {1: "BN1d", 2: "BN1d", 3: "BN", 4: "BN3d"},
}


def kind_options() -> list[tuple[str, str]]:
    """Return the kinds that have types: a label and the kind."""
    found = [word for word, registry in kinds().items() if len(registry)]
    return [(builder_text("layers") if word == "model" else word, word) for word in found]


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
        label = "" if kind == own else f"{builder_text('layers') if kind == 'model' else kind}: "
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


def default_type(kind: str, shape: Sequence[int] | None) -> str | None:
    """Return the type of a kind to begin with after an output of ``shape``, None if any will do."""
    name = DEFAULT_TYPES.get(kind, {}).get(len(shape or ()))
    return name if name in kinds()[kind].module_dict else None
