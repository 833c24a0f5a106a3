"""What the builder says, in the reader's language."""

from __future__ import annotations

from brickbook.texts import Texts

__all__ = ["say"]


def say(key: str, **words: object) -> str:
    """Return a text of the builder with its names filled in.

    Raises KeyError for an unknown key.
    """
    return Texts()(f"builder.{key}", **words)
