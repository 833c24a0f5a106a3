"""The builder without its controls: a blueprint, what is chosen, and the way back."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from brickbook.blueprint import Blueprint, kinds, resolve
from brickbook.errors import BadValueError, UnknownNameError, nearest
from brickbook.lab.builder_sizes import check_sizes
from brickbook.lab.preview import Preview, preview
from brickbook.lab.starting import suggest
from brickbook.literals import literal
from brickbook.modules import Sequential

__all__ = ["BuilderState", "parse_shape"]

HISTORY = 200


@dataclass(frozen=True)
class BuilderState:
    """What the builder shows; every edit returns a new state.

    ``selected`` is the index of the chosen brick, -1 if there are none; an index beyond the ends
    becomes that of the nearest brick. ``input_shape`` is that of one sample, without the batch.
    ``past`` and ``future`` are the blueprints that `undo` and `redo` go to.

    >>> state = BuilderState().add("model", "Flatten").add("model", "Linear")
    >>> state.blueprint.bricks[1]
    {'type': 'Linear', 'in_features': 3072, 'out_features': 10}
    >>> state.undo().blueprint.bricks
    ({'type': 'Flatten'},)
    """

    blueprint: Blueprint = field(default_factory=Blueprint)
    selected: int = 0
    input_shape: tuple[int, ...] = (3, 32, 32)
    name: str = "model"
    past: tuple[Blueprint, ...] = ()
    future: tuple[Blueprint, ...] = ()

    def __post_init__(self) -> None:
        """Keep ``selected`` among the bricks."""
        object.__setattr__(self, "selected", min(max(self.selected, 0), len(self.blueprint) - 1))

    @property
    def chosen(self) -> Mapping[str, Any] | None:
        """The config of the chosen brick."""
        return self.blueprint.bricks[self.selected] if self.selected >= 0 else None

    def edit(self, blueprint: Blueprint, selected: int) -> BuilderState:
        """Go to another blueprint; the old one can be had back."""
        if blueprint == self.blueprint:
            return self.select(selected)
        past = (*self.past, self.blueprint)[-HISTORY:]
        return replace(self, blueprint=blueprint, selected=selected, past=past, future=())

    def select(self, at: int) -> BuilderState:
        """Choose a brick."""
        return replace(self, selected=at)

    def add(self, kind: str, name: str) -> BuilderState:
        """Put a new brick after the chosen one, with arguments that fit there.

        Raises UnknownNameError if the registry of that kind does not know the name.
        """
        at = self.selected + 1
        registry = kinds()[kind]
        make = registry.get(name)
        if make is None:
            raise UnknownNameError(
                "type", f"{name} is not in the {registry.name} registry.",
                nearest(name, registry.module_dict),
            )  # fmt: skip
        # The same word may mean another brick elsewhere: "deconv" is a conv and an upsample.
        bare = resolve(name)[0] == kind or resolve(name)[1] is make
        before = preview(Blueprint(self.blueprint.bricks[:at]), self.input_shape).before(at)
        cfg = {"type": name if bare else f"{kind}.{name}", **suggest(make, before)}
        return self.edit(self.blueprint.insert(at, cfg), at)

    def change(self, arguments: Mapping[str, Any]) -> BuilderState:
        """Give the chosen brick other arguments."""
        if self.chosen is None:
            return self
        cfg = {"type": self.chosen["type"], **arguments}
        return self.edit(self.blueprint.replace(self.selected, cfg), self.selected)

    def duplicate(self) -> BuilderState:
        """Put a copy of the chosen brick after it."""
        if self.chosen is None:
            return self
        return self.edit(self.blueprint.duplicate(self.selected), self.selected + 1)

    def up(self) -> BuilderState:
        """Move the chosen brick one place to the front."""
        return self.shift(-1)

    def down(self) -> BuilderState:
        """Move the chosen brick one place to the end."""
        return self.shift(1)

    def shift(self, by: int) -> BuilderState:
        """Move the chosen brick, if there is such a place."""
        to = self.selected + by
        if self.chosen is None or not 0 <= to < len(self.blueprint):
            return self
        bricks = [*self.blueprint.bricks]  # the very configs, unlike Blueprint.move
        bricks.insert(to, bricks.pop(self.selected))
        return self.edit(Blueprint(tuple(bricks)), to)

    def delete(self) -> BuilderState:
        """Take the chosen brick out."""
        if self.chosen is None:
            return self
        return self.edit(self.blueprint.remove(self.selected), self.selected)

    def undo(self) -> BuilderState:
        """Take the last edit of the blueprint back, and choose the brick it was about."""
        if not self.past:
            return self
        *past, back = self.past
        future = (self.blueprint, *self.future)
        at = first_change(self.blueprint, back)
        return replace(self, blueprint=back, selected=at, past=tuple(past), future=future)

    def redo(self) -> BuilderState:
        """Make the edit again that `undo` took back."""
        if not self.future:
            return self
        again, *future = self.future
        past = (*self.past, self.blueprint)
        at = first_change(self.blueprint, again)
        return replace(self, blueprint=again, selected=at, past=past, future=tuple(future))

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
        for at, cfg in enumerate(self.blueprint.bricks):
            check_sizes(cfg, f"bricks[{at}]")
        return self.blueprint.build()

    def to_python(self) -> str:
        """Return Python that builds the model under its name."""
        return self.blueprint.to_python(self.name)

    def to_json(self) -> str:
        """Return the bricks as JSON text."""
        return self.blueprint.to_json()


def first_change(old: Blueprint, new: Blueprint) -> int:
    """Return the index of the first brick that differs.

    >>> first_change(Blueprint(({"type": "ReLU"},)), Blueprint(({"type": "ReLU"}, {"type": "BN"})))
    1
    """
    pairs = enumerate(zip(old.bricks, new.bricks, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(old), len(new)))


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
