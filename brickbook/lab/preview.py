"""What a blueprint would be: per brick its output shape, its costs, and what does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from brickbook.arguments import parameters
from brickbook.blueprint import Blueprint, resolve
from brickbook.blueprint.building import leaves_open, slots_in
from brickbook.blueprint.traces import Trace
from brickbook.blueprint.tree import Path, chains_in
from brickbook.blueprint.wording import Fault, shape_text
from brickbook.errors import ConfigError
from brickbook.lab.builder_texts import say
from brickbook.literals import spell
from brickbook.markup import count_text

__all__ = ["BrickRow", "Preview", "holder_of", "preview", "shape_text"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class BrickRow:
    """One line of the list: a brick, or a place for bricks in one that has several.

    ``number`` is the brick's place as people count (``"4.2"``), ``level`` how deep it stands, 1 at
    the top. ``holds`` says that there are or may be bricks inside. Shapes are those of one sample.
    ``error`` is the message, ``key`` the argument it is about (``"norm_cfg.type"``), ``""`` for
    the brick as a whole. ``missing`` are the arguments that it still needs, ``found`` those that
    its input says; without that input its parameters are not ``counted``.
    """

    path: Path
    kind: str
    number: str
    level: int = 1
    is_brick: bool = True
    holds: bool = False
    arguments: str = ""
    input: Shape | None = None
    output: Shape | None = None
    params: int = 0
    macs: int = 0
    error: str = ""
    key: str = ""
    missing: tuple[str, ...] = ()
    found: Mapping[str, int] = field(default_factory=dict)
    counted: bool = True


@dataclass(frozen=True)
class Preview:
    """The lines in order, with shapes up to the first brick that does not fit."""

    input: Shape
    rows: tuple[BrickRow, ...] = ()
    output: Shape | None = None
    params: int = 0
    macs: int = 0

    @property
    def fits(self) -> bool:
        """True if an input goes through the whole model."""
        return not any(row.error for row in self.rows)

    @property
    def bricks(self) -> list[BrickRow]:
        """The lines that are bricks."""
        return [row for row in self.rows if row.is_brick]

    def at(self, path: Path) -> BrickRow:
        """Return the line of a brick or a place."""
        return next(row for row in self.rows if row.path == path)

    def before(self, path: Path) -> Shape | None:
        """Return the shape that a brick at ``path`` gets, or would get; None if it is not known."""
        *above, last = path
        if isinstance(last, int) and last > 0:
            ahead = (*above, last - 1)
            return next((row.output for row in self.rows if row.path == ahead), None)
        holder = holder_of(path)
        if not holder:
            return self.input
        return next((row.input for row in self.rows if row.path == holder), None)

    def summary(self) -> str:
        """Say the whole in a line."""
        if not self.rows:
            return say("empty")
        count = len(self.bricks)
        words = {"bricks": say("bricks", n=count), "params": f"{self.params:,}"}
        faulty = next((row for row in self.rows if row.error), None)
        if faulty is not None:
            return say("needs" if faulty.missing else "misfit", brick=faulty.number, **words)
        shapes = {"input": shape_text(self.input), "output": shape_text(self.output)}
        return say("sum", macs=count_text(self.macs), **shapes, **words)


def preview(blueprint: Blueprint, input_shape: Shape) -> Preview:
    """Run the bricks on the meta device, and set them in lines."""
    found = blueprint.trace(input_shape)
    rows = tuple(lines(blueprint.bricks, (), found))
    return Preview(tuple(input_shape), rows, found.output, found.params, found.macs)


def lines(
    chain: Sequence[Any], path: Path, found: Trace, level: int = 1, prefix: str = ""
) -> Iterator[BrickRow]:
    """Yield the lines of a chain; ``prefix`` stands before the numbers of its bricks."""
    for at, cfg in enumerate(chain):
        here, number = (*path, at), f"{prefix}{at + 1}"
        slots = slots_in(cfg)
        yield brick_line(cfg, here, found, level, number, bool(slots))
        inside = chains_in(cfg, slots, here)
        several = len(slots) > 1 or "chains" in slots.values()
        for index, (place, bricks) in enumerate(inside):
            name = place[-1]
            word = name if isinstance(name, str) else str(name + 1)
            own = f"{number}.{word}." if index or not isinstance(name, str) else f"{number}."
            if several:
                yield place_line(place, bricks, level + 1, own.rstrip("."))
            yield from lines(bricks, place, found, level + 1 + several, own)


def brick_line(
    cfg: Mapping[str, Any], path: Path, found: Trace, level: int, number: str, holds: bool
) -> BrickRow:
    """Return the line of one brick."""
    row = found.rows[path]
    fault = row.fault or Fault("")
    return BrickRow(
        path, name_of(cfg.get("type")), number, level, True, holds, arguments_text(cfg), row.input,
        row.output, row.params, row.macs, fault.text, fault.key, fault.missing, row.found,
        row.state == "ok" or not leaves_open(cfg),
    )  # fmt: skip


def place_line(path: Path, bricks: Sequence[Any], level: int, number: str) -> BrickRow:
    """Return the line of a place for bricks."""
    key = path[-1]
    kind = key if isinstance(key, str) else say("branch", number=key + 1)
    return BrickRow(path, kind, number, level, False, True, "" if bricks else say("through"))


def holder_of(path: Path) -> Path:
    """Return the path of the brick that holds what is at ``path``; () at the top.

    >>> holder_of((2, "branches", 1, 0)), holder_of((2,))
    ((2,), ())
    """
    names = [at for at, key in enumerate(path) if isinstance(key, str)]
    return path[: names[-1]] if names else ()


def arguments_text(cfg: Mapping[str, Any]) -> str:
    """Write a brick's arguments short: the required ones bare, of sub-configs the type."""
    needed, inside = required_of(cfg), slots_in(cfg)
    keys = [*(key for key in needed if key in cfg), *(key for key in cfg if key not in needed)]
    words = []
    for key in keys:
        if key == "type" or key in inside:
            continue
        value = cfg[key]
        inner = value.get("type") if isinstance(value, Mapping) else None
        word = name_of(inner) if inner is not None else spell(value)
        words.append(word if key in needed else f"{key}={word}")
    return ", ".join(words)


def required_of(cfg: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the arguments that a brick must have, none for an unknown type."""
    try:
        return parameters(resolve(cfg.get("type"))[1]).required
    except ConfigError:
        return ()


def name_of(kind: object) -> str:
    """Return the name that a ``type`` goes by."""
    return kind if isinstance(kind, str) else getattr(kind, "__name__", repr(kind))
