"""The builder without its controls: a blueprint, what is chosen, and the way back."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from brickbook.blueprint import kinds, resolve
from brickbook.blueprint.building import slots_in
from brickbook.blueprint.sizes import check_sizes
from brickbook.blueprint.tree import Path, chain_of, path_text
from brickbook.errors import BadValueError, UnknownNameError, nearest
from brickbook.lab.builder_choice import Choice
from brickbook.lab.builder_moves import (
    Moved,
    branched,
    deleted,
    doubled,
    lifted,
    moved,
    shifted,
    sunk,
    unwrapped,
    wrapped,
)
from brickbook.lab.builder_places import (
    Where,
    end_inside,
)
from brickbook.lab.preview import Preview, preview
from brickbook.lab.retyping import retyped
from brickbook.lab.starting import suggest
from brickbook.literals import literal
from brickbook.modules import Sequential

__all__ = ["EDITS", "BuilderState", "parse_shape"]


@dataclass(frozen=True)
class BuilderState(Choice):
    """What the builder shows; every edit returns a new state.

    ``selected`` is the path of the chosen brick, or of a place for bricks such as a branch; ()
    if there is nothing. A path that leads nowhere becomes that of something near. ``anchor`` is
    the other end of a choice of several neighbours. ``input_shape`` is that of one sample, without
    the batch. ``folded`` are the bricks whose insides are not shown. ``past`` and ``future`` are
    the blueprints that `undo` and `redo` go to.

    >>> state = BuilderState().add("model", "Flatten").add("model", "Linear")
    >>> state.blueprint.bricks
    ({'type': 'Flatten'}, {'type': 'Linear', 'out_features': 10})
    >>> state.apply("undo").blueprint.bricks
    ({'type': 'Flatten'},)
    """

    input_shape: tuple[int, ...] = (3, 32, 32)
    name: str = "model"

    def apply(self, edit: str, *args: Any) -> BuilderState:
        """Make an edit by its name, one of `EDITS`. Raises KeyError for an unknown one."""
        if edit not in EDITS:
            raise UnknownNameError("edit", f"there is no edit {edit!r}.", nearest(edit, EDITS))
        return EDITS[edit](self, *args)

    def spot(self, where: Where = "after") -> Path:
        """Return where a new brick goes."""
        if not self.selected:
            return (0,)
        if self.chosen is None:
            chain = chain_of(self.blueprint[self.selected])
            return (*self.selected, 0 if where == "before" else len(chain))
        above, first, count = self.run
        inside = end_inside(self.blueprint, self.selected) if where == "inside" else None
        return inside or (*above, first if where == "before" else first + count)

    def add(self, kind: str, name: str, where: Where = "after") -> BuilderState:
        """Put a new brick after the chosen one, before it or in it, with arguments that fit there.

        Raises UnknownNameError if the registry of that kind does not know the name.
        """
        registry = kinds()[kind]
        make = registry.get(name)
        if make is None:
            raise UnknownNameError(
                "type", f"{name} is not in the {registry.name} registry.",
                nearest(name, registry.module_dict),
            )  # fmt: skip
        at = self.spot(where)
        cfg = {"type": word_for(kind, name), **suggest(make, self.preview().before(at))}
        return self.edit(self.blueprint.insert(at, cfg), at)

    def change(self, arguments: Mapping[str, Any]) -> BuilderState:
        """Give the chosen brick other arguments; what it holds stays."""
        if self.chosen is None:
            return self
        held = {key: self.chosen[key] for key in slots_in(self.chosen) if key in self.chosen}
        cfg = {"type": self.chosen["type"], **arguments, **held}
        return self.edit(self.blueprint.put(self.selected, [cfg]), self.selected)

    def retype(self, kind: str, name: str) -> BuilderState:
        """Make a brick of another type of the chosen one, with the arguments that fit it."""
        if self.chosen is None:
            return self
        word = word_for(kind, name) if kind != "class" else self.chosen["type"]
        make = resolve(word)[1]
        cfg = retyped(self.chosen, word, make, self.preview().before(self.selected))
        return self.edit(self.blueprint.put(self.selected, [cfg]), self.selected)

    def go(self, moved: Moved | None) -> BuilderState:
        """Take what an edit of the tree gave, if it could be made."""
        return self if moved is None else self.edit(*moved)

    def duplicate(self) -> BuilderState:
        """Put a copy of the chosen bricks after them."""
        named = not self.selected or isinstance(self.selected[-1], str)
        return self.go(None if named else doubled(self.blueprint, self.run))

    def up(self) -> BuilderState:
        """Move the chosen bricks one place to the front; at the front of a chain, out of it."""
        return self.go(shifted(self.blueprint, self.run, -1) if self.chosen else None)

    def down(self) -> BuilderState:
        """Move the chosen bricks one place to the end; at the end of a chain, out of it."""
        return self.go(shifted(self.blueprint, self.run, 1) if self.chosen else None)

    def out(self) -> BuilderState:
        """Move the chosen bricks behind the brick that holds them."""
        return self.go(lifted(self.blueprint, self.run) if self.chosen else None)

    def into(self) -> BuilderState:
        """Move the chosen bricks into the one before them."""
        return self.go(sunk(self.blueprint, self.run) if self.chosen else None)

    def move(self, to: Path, where: Where = "before") -> BuilderState:
        """Move the chosen bricks before, after or into what is at another place."""
        if self.chosen is None or to == self.selected:
            return self
        aim = replace(self, selected=to, anchor=None).spot(where)
        return self.go(moved(self.blueprint, self.run, aim))

    def delete(self) -> BuilderState:
        """Take the chosen bricks out; of a place for bricks, all that is in it."""
        return self.go(deleted(self.blueprint, self.selected, self.run) if self.selected else None)

    def wrap(self, kind: str = "Sequential") -> BuilderState:
        """Put the chosen bricks into a new one: Sequential, Residual, Repeat, Concat, Add."""
        return self.go(wrapped(self.blueprint, self.run, kind) if self.chosen else None)

    def unwrap(self) -> BuilderState:
        """Put the bricks that the chosen one holds in its place."""
        return self.go(unwrapped(self.blueprint, self.selected) if self.chosen else None)

    def branch(self) -> BuilderState:
        """Give the chosen brick, or the one that holds it, one more branch."""
        return self.go(branched(self.blueprint, self.selected) if self.selected else None)

    def rows(self, shown: Preview) -> list[Any]:
        """Return the lines of a preview that are in no folded brick."""
        return [
            row
            for row in shown.rows
            if not any(row.path[: len(at)] == at and row.path != at for at in self.folded)
        ]

    def with_input(self, text: str) -> BuilderState:
        """Take another input shape, as typed: ``"3, 32, 32"``."""
        return replace(self, input_shape=parse_shape(text))

    def rename(self, name: str) -> BuilderState:
        """Take another name for the model. Raises BadValueError if it is no variable's name."""
        if not name.isidentifier() or keyword.iskeyword(name):
            raise BadValueError("name", f"expected a name for a variable, got {name!r}.")
        return replace(self, name=name)

    def preview(self) -> Preview:
        """Say what the model would be."""
        return preview(self.blueprint, self.input_shape)

    def build(self) -> Sequential:
        """Build the model. Raises ConfigError where a brick cannot be meant."""
        for path, cfg in self.blueprint.walk():
            check_sizes(cfg, path_text(path))
        return self.blueprint.build(self.input_shape if self.blueprint.open else None)

    def to_python(self) -> str:
        """Return Python that builds the model under its name, with every size said."""
        full = self.blueprint.filled(self.input_shape)
        return full.to_python(self.name, self.input_shape if full.open else None)

    def to_json(self) -> str:
        """Return the bricks as JSON text, with every size said."""
        return self.blueprint.filled(self.input_shape).to_json()


EDITS: Mapping[str, Callable[..., BuilderState]] = {
    "duplicate": BuilderState.duplicate,
    "up": BuilderState.up,
    "down": BuilderState.down,
    "out": BuilderState.out,
    "into": BuilderState.into,
    "delete": BuilderState.delete,
    "undo": BuilderState.undo,
    "redo": BuilderState.redo,
    "wrap": BuilderState.wrap,
    "unwrap": BuilderState.unwrap,
    "branch": BuilderState.branch,
    "add": BuilderState.add,
    "change": BuilderState.change,
    "retype": BuilderState.retype,
    "move": BuilderState.move,
    "select": BuilderState.select,
    "extend": BuilderState.extend,
    "fold": BuilderState.fold,
    "with_input": BuilderState.with_input,
    "rename": BuilderState.rename,
}


def word_for(kind: str, name: str) -> str:
    """Return the type that means ``name`` of this kind: with its scope where the name is no other.

    The same word may mean another brick elsewhere: "deconv" is a conv and an upsample.
    """
    found, make = resolve(name)
    return name if found == kind or make is kinds()[kind].get(name) else f"{kind}.{name}"


def parse_shape(text: str) -> tuple[int, ...]:
    """Read a shape as typed: ``"3, 32, 32"``, ``"(3, 32, 32)"``, ``"3 x 32 x 32"`` or ``"64"``.

    >>> parse_shape("3 × 32 × 32"), parse_shape("64")
    ((3, 32, 32), (64,))
    """
    try:
        found = literal(text.replace("×", ",").replace("x", ","))
    except (ValueError, SyntaxError):
        found = None
    sizes = [*found] if isinstance(found, (tuple, list)) else [found]
    whole = tuple(size for size in sizes if type(size) is int and size > 0)
    if not whole or len(whole) != len(sizes):
        raise BadValueError(
            "input_shape", f"expected whole numbers such as 3, 32, 32, got {text!r}."
        )
    return whole
