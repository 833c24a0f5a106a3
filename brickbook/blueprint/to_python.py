"""A blueprint as Python that runs as it is pasted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from brickbook.blueprint.tree import FindSlots, Path, as_chain, format_path
from brickbook.config import is_python, to_literal, to_quoted_literal
from brickbook.errors import BadValueError

__all__ = ["write_config", "write_python"]

INDENT = "    "
WIDTH = 100


def write_python(
    bricks: Sequence[Any], slots: FindSlots, name: str, input_shape: Sequence[int] | None = None
) -> str:
    """Return Python that builds the bricks under ``name``; each brick stands on its own line.

    Raises:
        ValueError: A value has no Python text, such as a partial.
    """
    lines, imports = write_bricks(bricks, slots)
    shape = "" if input_shape is None else f"input_shape={tuple(input_shape)!r}"
    head = ("from brickbook import Blueprint", *imports, "")
    return "\n".join((*head, f"{name} = Blueprint((", *lines, f")).build({shape})", ""))


def write_config(bricks: Sequence[Any], slots: FindSlots, name: str) -> str:
    """Return Python that gives the bricks, as a list of dicts, the name ``name``.

    Raises:
        ValueError: A value has no Python text, such as a partial.
    """
    lines, imports = write_bricks(bricks, slots)
    head = (*imports, "") if imports else ()
    return "\n".join((*head, f"{name} = [", *lines, "]", ""))


def write_bricks(bricks: Sequence[Any], slots: FindSlots) -> tuple[list[str], list[str]]:
    """Return the lines of bricks, and the imports that these need."""
    lines = [line for at, cfg in enumerate(bricks) for line in brick_lines(cfg, slots, (at,), 1)]
    classes = {kind for brick in bricks for kind in classes_of(brick)}
    imports = sorted(
        f"from {kind.__module__} import {kind.__name__}"
        for kind in classes
        if kind.__module__ not in ("__main__", "builtins")  # they are there already
    )
    if any("torch." in line for line in lines):
        imports.insert(0, "import torch")
    return lines, imports


def brick_lines(cfg: Any, slots: FindSlots, path: Path, depth: int) -> list[str]:
    """Write a brick: one line, or more where it holds bricks."""
    indent = INDENT * depth
    inside = slots(cfg) if isinstance(cfg, Mapping) else {}
    if not any(as_chain(cfg.get(key)) for key in inside):
        line = f"{indent}{to_literal(cfg)},"
        if not is_python(line):
            problem = f"cannot be written as Python: {line.strip()}"
            raise BadValueError(format_path(path), problem)
        return [line]
    lines = [f"{indent}dict("]
    for key, value in cfg.items():
        here = (*path, key)
        if key not in inside or not as_chain(value):
            lines += value_line(key, value, here, depth + 1)
        elif inside[key] == "chains":
            lines += [f"{indent}{INDENT}{key}=["]
            for at, chain in enumerate(as_chain(value)):
                lines += chain_lines("", chain, slots, (*here, at), depth + 2)
            lines += [f"{indent}{INDENT}],"]
        else:
            lines += chain_lines(f"{key}=", value, slots, here, depth + 1)
    return [*lines, f"{indent}),"]


def value_line(key: str, value: Any, path: Path, depth: int) -> list[str]:
    """Write an argument that holds no bricks."""
    line = f"{INDENT * depth}{key}={to_quoted_literal(value)},"
    if not is_python(f"dict({line.strip()})"):
        raise BadValueError(format_path(path), f"cannot be written as Python: {line.strip()}")
    return [line]


def chain_lines(head: str, chain: Any, slots: FindSlots, path: Path, depth: int) -> list[str]:
    """Write bricks that run one after the other."""
    indent, parts = INDENT * depth, as_chain(chain)
    if not parts:
        return [f"{indent}{head}[],"]
    bricks = [brick_lines(cfg, slots, (*path, at), depth + 1) for at, cfg in enumerate(parts)]
    lines = [line for brick in bricks for line in brick]
    alone = f"{indent}{head}[{lines[0].strip().removesuffix(',')}],"
    if len(lines) == 1 and len(alone) <= WIDTH:
        return [alone]
    return [f"{indent}{head}[", *lines, f"{indent}],"]


def classes_of(value: Any) -> Iterator[type]:
    """Yield the classes that a config holds, at any depth."""
    if isinstance(value, type):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from classes_of(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from classes_of(part)
