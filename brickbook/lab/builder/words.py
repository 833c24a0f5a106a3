"""The texts of the builder, in the reader's language."""

from __future__ import annotations

from brickbook.i18n import Texts

__all__ = ["builder_text"]


def builder_text(key: str, **values: object) -> str:
    """Return a text of the builder with its values filled in.

    Raises:
        KeyError: The key is unknown.
    """
    return Texts()(f"builder.{key}", **values)
