"""What a class or a function is known by: its name, its place in the code, its identity."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

__all__ = ["identity", "name_of", "needs_nothing", "place"]


def name_of(make: Any) -> str:
    """Return what a reader knows the callable by."""
    while isinstance(make, partial):
        make = make.func
    return getattr(make, "__name__", None) or repr(make)


def identity(item: Any) -> tuple[str, str] | int:
    """What makes two objects the same entry: module and qualified name, where they have one."""
    if isinstance(item, partial):
        return (str(identity(item.func)), repr((item.args, item.keywords)))
    name = getattr(item, "__qualname__", "<lambda>")
    return id(item) if "<lambda>" in name else (item.__module__, name)


def place(item: Any) -> str:
    """Say where an object was defined, with file and line where they are known."""
    if isinstance(item, partial):
        return f"a partial of {place(item.func)}"
    name = f"{getattr(item, '__module__', '?')}.{getattr(item, '__qualname__', repr(item))}"
    try:
        file = inspect.getsourcefile(item)
        line = inspect.getsourcelines(item)[1]
    except (TypeError, OSError):
        return name
    return f"{name} ({file}:{line})"


def needs_nothing(method: Any) -> bool:
    """Whether a function of a class can be called as a method without an argument."""
    return not any(
        each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        for each in list(inspect.signature(method).parameters.values())[1:]
    )
