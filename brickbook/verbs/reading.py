"""What stands in a line, a file or a cell: configs, shapes, ``KEY=VALUE``. Nothing is run."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from textwrap import dedent
from typing import Any

from brickbook.errors import BadValueError, MissingFileError
from brickbook.literals import is_plain_word, literal

__all__ = ["argument", "cell_config", "inline", "read_config", "shape_of"]

DEEP = (RecursionError, MemoryError)  # a thousand brackets


def read_config(file: str) -> Any:
    """Read a file with JSON or a Python literal, in which ``dict(...)`` may stand."""
    path = Path(file).expanduser()
    try:
        told = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadValueError(file, "is no text in UTF-8.") from None
    except OSError as error:
        raise MissingFileError(file, f"{error.strerror}.") from None
    value, why = parsed(told)
    if why:
        raise BadValueError(file, f"neither JSON ({why[0]}) nor a Python literal.")
    return value


def cell_config(body: str) -> Any:
    """Read the body of a cell: JSON or a Python literal, also ``name = …``; comments are fine."""
    if not body.strip():
        raise BadValueError("the cell", "holds no config.")
    value, why = parsed(body)
    if why:
        problem = f"neither a Python literal ({why[1]}) nor JSON ({why[0]})."
        raise BadValueError("the cell", problem)
    return value


def inline(word: str) -> Any:
    """Read a config that stands in the line itself; None if the word is not one."""
    if not word.lstrip().startswith(("dict(", "{", "[")):
        return None
    value, why = parsed(word)
    if why:
        raise BadValueError(word, f"is no Python literal ({why[1]}).")
    return value


def parsed(told: str) -> tuple[Any, tuple[str, str] | None]:
    """Return the value of a text, or why it is neither JSON nor a Python literal."""
    try:
        return json.loads(told), None
    except (json.JSONDecodeError, *DEEP) as error:
        no_json = str(error)
    try:
        return literal(right_side(told)), None
    except SyntaxError as error:
        place = f"line {error.lineno}: " if error.lineno and "\n" in told else ""
        return None, (no_json, f"{place}{error.msg}")
    except (ValueError, *DEEP) as error:
        # ast names the node by its address: what it is says more, and the same each time.
        told = str(error)
        told = "it holds a name or a call" if told.startswith("malformed node") else told
        return None, (no_json, told)


def right_side(told: str) -> str:
    """Return what stands right of ``name =``, or all of a text that is no such line."""
    told = dedent(told).strip()
    lines = ast.parse(told).body
    if len(lines) > 1:
        raise ValueError(f"expected one config, found {len(lines)} statements")
    only = lines[0] if lines else None
    if isinstance(only, ast.Assign) and all(isinstance(one, ast.Name) for one in only.targets):
        return ast.get_source_segment(told, only.value) or told
    return told


def argument(word: str) -> tuple[str, Any]:
    """Read ``key=value``."""
    key, equals, value = word.partition("=")
    if not equals:
        raise BadValueError("--set", f"expected KEY=VALUE, got {word!r}.")
    try:
        return key, value if is_plain_word(value) else literal(value)
    except (ValueError, SyntaxError):
        return key, value


def shape_of(word: str, option: str = "--input") -> tuple[int, ...]:
    """Read an input shape: ``3,32,32`` or ``3x32x32``; ValueError if a size is not 1 or more."""
    sizes = [size.strip() for size in word.replace("x", ",").split(",") if size.strip()]
    if not all(size.isdecimal() and int(size) for size in sizes):
        raise BadValueError(option, f"expected numbers like 3,32,32, got {word!r}.")
    return tuple(map(int, sizes))
