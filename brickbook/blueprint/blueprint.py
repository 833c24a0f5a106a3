"""The model under construction, as a value: every edit returns a new blueprint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from brickbook.blueprint.build import (
    KnownArgs,
    ModelBuilder,
    config_holding,
    has_open_arguments,
    slots_in,
)
from brickbook.blueprint.to_python import write_config, write_python
from brickbook.blueprint.tree import (
    Key,
    Path,
    as_chain,
    as_path,
    chains_in,
    format_path,
    insert_at,
    node_at,
    normalize_chain,
    remove_at,
    replace_at,
    walk,
)
from brickbook.config import check_parts, copy_config
from brickbook.errors import BadArgumentError, ConfigError
from brickbook.modules import Sequential
from brickbook.registry import Config, split_type

if TYPE_CHECKING:
    from brickbook.blueprint.trace import Trace

__all__ = ["Blueprint"]

Position = int | Sequence[Key]


@dataclass(frozen=True)
class Blueprint:
    """A tree of bricks, each a config dict; nothing is built before `build`.

    The bricks run one after the other; a list among them is a Sequential. A brick may hold bricks:
    ``dict(type="Residual", body=[…])``. Its place is a number, or a path: ``(2, "body", 0)`` is
    the first brick that the third holds as its body. Negative numbers count from the end.

    ``in_channels``, ``in_features``, ``num_features``, ``num_channels`` and ``normalized_shape``
    may be left out (or ``"auto"``): `build` finds them from the shape of the input.

    >>> net = Blueprint().append(dict(type=nn.Linear, out_features=2))
    >>> net.build(input_shape=(4,))[0]
    Linear(in_features=4, out_features=2, bias=True)
    """

    bricks: tuple[Config, ...] = ()

    def __post_init__(self) -> None:
        """Write lists among the bricks as Sequentials."""
        check_parts(self.bricks, "bricks")
        object.__setattr__(self, "bricks", normalize_chain(self.bricks, slots_in))

    def __len__(self) -> int:
        return len(self.bricks)

    def __getitem__(self, at: Position) -> Any:
        """Return the config at a place, or the list of configs that a brick holds there."""
        return node_at(self.bricks, as_path(at))

    def walk(self) -> Iterator[tuple[Path, Config]]:
        """Yield every brick with its path, a brick before those in it."""
        return walk(self.bricks, slots_in)

    def insert(self, at: Position, cfg: Config | Sequence[Config]) -> Blueprint:
        """Return a blueprint with ``cfg`` before what is at ``at`` now."""
        return Blueprint(insert_at(self.bricks, as_path(at), copy_config(cfg)))

    def append(self, cfg: Config) -> Blueprint:
        """Return a blueprint with ``cfg`` at the end."""
        return self.insert(len(self), cfg)

    def remove(self, at: Position) -> Blueprint:
        """Return a blueprint without what is at ``at``; IndexError if there is nothing."""
        return Blueprint(remove_at(self.bricks, as_path(at)))

    def replace(self, at: Position, cfg: Config | Sequence[Config]) -> Blueprint:
        """Return a blueprint with ``cfg`` in the place of what is at ``at``."""
        return self.put(at, [copy_config(cfg)])

    def put(self, at: Position, new: Sequence[Any]) -> Blueprint:
        """Return a blueprint with these very configs in the place of what is at ``at``."""
        return Blueprint(replace_at(self.bricks, as_path(at), new))

    def move(self, at: Position, to: Position) -> Blueprint:
        """Return a blueprint with what is at ``at`` taken out and put in again at ``to``.

        ``to`` is a place in the tree without it; IndexError if there is none.
        """
        value, rest = self[at], remove_at(self.bricks, as_path(at))
        *above, last = as_path(to)
        if isinstance(last, int):
            last = range(len(as_chain(node_at(rest, tuple(above)))) + 1)[last]
        return Blueprint(insert_at(rest, (*above, last), value))

    def duplicate(self, at: Position) -> Blueprint:
        """Return a blueprint with what is at ``at`` twice in a row."""
        *above, last = as_path(at)
        if isinstance(last, int):
            last = range(len(as_chain(node_at(self.bricks, tuple(above)))))[last]
        return self.insert((*above, last), self[at])

    def wrap(self, at: Position, kind: object = "Sequential", count: int = 1) -> Blueprint:
        """Return a blueprint with ``count`` bricks from ``at`` on in a new brick that holds them.

        ``kind`` is a type that holds bricks: Sequential, Residual, Repeat, Concat.
        """
        *above, first = as_path(at)
        chain = as_chain(node_at(self.bricks, tuple(above)))
        if not isinstance(first, int):
            raise BadArgumentError("at", f"expected the place of a brick, got {at!r}.")
        first = range(len(chain))[first]
        new = config_holding(kind, list(chain[first : first + count]))
        rest = self.bricks
        for _ in range(min(count, len(chain) - first)):
            rest = remove_at(rest, (*above, first))
        return Blueprint(insert_at(rest, (*above, first), new))

    def unwrap(self, at: Position) -> Blueprint:
        """Return a blueprint with the bricks that one holds in its place, all in a row."""
        cfg = self[at]
        slots = slots_in(cfg) if isinstance(cfg, Mapping) else {}
        if not slots:
            raise BadArgumentError("at", f"{format_path(as_path(at))} holds no bricks.")
        return self.put(at, [brick for _, chain in chains_in(cfg, slots, ()) for brick in chain])

    def build_brick(self, at: Position, known_args: KnownArgs | None = None) -> nn.Module:
        """Build the brick at ``at`` alone; an error's path starts with that of the brick."""
        return ModelBuilder(known_args).build_brick(self[at], as_path(at))

    def build(self, input_shape: Sequence[int] | None = None) -> Sequential:
        """Build the model: its bricks in a `Sequential`, in order.

        With ``input_shape``, that of one sample without the batch, arguments that were left out are
        found.

        Raises:
            BadValueError: With ``input_shape``, a brick does not fit; with its path and both
                shapes.
        """
        if input_shape is None:
            return ModelBuilder().build_chain(self.bricks, ())
        found = self.trace(input_shape)
        if found.fault is not None:
            self.raise_fault(found.fault.path, found.known_args)
        found.check()
        return ModelBuilder(found.known_args).build_chain(self.bricks, ())

    def raise_fault(self, path: Path, known_args: KnownArgs) -> None:
        """Raise the error of a brick that cannot be built, not only its words."""
        try:
            with torch.device("meta"):
                self.build_brick(path, known_args)
        except ConfigError:
            raise
        except Exception:  # the run has said it, with the place
            return

    def trace(self, input_shape: Sequence[int]) -> Trace:
        """Say each brick's shapes, parameters and multiply-adds, without memory or arithmetic.

        The first call of a process takes a second, in which torch loads its meta kernels.
        """
        from brickbook.blueprint.trace import trace  # with torch's counter: only when needed

        return trace(self.bricks, input_shape)

    def filled(self, input_shape: Sequence[int]) -> Blueprint:
        """Return a blueprint that says the arguments that were left out, as far as they are known.

        A brick that is another one each time it is repeated goes on leaving them out.
        """
        made = self
        for path, turns in self.trace(input_shape).known_args.items():
            if turns and turns[0] and all(found == turns[0] for found in turns):
                cfg = made[path]
                kind, more = {"type": cfg["type"]}, dict(turns[0])
                made = made.put(
                    path, [kind | more | {k: v for k, v in cfg.items() if k not in more}]
                )
        return made

    @property
    def open(self) -> tuple[Path, ...]:
        """The bricks that leave arguments to be found."""
        return tuple(path for path, cfg in self.walk() if has_open_arguments(cfg))

    def to_python(self, name: str = "model", input_shape: Sequence[int] | None = None) -> str:
        """Return Python that builds the same model when it is run.

        Raises:
            ValueError: A value has no Python text, such as a partial.
        """
        return write_python(self.bricks, slots_in, name, input_shape)

    def to_config_source(self, name: str = "bricks") -> str:
        """Return Python that gives the bricks, as a list of dicts, a name.

        Raises:
            ValueError: A value has no Python text, such as a partial.
        """
        return write_config(self.bricks, slots_in, name)

    def to_json(self) -> str:
        """Return the bricks as JSON text; tuples become lists."""
        return json.dumps([dict(brick) for brick in self.bricks], indent=2, default=reject_json)

    @classmethod
    def from_json(cls, text: str) -> Blueprint:
        """Read what `to_json` wrote: a list of objects with a ``type``."""
        return cls.from_config(json.loads(text))

    @classmethod
    def from_config(cls, cfg: object) -> Blueprint:
        """Take a brick's config or a list of them; a list in a list is a Sequential."""
        parts = [cfg] if isinstance(cfg, Mapping) else cfg
        if not isinstance(parts, (list, tuple)):
            raise BadArgumentError("cfg", f"expected a dict or a list of dicts, got {cfg!r}.")
        made = cls(tuple(copy_config(part) for part in parts))
        for path, brick in made.walk():
            split_type(brick, format_path(path))
        return made


def reject_json(value: object) -> object:
    """Say what JSON cannot hold."""
    raise BadArgumentError("bricks", f"{value!r} cannot be written as JSON; Python can hold it.")
