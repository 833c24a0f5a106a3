"""Places in a blueprint as the builder goes through them: what is near, what comes next."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from brickbook.blueprint import Blueprint
from brickbook.blueprint.building import slots_in
from brickbook.blueprint.tree import Path, chain_of, chains_in
from brickbook.lab.preview import holder_of

__all__ = [
    "Where", "carried", "chain_at", "chains_beside", "end_inside", "first_change", "landing",
    "nearest_path", "path_in", "shows_places",
]  # fmt: skip

Where = Literal["before", "after", "inside"]


def chain_at(blueprint: Blueprint, above: Path) -> Sequence[Any]:
    """Return the bricks of a chain; ``()`` is that of the whole model."""
    return chain_of(blueprint[above]) if above else blueprint.bricks


def shows_places(cfg: Mapping[str, Any]) -> bool:
    """Whether a brick has several places for bricks, which then have lines of their own."""
    slots = slots_in(cfg)
    return len(slots) > 1 or "chains" in slots.values()


def nearest_path(blueprint: Blueprint, path: Path) -> Path:
    """Return the path if there is something, else one near it; () if there is nothing at all."""
    made: Path = ()
    node: Any = blueprint.bricks
    for key in path:
        if isinstance(key, str):
            if not isinstance(node, Mapping) or key not in slots_in(node):
                break
            node = node.get(key)
        else:
            chain = chain_of(node)
            if isinstance(node, Mapping) or not chain:
                break
            key = min(max(key, 0), len(chain) - 1)
            node = chain[key]
        made = (*made, key)
    holder = holder_of(made)
    if isinstance(node, Mapping) or not made:
        return made
    if not shows_places(blueprint[holder]) or (
        isinstance(made[-1], str) and slots_in(blueprint[holder])[made[-1]] == "chains"
    ):
        return holder  # such a chain has no line of its own
    return made


def chains_beside(blueprint: Blueprint, above: Path) -> tuple[list[Path], int]:
    """Return the paths of all chains in the brick that holds one, and which of them it is."""
    holder = holder_of(above)
    cfg = blueprint[holder]
    paths = [path for path, _ in chains_in(cfg, slots_in(cfg), holder)]
    return paths, paths.index(above)


def end_inside(blueprint: Blueprint, path: Path) -> Path | None:
    """Return the place after the last brick inside one; None if it holds none.

    Of several branches the first empty one is taken, else the last.
    """
    cfg = blueprint[path]
    if not isinstance(cfg, Mapping):
        return (*path, len(chain_of(cfg)))
    inside = chains_in(cfg, slots_in(cfg), path)
    if not inside:
        return None
    if "chains" not in slots_in(cfg).values():
        where, bricks = inside[0]
    else:
        where, bricks = next((pair for pair in inside if not pair[1]), inside[-1])
    return (*where, len(bricks))


def landing(to: Path, above: Path, first: int, count: int) -> Path | None:
    """Return where ``to`` is once ``count`` bricks from ``first`` on are out of their chain.

    None for a place inside those bricks.

    >>> landing((4,), (), 1, 2), landing((1, "body", 0), (), 1, 1), landing((2,), (), 1, 2)
    ((2,), None, (1,))
    """
    depth = len(above)
    at = to[depth] if to[:depth] == above and len(to) > depth else None
    if not isinstance(at, int) or at < first:
        return to
    if at < first + count:
        return None if len(to) > depth + 1 else (*above, first)
    return (*above, at - count, *to[depth + 1 :])


def path_in(text: str) -> Path:
    """Read the place that an error's path begins with; () if there is none.

    >>> path_in("bricks[1].body[0].in_channels")
    (1, 'body', 0, 'in_channels')
    """
    found = re.match(r"bricks((?:\[\d+\]|\.\w+)*)", text)
    keys = re.findall(r"\[(\d+)\]|\.(\w+)", found.group(1)) if found else []
    return tuple(int(number) if number else name for number, name in keys)


def carried(folded: frozenset[Path], old: Blueprint, new: Blueprint) -> frozenset[Path]:
    """Return which bricks are folded after an edit: the same ones, wherever they are now."""
    if not folded:
        return folded
    now = {id(cfg): path for path, cfg in new.walk()}
    then = {path: id(cfg) for path, cfg in old.walk()}
    holders = {path for path, cfg in new.walk() if slots_in(cfg)}
    return frozenset(now.get(then.get(path, 0), path) for path in folded) & holders


def first_change(old: Blueprint, new: Blueprint) -> Path:
    """Return the place of the first brick that differs.

    >>> first_change(Blueprint(({"type": "ReLU"},)), Blueprint(({"type": "ReLU"}, {"type": "BN"})))
    (1,)
    """
    return changed_in(old.bricks, new.bricks, ())


def changed_in(old: Sequence[Any], new: Sequence[Any], path: Path) -> Path:
    """Return the place of the first difference of two chains, which are not equal."""
    for at, (a, b) in enumerate(zip(old, new, strict=False)):
        if a == b:
            continue
        here, slots = (*path, at), slots_in(b) if isinstance(b, Mapping) else {}
        if isinstance(a, Mapping) and own(a, slots) == own(b, slots):
            pairs = zip(chains_in(a, slots, here), chains_in(b, slots, here), strict=False)
            for (place, left), (_, right) in pairs:
                if left != right:
                    return changed_in(left, right, place)
        return here
    return (*path, min(len(old), len(new)))


def own(cfg: Mapping[str, Any], slots: Mapping[str, Any]) -> dict[str, Any]:
    """Return a brick's config without the bricks it holds."""
    return {key: value for key, value in cfg.items() if key not in slots}
