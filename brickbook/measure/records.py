"""Records from JSON: the keys are checked, lists become tuples again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from brickbook.errors import BadArgumentError, MissingKeyError, nearest

__all__ = ["read"]


def read(cls: type, data: object, path: str) -> dict[str, Any]:
    """Return the arguments of a dataclass as ``data`` gives them; ``path`` names it in errors.

    Raises:
        BadArgumentError: ``data`` is no mapping, or has a key that is no field.
        MissingKeyError: a field is missing.
    """
    if not isinstance(data, Mapping):
        raise BadArgumentError(path, f"expected a mapping, got {data!r}.")
    names = [field.name for field in fields(cls) if field.init]
    for key in data:
        if key not in names:
            raise BadArgumentError(
                f"{path}.{key}", f"{cls.__name__} has no such field.", nearest(key, names)
            )
    for name in names:
        if name not in data:
            raise MissingKeyError(f"{path}.{name}", f"{cls.__name__} needs it.")
    return {name: frozen(data[name]) for name in names}


def frozen(value: Any) -> Any:
    """The value with lists turned into tuples, at every depth."""
    return tuple(frozen(item) for item in value) if isinstance(value, list) else value
