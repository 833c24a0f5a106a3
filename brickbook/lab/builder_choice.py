"""What is chosen in a blueprint, and the way back: the part of the builder that knows no bricks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from brickbook.blueprint import Blueprint
from brickbook.blueprint.tree import Path, path_of
from brickbook.lab.builder_moves import Run
from brickbook.lab.builder_places import carried, chain_at, first_change, nearest_path

__all__ = ["Choice"]

C = TypeVar("C", bound="Choice")

HISTORY = 200


@dataclass(frozen=True)
class Choice:
    """A blueprint with what is chosen and folded in it, and its history."""

    blueprint: Blueprint = field(default_factory=Blueprint)
    selected: Path = (0,)
    past: tuple[Blueprint, ...] = ()
    future: tuple[Blueprint, ...] = ()
    anchor: int | None = None
    folded: frozenset[Path] = frozenset()

    def __post_init__(self) -> None:
        """Keep ``selected`` among the bricks, and in sight."""
        at = nearest_path(self.blueprint, self.selected)
        hidden = {path for path in self.folded if len(path) < len(at) and at[: len(path)] == path}
        object.__setattr__(self, "selected", at)
        object.__setattr__(self, "folded", self.folded - hidden)
        if self.anchor is not None and (self.chosen is None or not self.has(self.anchor)):
            object.__setattr__(self, "anchor", None)

    def has(self, index: int) -> bool:
        """Whether the chain of the chosen brick has that many bricks."""
        return 0 <= index < len(chain_at(self.blueprint, self.selected[:-1]))

    @property
    def chosen(self) -> Mapping[str, Any] | None:
        """The config of the chosen brick; None for a place for bricks."""
        found = self.blueprint[self.selected] if self.selected else None
        return found if isinstance(found, Mapping) else None

    @property
    def run(self) -> Run:
        """The chosen bricks: neighbours in one chain; of a place for bricks, all in it."""
        above, last = self.selected[:-1], self.selected[-1]
        if isinstance(last, str):
            return Run(self.selected, 0, len(chain_at(self.blueprint, self.selected)))
        first, last = sorted((last, last if self.anchor is None else self.anchor))
        return Run(above, first, last - first + 1)

    def edit(self: C, blueprint: Blueprint, selected: Path, anchor: int | None = None) -> C:
        """Go to another blueprint; the old one can be had back."""
        if blueprint == self.blueprint:
            return self.select(selected)
        past = (*self.past, self.blueprint)[-HISTORY:]
        folded = carried(self.folded, self.blueprint, blueprint)
        return replace(
            self, blueprint=blueprint, selected=selected, anchor=anchor, past=past, future=(),
            folded=folded,
        )  # fmt: skip

    def select(self: C, at: int | Path) -> C:
        """Choose a brick, or a place for bricks."""
        return replace(self, selected=path_of(at) if at != () else (), anchor=None)

    def extend(self: C, to: Path) -> C:
        """Choose all neighbours from the chosen brick to another one of the same chain."""
        above, last = self.selected[:-1], to[-1] if to else None
        if self.chosen is None or to[:-1] != above or not isinstance(last, int):
            return self
        anchor = self.selected[-1] if self.anchor is None else self.anchor
        return replace(self, selected=to, anchor=None if last == anchor else anchor)  # pyright: ignore[reportArgumentType]

    def fold(self: C, at: Path) -> C:
        """Hide what is in a brick, or show it again."""
        if at in self.folded:
            return replace(self, folded=self.folded - {at})
        inside = len(self.selected) > len(at) and self.selected[: len(at)] == at
        selected = at if inside else self.selected
        return replace(self, selected=selected, folded=self.folded | {at})

    def undo(self: C) -> C:
        """Take the last edit of the blueprint back, and choose the brick it was about."""
        if not self.past:
            return self
        *past, back = self.past
        return self.jump(back, tuple(past), (self.blueprint, *self.future))

    def redo(self: C) -> C:
        """Make the edit again that `undo` took back."""
        if not self.future:
            return self
        again, *future = self.future
        return self.jump(again, (*self.past, self.blueprint), tuple(future))

    def jump(
        self: C, to: Blueprint, past: tuple[Blueprint, ...], future: tuple[Blueprint, ...]
    ) -> C:
        """Go to a blueprint of the history."""
        folded = carried(self.folded, self.blueprint, to)
        return replace(
            self, blueprint=to, selected=first_change(self.blueprint, to), anchor=None, past=past,
            future=future, folded=folded,
        )  # fmt: skip
