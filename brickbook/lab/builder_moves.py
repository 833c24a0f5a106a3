"""Edits of a tree of bricks that are chosen: each gives the new tree and what is chosen in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from brickbook.arguments import copied
from brickbook.blueprint import Blueprint
from brickbook.blueprint.building import slots_in
from brickbook.blueprint.tree import Path, chain_of, take_out
from brickbook.lab.builder_places import chain_at, chains_beside, end_inside, landing
from brickbook.lab.preview import holder_of

__all__ = [
    "Moved", "Run", "branched", "deleted", "doubled", "lifted", "moved", "shifted", "sunk",
    "unwrapped", "wrapped",
]  # fmt: skip


class Run(NamedTuple):
    """Neighbours: the chain they are in, the first of them, and how many."""

    above: Path
    first: int
    length: int

    def place(self, at: int) -> Path:
        """The path of a place in the chain."""
        return (*self.above, at)


class Moved(NamedTuple):
    """A tree after an edit, the path chosen in it, and the other end of the choice."""

    blueprint: Blueprint
    selected: Path
    anchor: int | None = None


def filled(blueprint: Blueprint, at: Path, bricks: Sequence[Any]) -> Moved:
    """Put bricks in before a place, the very ones, and choose them."""
    place, first = at[:-1], at[-1]
    if not isinstance(first, int):
        return Moved(blueprint, at)
    chain = chain_at(blueprint, place)
    new = (*chain[:first], *bricks, *chain[first:])
    made = Blueprint(new) if not place else blueprint.put(place, [list(new)])
    if len(bricks) < 2:
        return Moved(made, at)
    return Moved(made, (*place, first + len(bricks) - 1), first)


def moved(blueprint: Blueprint, run: Run, to: Path) -> Moved | None:
    """Take bricks out and put them in before ``to``; None for a place inside them."""
    aim = landing(to, *run)
    if aim is None or aim == run.place(run.first):
        return None
    chain = chain_at(blueprint, run.above)
    bricks = chain[run.first : run.first + run.length]
    rest = blueprint.bricks
    for _ in bricks:
        rest = take_out(rest, run.place(run.first))
    return filled(Blueprint(rest), aim, bricks)


def shifted(blueprint: Blueprint, run: Run, by: int) -> Moved | None:
    """Move bricks one place on, at the end of their chain into the next or out of it."""
    above, first, count = run
    length = len(chain_at(blueprint, above))
    if by < 0 and first > 0:
        return moved(blueprint, run, (*above, first - 1))
    if by > 0 and first + count < length:
        return moved(blueprint, run, (*above, first + count + 1))
    if not above:
        return None
    chains, at = chains_beside(blueprint, above)
    if by < 0 and at > 0:
        return moved(blueprint, run, (*chains[at - 1], len(chain_at(blueprint, chains[at - 1]))))
    if by > 0 and at + 1 < len(chains):
        return moved(blueprint, run, (*chains[at + 1], 0))
    *outer, index = holder_of(above)
    return moved(blueprint, run, (*outer, index if by < 0 else index + 1))  # pyright: ignore[reportOperatorIssue]


def lifted(blueprint: Blueprint, run: Run) -> Moved | None:
    """Move bricks behind the one that holds them."""
    if not run.above:
        return None
    *outer, index = holder_of(run.above)
    return moved(blueprint, run, (*outer, index + 1))  # pyright: ignore[reportOperatorIssue]


def sunk(blueprint: Blueprint, run: Run) -> Moved | None:
    """Move bricks to the end of the one before them, if that holds bricks."""
    if run.first == 0:
        return None
    inside = end_inside(blueprint, run.place(run.first - 1))
    return None if inside is None else moved(blueprint, run, inside)


def doubled(blueprint: Blueprint, run: Run) -> Moved | None:
    """Put copies of bricks, or of a branch, after them."""
    above, first, count = run
    bricks = [copied(brick) for brick in chain_at(blueprint, above)[first : first + count]]
    return filled(blueprint, run.place(first + count), bricks)


def deleted(blueprint: Blueprint, selected: Path, run: Run) -> Moved | None:
    """Take bricks out; a branch with all in it; what is in a place that has a name."""
    if isinstance(selected[-1], str):
        holder = blueprint[holder_of(selected)]
        cfg = {**holder, selected[-1]: []}
        if first_slot(holder) != selected[-1]:
            cfg.pop(selected[-1])
        return Moved(blueprint.put(holder_of(selected), [cfg]), selected)
    rest = blueprint.bricks
    for _ in range(run.length):
        rest = take_out(rest, run.place(run.first))
    return Moved(Blueprint(rest), run.place(run.first))


def first_slot(cfg: Mapping[str, Any]) -> str:
    """Return the first argument that holds bricks."""
    return next(iter(slots_in(cfg)), "")


def wrapped(blueprint: Blueprint, run: Run, kind: str) -> Moved:
    """Put bricks into a new one."""
    at = run.place(run.first)
    return Moved(blueprint.wrap(at, kind, run.length), at)


def unwrapped(blueprint: Blueprint, selected: Path) -> Moved | None:
    """Put the bricks that one holds in its place, and choose them."""
    if not slots_in(blueprint[selected]):
        return None
    made = blueprint.unwrap(selected)
    *above, first = selected
    grown = len(chain_at(made, tuple(above))) - len(chain_at(blueprint, tuple(above)))
    if grown < 1 or not isinstance(first, int):
        return Moved(made, selected)
    return Moved(made, (*above, first + grown), first)


def branched(blueprint: Blueprint, selected: Path) -> Moved | None:
    """Give a brick with branches, or the one around it, an empty branch more."""
    at = selected
    while at:
        cfg = blueprint[at]
        slots = slots_in(cfg) if isinstance(cfg, Mapping) else {}
        name = next((name for name, slot in slots.items() if slot == "chains"), None)
        if name is not None:
            branches = [*chain_of(cfg.get(name)), []]
            return Moved(
                blueprint.put(at, [{**cfg, name: branches}]), (*at, name, len(branches) - 1)
            )
        at = holder_of(at)
    return None
