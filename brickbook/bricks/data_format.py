"""Where a tensor has its channels, as layers are told."""

from __future__ import annotations

from typing import Literal

from brickbook.errors import CheckError

__all__ = ["DataFormat", "check_format"]

DataFormat = Literal["channels_first", "channels_last"]  # (N, C, ...) and (N, ..., C)


def check_format(data_format: object) -> None:
    """Raise AssertionError for a word that is none of the two."""
    if data_format not in ("channels_first", "channels_last"):
        raise CheckError(
            "data_format", f"expected 'channels_first' or 'channels_last', got {data_format!r}."
        )
