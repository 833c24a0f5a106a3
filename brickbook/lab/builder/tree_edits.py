"""Edits of a tree of bricks: each returns a new tree and what is selected in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from brickbook.blueprint import (
    ARGUMENT_AXES,
    Blueprint,
    Path,
    as_chain,
    chains_in,
    remove_at,
    slots_in,
    slots_of,
)
from brickbook.config import copy_config, matches_type, signature_of
from brickbook.lab.builder.preview import container_of
from brickbook.lab.form import suggest

__all__ = [
    "EditedTree",
    "Position",
    "Siblings",
    "add_branch",
    "append_path",
    "chain_at",
    "change_type",
    "delete",
    "duplicate",
    "first_change",
    "move_by",
    "move_into",
    "move_out",
    "move_to",
    "nearest_path",
    "parse_error_path",
    "remap_folded",
    "unwrap",
    "wrap",
]

Position = Literal["before", "after", "inside"]


def chain_at(blueprint: Blueprint, path: Path) -> Sequence[Any]:
    """Return the bricks of a chain; ``()`` is that of the whole model."""
    return as_chain(blueprint[path]) if path else blueprint.bricks


def shows_slots(cfg: Mapping[str, Any]) -> bool:
    """Whether a brick has several slots for bricks, which then have rows of their own."""
    slots = slots_in(cfg)
    return len(slots) > 1 or "chains" in slots.values()


def nearest_path(blueprint: Blueprint, path: Path) -> Path:
    """Return the path if there is something, else one near it; () if there is nothing at all."""
    near: Path = ()
    node: Any = blueprint.bricks
    for key in path:
        if isinstance(key, str):
            if not isinstance(node, Mapping) or key not in slots_in(node):
                break
            node = node.get(key)
        else:
            chain = as_chain(node)
            if isinstance(node, Mapping) or not chain:
                break
            key = min(max(key, 0), len(chain) - 1)
            node = chain[key]
        near = (*near, key)
    container = container_of(near)
    if isinstance(node, Mapping) or not near:
        return near
    if not shows_slots(blueprint[container]) or (
        isinstance(near[-1], str) and slots_in(blueprint[container])[near[-1]] == "chains"
    ):
        return container  # such a chain has no row of its own
    return near


def sibling_chains(blueprint: Blueprint, path: Path) -> tuple[list[Path], int]:
    """Return the paths of all chains in the container of one, and which of them it is."""
    container = container_of(path)
    cfg = blueprint[container]
    paths = [chain for chain, _ in chains_in(cfg, slots_in(cfg), container)]
    return paths, paths.index(path)


def append_path(blueprint: Blueprint, path: Path) -> Path | None:
    """Return the path after the last brick inside one; None if it is no container.

    Of several branches the first empty one is taken, else the last.
    """
    cfg = blueprint[path]
    if not isinstance(cfg, Mapping):
        return (*path, len(as_chain(cfg)))
    inside = chains_in(cfg, slots_in(cfg), path)
    if not inside:
        return None
    if "chains" not in slots_in(cfg).values():
        where, bricks = inside[0]
    else:
        where, bricks = next((pair for pair in inside if not pair[1]), inside[-1])
    return (*where, len(bricks))


def path_after_removal(path: Path, chain: Path, first: int, count: int) -> Path | None:
    """Return where ``path`` is once ``count`` bricks from ``first`` on are out of their chain.

    None for a path inside those bricks.

    >>> path_after_removal((4,), (), 1, 2), path_after_removal((2,), (), 1, 2)
    ((2,), (1,))
    >>> path_after_removal((1, "body", 0), (), 1, 1)
    """
    depth = len(chain)
    at = path[depth] if path[:depth] == chain and len(path) > depth else None
    if not isinstance(at, int) or at < first:
        return path
    if at < first + count:
        return None if len(path) > depth + 1 else (*chain, first)
    return (*chain, at - count, *path[depth + 1 :])


def parse_error_path(text: str) -> Path:
    """Return the path of the brick that an error's path begins with; () if there is none.

    >>> parse_error_path("bricks[1].body[0].in_channels")
    (1, 'body', 0, 'in_channels')
    """
    found = re.match(r"bricks((?:\[\d+\]|\.\w+)*)", text)
    keys = re.findall(r"\[(\d+)\]|\.(\w+)", found.group(1)) if found else []
    return tuple(int(number) if number else name for number, name in keys)


def remap_folded(folded: frozenset[Path], old: Blueprint, new: Blueprint) -> frozenset[Path]:
    """Return which bricks are folded after an edit: the same ones, wherever they are now."""
    if not folded:
        return folded
    new_paths = {id(cfg): path for path, cfg in new.walk()}
    old_ids = {path: id(cfg) for path, cfg in old.walk()}
    containers = {path for path, cfg in new.walk() if slots_in(cfg)}
    return frozenset(new_paths.get(old_ids.get(path, 0), path) for path in folded) & containers


def first_change(old: Blueprint, new: Blueprint) -> Path:
    """Return the path of the first brick that differs.

    >>> first_change(Blueprint(({"type": "ReLU"},)), Blueprint(({"type": "ReLU"}, {"type": "BN"})))
    (1,)
    """
    return first_difference(old.bricks, new.bricks, ())


def first_difference(old: Sequence[Any], new: Sequence[Any], path: Path) -> Path:
    """Return the path of the first difference of two chains, which are not equal."""
    for at, (a, b) in enumerate(zip(old, new, strict=False)):
        if a == b:
            continue
        here, slots = (*path, at), slots_in(b) if isinstance(b, Mapping) else {}
        if isinstance(a, Mapping) and without_children(a, slots) == without_children(b, slots):
            pairs = zip(chains_in(a, slots, here), chains_in(b, slots, here), strict=False)
            for (place, left), (_, right) in pairs:
                if left != right:
                    return first_difference(left, right, place)
        return here
    return (*path, min(len(old), len(new)))


def without_children(cfg: Mapping[str, Any], slots: Mapping[str, Any]) -> dict[str, Any]:
    """Return a brick's config without the bricks in it."""
    return {key: value for key, value in cfg.items() if key not in slots}


class Siblings(NamedTuple):
    """Neighbours: the chain they are in, the first of them, and how many."""

    chain: Path
    first: int
    length: int

    @property
    def end(self) -> int:
        """The index after the last of them."""
        return self.first + self.length

    def path_at(self, index: int) -> Path:
        """The path of an index in the chain."""
        return (*self.chain, index)


class EditedTree(NamedTuple):
    """A tree after an edit, the selected path, and the other end of the selection."""

    blueprint: Blueprint
    selected: Path
    anchor: int | None = None


def insert(blueprint: Blueprint, path: Path, bricks: Sequence[Any]) -> EditedTree:
    """Put bricks in before a path, the very ones, and select them."""
    place, first = path[:-1], path[-1]
    if not isinstance(first, int):
        return EditedTree(blueprint, path)
    chain = chain_at(blueprint, place)
    new = (*chain[:first], *bricks, *chain[first:])
    made = Blueprint(new) if not place else blueprint.put(place, [list(new)])
    if len(bricks) < 2:
        return EditedTree(made, path)
    return EditedTree(made, (*place, first + len(bricks) - 1), first)


def move_to(blueprint: Blueprint, siblings: Siblings, path: Path) -> EditedTree | None:
    """Take bricks out and put them in before ``path``; None for a path inside them."""
    target = path_after_removal(path, *siblings)
    if target is None or target == siblings.path_at(siblings.first):
        return None
    chain = chain_at(blueprint, siblings.chain)
    bricks = chain[siblings.first : siblings.end]
    rest = blueprint.bricks
    for _ in bricks:
        rest = remove_at(rest, siblings.path_at(siblings.first))
    return insert(Blueprint(rest), target, bricks)


def move_by(blueprint: Blueprint, siblings: Siblings, offset: int) -> EditedTree | None:
    """Move bricks by one, at the end of their chain into the next or out of it."""
    chain = siblings.chain
    if offset < 0 and siblings.first > 0:
        return move_to(blueprint, siblings, siblings.path_at(siblings.first - 1))
    if offset > 0 and siblings.end < len(chain_at(blueprint, chain)):
        return move_to(blueprint, siblings, siblings.path_at(siblings.end + 1))
    if not chain:
        return None
    chains, at = sibling_chains(blueprint, chain)
    if offset < 0 and at > 0:
        return move_to(
            blueprint, siblings, (*chains[at - 1], len(chain_at(blueprint, chains[at - 1])))
        )
    if offset > 0 and at + 1 < len(chains):
        return move_to(blueprint, siblings, (*chains[at + 1], 0))
    *outer, index = container_of(chain)
    return move_to(blueprint, siblings, (*outer, index if offset < 0 else index + 1))  # pyright: ignore[reportOperatorIssue]


def move_out(blueprint: Blueprint, siblings: Siblings) -> EditedTree | None:
    """Move bricks behind their container."""
    if not siblings.chain:
        return None
    *outer, index = container_of(siblings.chain)
    return move_to(blueprint, siblings, (*outer, index + 1))  # pyright: ignore[reportOperatorIssue]


def move_into(blueprint: Blueprint, siblings: Siblings) -> EditedTree | None:
    """Move bricks to the end of the one before them, if that is a container."""
    if siblings.first == 0:
        return None
    inside = append_path(blueprint, siblings.path_at(siblings.first - 1))
    return None if inside is None else move_to(blueprint, siblings, inside)


def duplicate(blueprint: Blueprint, siblings: Siblings) -> EditedTree | None:
    """Put copies of bricks, or of a branch, after them."""
    chain = chain_at(blueprint, siblings.chain)
    bricks = [copy_config(brick) for brick in chain[siblings.first : siblings.end]]
    return insert(blueprint, siblings.path_at(siblings.end), bricks)


def delete(blueprint: Blueprint, selected: Path, siblings: Siblings) -> EditedTree | None:
    """Take bricks out; a branch with all in it; all bricks in a named slot."""
    if isinstance(selected[-1], str):
        container = blueprint[container_of(selected)]
        cfg = {**container, selected[-1]: []}
        if first_slot(container) != selected[-1]:
            cfg.pop(selected[-1])
        return EditedTree(blueprint.put(container_of(selected), [cfg]), selected)
    rest = blueprint.bricks
    for _ in range(siblings.length):
        rest = remove_at(rest, siblings.path_at(siblings.first))
    return EditedTree(Blueprint(rest), siblings.path_at(siblings.first))


def first_slot(cfg: Mapping[str, Any]) -> str:
    """Return the first argument that takes bricks."""
    return next(iter(slots_in(cfg)), "")


def wrap(blueprint: Blueprint, siblings: Siblings, kind: str) -> EditedTree:
    """Put bricks into a new one."""
    at = siblings.path_at(siblings.first)
    return EditedTree(blueprint.wrap(at, kind, siblings.length), at)


def unwrap(blueprint: Blueprint, selected: Path) -> EditedTree | None:
    """Put the bricks inside one in its place, and select them."""
    if not slots_in(blueprint[selected]):
        return None
    made = blueprint.unwrap(selected)
    *above, first = selected
    grown = len(chain_at(made, tuple(above))) - len(chain_at(blueprint, tuple(above)))
    if grown < 1 or not isinstance(first, int):
        return EditedTree(made, selected)
    return EditedTree(made, (*above, first + grown), first)


def add_branch(blueprint: Blueprint, selected: Path) -> EditedTree | None:
    """Give a brick with branches, or the one around it, an empty branch more."""
    at = selected
    while at:
        cfg = blueprint[at]
        slots = slots_in(cfg) if isinstance(cfg, Mapping) else {}
        name = next((name for name, slot in slots.items() if slot == "chains"), None)
        if name is not None:
            branches = [*as_chain(cfg.get(name)), []]
            return EditedTree(
                blueprint.put(at, [{**cfg, name: branches}]), (*at, name, len(branches) - 1)
            )
        at = container_of(at)
    return None


# Arguments that mean the same under another name.
SYNONYMS: tuple[frozenset[str], ...] = (
    frozenset({"in_channels", "in_features", "num_features", "num_channels"}),
    frozenset({"out_channels", "out_features"}),
)


def change_type(
    cfg: Mapping[str, Any],
    kind: object,
    make: Callable[..., Any],
    shape: tuple[int, ...] | None,
) -> dict[str, Any]:
    """Return a config of type ``kind`` that keeps the arguments which fit.

    Arguments that are still missing get the values of a new brick after an output of ``shape``.
    The bricks inside go into the new brick, if that is a container.
    """
    accepted = signature_of(make)
    old_slots, slots = slots_in(cfg), slots_of(make)
    given = {key: value for key, value in cfg.items() if key != "type" and key not in old_slots}
    kept = {key: value for key, value in given.items() if can_keep(key, value, accepted)}
    for group in SYNONYMS:
        old = next((key for key in given if key in group and key not in kept), None)
        new = next((key for key in accepted.required if key in group and key not in kept), None)
        if old and new and new not in ARGUMENT_AXES and can_keep(new, given[old], accepted):
            kept[new] = given[old]
    added = {key: value for key, value in suggest(make, shape).items() if key not in kept}
    if kept:  # a padding belongs to the kernel that was suggested with it
        added = {key: value for key, value in added.items() if key in accepted.required}
    changed = {"type": kind, **added, **kept}
    chains = [list(chain) for _, chain in chains_in(cfg, old_slots, ()) if chain]
    if slots and chains:
        changed.update(fill_slots(slots, chains))
    return changed


def can_keep(key: str, value: Any, accepted: Any) -> bool:
    """Whether a signature accepts an argument."""
    if key not in accepted.named:
        return False
    hint = accepted.hints.get(key)
    return hint is None or matches_type(hint, value)


def fill_slots(slots: Mapping[str, str], chains: list[list[Any]]) -> dict[str, Any]:
    """Put chains of bricks into the slots of another brick; the last slot takes what is left."""
    filled: dict[str, Any] = {}
    names = list(slots)
    for at, name in enumerate(names):
        rest = chains[at:]
        if slots[name] == "chains":
            filled[name] = [*rest, *([[]] * (2 - len(rest)))]
        elif at == len(names) - 1:
            if rest:
                filled[name] = [brick for chain in rest for brick in chain]
        elif rest:
            filled[name] = rest[0]
    return filled
