"""A blueprint in rows: each brick with its output shape, its costs, and what does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from brickbook.blueprint import (
    Blueprint,
    Fault,
    Path,
    chains_in,
    format_shape,
    has_open_arguments,
    resolve,
    slots_in,
)
from brickbook.blueprint.build import KnownArgs
from brickbook.blueprint.trace import Trace
from brickbook.bricks.transformer import FeedForward, MultiheadAttention
from brickbook.config import signature_of, to_literal, unwrap_partial
from brickbook.errors import ConfigError
from brickbook.html import format_count
from brickbook.i18n import Texts
from brickbook.lab.builder.words import builder_text

__all__ = ["BrickRow", "Preview", "container_of", "preview", "type_name"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class BrickRow:
    """One row of the list: a brick, or a slot for bricks in one that has several.

    ``number`` is the brick's position as people count (``"4.2"``), ``level`` how deep it stands, 1
    at the top. A container has bricks inside, or may have some. Shapes are those of one sample.
    ``error`` is the message, ``key`` the argument it is about (``"norm_cfg.type"``), ``""`` for
    the brick as a whole. ``missing`` are the arguments that it still needs, ``inferred`` the sizes
    found from its input; without that input its parameters are not ``counted``.
    """

    path: Path
    kind: str
    number: str
    level: int = 1
    is_brick: bool = True
    is_container: bool = False
    arguments: str = ""
    input: Shape | None = None
    output: Shape | None = None
    params: int = 0
    macs: int = 0
    error: str = ""
    key: str = ""
    missing: tuple[str, ...] = ()
    inferred: Mapping[str, int] = field(default_factory=dict)
    counted: bool = True


@dataclass(frozen=True)
class Preview:
    """The rows in order, with shapes up to the first brick that does not fit."""

    input: Shape
    rows: tuple[BrickRow, ...] = ()
    output: Shape | None = None
    params: int = 0
    macs: int = 0
    known_args: KnownArgs = field(default_factory=dict)

    @property
    def fits(self) -> bool:
        """True if an input goes through the whole model."""
        return not any(row.error for row in self.rows)

    @property
    def bricks(self) -> list[BrickRow]:
        """The rows that are bricks."""
        return [row for row in self.rows if row.is_brick]

    def row_at(self, path: Path) -> BrickRow:
        """Return the row of a brick or a slot."""
        return next(row for row in self.rows if row.path == path)

    def shape_before(self, path: Path) -> Shape | None:
        """Return the shape that a brick at ``path`` gets, or would get; None if it is not known."""
        *chain, last = path
        if isinstance(last, int) and last > 0:
            previous = (*chain, last - 1)
            return next((row.output for row in self.rows if row.path == previous), None)
        container = container_of(path)
        if not container:
            return self.input
        return next((row.input for row in self.rows if row.path == container), None)

    def summary(self) -> str:
        """Return the sums in a sentence, or which brick does not fit."""
        if not self.rows:
            return builder_text("empty")
        count = len(self.bricks)
        words = {"bricks": builder_text("bricks", n=count), "params": f"{self.params:,}"}
        faulty = next((row for row in self.rows if row.error), None)
        if faulty is not None:
            return builder_text(
                "needs" if faulty.missing else "misfit", brick=faulty.number, **words
            )
        shapes = {"input": format_shape(self.input), "output": format_shape(self.output)}
        return builder_text("sum", macs=format_count(self.macs), **shapes, **words)


def preview(blueprint: Blueprint, input_shape: Shape) -> Preview:
    """Run the bricks on the meta device and return them in rows."""
    found = blueprint.trace(input_shape)
    rows = tuple(rows_of_chain(blueprint.bricks, (), found))
    known = found.known_args
    return Preview(tuple(input_shape), rows, found.output, found.params, found.macs, known)


def rows_of_chain(
    chain: Sequence[Any], path: Path, trace: Trace, level: int = 1, prefix: str = ""
) -> Iterator[BrickRow]:
    """Yield the rows of a chain; ``prefix`` stands before the numbers of its bricks."""
    for at, cfg in enumerate(chain):
        here, number = (*path, at), f"{prefix}{at + 1}"
        slots = slots_in(cfg)
        yield brick_row(cfg, here, trace, level, number, bool(slots))
        inside = chains_in(cfg, slots, here)
        several = len(slots) > 1 or "chains" in slots.values()
        for index, (place, bricks) in enumerate(inside):
            name = place[-1]
            word = name if isinstance(name, str) else str(name + 1)
            own = f"{number}.{word}." if index or not isinstance(name, str) else f"{number}."
            if several:
                yield slot_row(place, bricks, level + 1, own.rstrip("."))
            yield from rows_of_chain(bricks, place, trace, level + 1 + several, own)


def brick_row(
    cfg: Mapping[str, Any], path: Path, trace: Trace, level: int, number: str, is_container: bool
) -> BrickRow:
    """Return the row of one brick."""
    row = trace.rows[path]
    fault = row.fault or Fault("")
    return BrickRow(
        path,
        type_name(cfg.get("type")),
        number,
        level,
        is_container=is_container,
        arguments=", ".join(filter(None, (arguments_text(cfg), identity_text(cfg)))),
        input=row.input,
        output=row.output,
        params=row.params,
        macs=row.macs,
        error=Texts().translate(fault.text),
        key=fault.key,
        missing=fault.missing,
        inferred=row.inferred,
        counted=row.state == "ok" or not has_open_arguments(cfg),
    )


def slot_row(path: Path, bricks: Sequence[Any], level: int, number: str) -> BrickRow:
    """Return the row of a slot for bricks."""
    key = path[-1]
    kind = key if isinstance(key, str) else builder_text("branch", number=key + 1)
    arguments = "" if bricks else builder_text("through")
    return BrickRow(path, kind, number, level, False, is_container=True, arguments=arguments)


def container_of(path: Path) -> Path:
    """Return the path of the brick around what is at ``path``; () at the top.

    >>> container_of((2, "branches", 1, 0)), container_of((2,))
    ((2,), ())
    """
    names = [at for at, key in enumerate(path) if isinstance(key, str)]
    return path[: names[-1]] if names else ()


def arguments_text(cfg: Mapping[str, Any]) -> str:
    """Write a brick's arguments short: the required ones bare, of sub-configs the type."""
    needed, inside = required_arguments(cfg), slots_in(cfg)
    keys = [*(key for key in needed if key in cfg), *(key for key in cfg if key not in needed)]
    words = []
    for key in keys:
        if key == "type" or key in inside:
            continue
        value = cfg[key]
        inner = value.get("type") if isinstance(value, Mapping) else None
        word = type_name(inner) if inner is not None else to_literal(value)
        words.append(word if key in needed else f"{key}={word}")
    return ", ".join(words)


def identity_text(cfg: Mapping[str, Any]) -> str:
    """Say that a brick adds its input by itself, as attention and feed-forward networks do."""
    try:
        make = unwrap_partial(resolve(cfg.get("type"))[1])
    except ConfigError:
        return ""
    if not isinstance(make, type) or not issubclass(make, (MultiheadAttention, FeedForward)):
        return ""
    keeps_it = cfg.get("add_identity", cfg.get("add_residual", True))
    return builder_text("own identity") if keeps_it else ""


def required_arguments(cfg: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the arguments that a brick must have, none for an unknown type."""
    try:
        return signature_of(resolve(cfg.get("type"))[1]).required
    except ConfigError:
        return ()


def type_name(kind: object) -> str:
    """Return the name that a ``type`` goes by."""
    return kind if isinstance(kind, str) else getattr(kind, "__name__", repr(kind))
