"""The texts of the builder, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brickbook.i18n import Texts

__all__ = ["builder_text", "shortcut_text"]


def builder_text(key: str, **values: object) -> str:
    """Return a text of the builder with its values filled in.

    Raises:
        KeyError: The key is unknown.
    """
    return Texts()(f"builder.{key}", **values)


def shortcut_text(projection: Sequence[Mapping[str, Any]] | None) -> str:
    """Return what stands on the button that adds a shortcut, None for one that does not fit."""
    if not projection:
        return builder_text("Shortcut")
    cfg = projection[0]
    size = "1×1" if "kernel_size" in cfg else str(cfg["out_features"])
    words = f"{cfg['type']} {size}"
    if "stride" in cfg:
        words = builder_text("shortcut.stride", layer=words, stride=cfg["stride"])
    return builder_text("shortcut.through", layer=words)
