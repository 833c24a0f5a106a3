"""Places in a tree of bricks, and edits there: what was not edited stays the very same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from brickbook.blueprint.slots import Slot
from brickbook.errors import BadArgumentError

__all__ = [
    "Key", "Path", "Slots", "chain_of", "chains_in", "node_at", "path_of", "path_text", "put_in",
    "put_instead", "take_out", "tidied", "walk",
]  # fmt: skip

Key = int | str

# (2,) is the third brick, (2, "body", 0) the first of those that it holds as ``body``.
Path = tuple[Key, ...]

# Which arguments of a config hold bricks; none for a type that is not known.
Slots = Callable[[Mapping[str, Any]], Mapping[str, Slot]]


def path_of(at: int | Sequence[Key]) -> Path:
    """Return a place as a path; a number is that of a brick at the top."""
    path = (at,) if isinstance(at, int) else tuple(at)
    if not path or not all(isinstance(key, (int, str)) for key in path):
        raise BadArgumentError(
            "at", f"expected a number or a path such as (2, 'body', 0), got {at!r}."
        )
    return path


def path_text(path: Path, root: str = "bricks") -> str:
    """Write a path as in Python.

    >>> path_text((2, "branches", 1, 0))
    'bricks[2].branches[1][0]'
    """
    return root + "".join(f".{key}" if isinstance(key, str) else f"[{key}]" for key in path)


def chain_of(value: object) -> Sequence[Any]:
    """Return the bricks of a chain: None holds none, a config alone is one of one brick."""
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return value
    return [value]


def part_of(holder: Any, key: Key) -> Any:
    """Return what a chain has at a number, or a config under a name; IndexError if nothing."""
    if isinstance(key, int):
        chain = chain_of(holder)
        return chain[range(len(chain))[key]]
    if not isinstance(holder, Mapping):
        raise IndexError(f"there is no {key!r} in {holder!r}")
    return holder.get(key)


def node_at(bricks: Any, path: Path) -> Any:
    """Return the brick or the chain at a path; IndexError if there is none."""
    for key in path:
        bricks = part_of(bricks, key)
    return bricks


def edited(holder: Any, path: Path, change: Callable[[Any, Key], Any]) -> Any:
    """Return ``holder`` with ``change(part, last key)`` in the place of what holds the last key."""
    head, rest = path[0], path[1:]
    if not rest:
        return change(holder, head)
    inner = edited(part_of(holder, head), rest, change)
    if isinstance(head, str):
        return {**holder, head: inner}
    chain = chain_of(holder)
    at = range(len(chain))[head]
    return spliced(chain, at, at + 1, inner)


def spliced(chain: Sequence[Any], start: int, end: int, *new: Any) -> Sequence[Any]:
    """Return a chain of the same type with ``new`` instead of the part from start to end."""
    return type(chain)((*chain[:start], *new, *chain[end:]))  # pyright: ignore[reportCallIssue]


def put_in(bricks: Any, path: Path, value: Any) -> Any:
    """Return the tree with ``value`` before what is at ``path`` now; a name is given that value."""

    def change(holder: Any, key: Key) -> Any:
        if isinstance(key, str):
            return {**holder, key: value}
        chain = chain_of(holder)
        at = slice(key, None).indices(len(chain))[0]
        return spliced(chain, at, at, value)

    return edited(bricks, path, change)


def put_instead(bricks: Any, path: Path, new: Sequence[Any]) -> Any:
    """Return the tree with ``new`` instead of what is at ``path``; a name is given the first."""

    def change(holder: Any, key: Key) -> Any:
        if isinstance(key, str):
            return {**holder, key: new[0]}
        chain = chain_of(holder)
        at = range(len(chain))[key]
        return spliced(chain, at, at + 1, *new)

    return edited(bricks, path, change)


def take_out(bricks: Any, path: Path) -> Any:
    """Return the tree without what is at ``path``; IndexError if there is nothing."""

    def change(holder: Any, key: Key) -> Any:
        if isinstance(key, str):
            return {name: value for name, value in holder.items() if name != key}
        chain = chain_of(holder)
        at = range(len(chain))[key]
        return spliced(chain, at, at + 1)

    return edited(bricks, path, change)


def chains_in(cfg: Any, slots: Mapping[str, Slot], path: Path) -> list[tuple[Path, Sequence[Any]]]:
    """Return the chains that a brick holds, each with its path."""
    found: list[tuple[Path, Sequence[Any]]] = []
    for name, slot in slots.items():
        value = cfg.get(name)
        if slot == "chains":
            parts = enumerate(chain_of(value))
            found += [((*path, name, at), chain_of(part)) for at, part in parts]
        else:
            found.append(((*path, name), chain_of(value)))
    return found


def walk(bricks: Sequence[Any], slots: Slots, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every brick with its path, a brick before those in it."""
    for at, cfg in enumerate(bricks):
        here = (*path, at)
        yield here, cfg
        if isinstance(cfg, Mapping):
            for inside, chain in chains_in(cfg, slots(cfg), here):
                yield from walk(chain, slots, inside)


def tidied(chain: Any, slots: Slots) -> Any:
    """Return bricks as they are kept: a list among them is a Sequential, a chain is a list.

    What is tidy already stays the very same.
    """
    made = [tidy_brick(brick, slots) for brick in chain]
    same = all(new is old for new, old in zip(made, chain, strict=True))
    return chain if same else type(chain)(made)  # pyright: ignore[reportCallIssue]


def tidy_brick(brick: Any, slots: Slots) -> Any:
    """Return one brick as it is kept."""
    if isinstance(brick, (list, tuple)):
        brick = {"type": "Sequential", "bricks": list(brick)}
    if not isinstance(brick, Mapping):
        return brick
    changed: dict[str, Any] = {}
    for name, slot in slots(brick).items():
        value = brick.get(name)
        if not isinstance(value, (Mapping, list, tuple)):
            continue
        chain = chain_of(value)
        if slot == "chains":
            parts = [tidied(chain_of(part), slots) for part in chain]
            same = all(new is old for new, old in zip(parts, chain, strict=True))
            tidy: Any = chain if same else type(chain)(parts)  # pyright: ignore[reportCallIssue]
        else:
            tidy = tidied(chain, slots)
        if tidy is not value:
            changed[name] = tidy
    return {**brick, **changed} if changed else brick
