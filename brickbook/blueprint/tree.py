"""Blueprints as trees: which arguments of a brick hold bricks, paths, and edits at a path.

What an edit does not touch stays the very same object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar

from brickbook.config import unwrap_partial
from brickbook.errors import BadArgumentError

__all__ = [
    "FindSlots",
    "Key",
    "Path",
    "Slot",
    "as_chain",
    "as_path",
    "chains_in",
    "format_path",
    "insert_at",
    "node_at",
    "normalize_chain",
    "remove_at",
    "replace_at",
    "slots_of",
    "takes_bricks",
    "walk",
]

T = TypeVar("T", bound=Callable[..., Any])
Slot = Literal["chain", "chains", "maker"]


def takes_bricks(**slots: Slot) -> Callable[[T], T]:
    """Say which arguments of a class or function are bricks, given as a list of configs.

    ``"chain"``: the argument gets the bricks in a `Sequential`. ``"chains"``: a list of lists
    becomes a list of Sequentials. ``"maker"``: the argument gets a function without arguments,
    which makes the bricks in a Sequential anew each time it is called.

    >>> from torch import nn
    >>> @takes_bricks(body="chain")
    ... class Doubled(nn.Module):
    ...     def __init__(self, body):
    ...         super().__init__()
    ...         self.body = body
    >>> slots_of(Doubled)
    {'body': 'chain'}
    """

    def mark(make: T) -> T:
        make.brick_slots = slots  # pyright: ignore[reportFunctionMemberAccess] - ours to set
        return make

    return mark


def slots_of(make: Callable[..., Any]) -> Mapping[str, Slot]:
    """Return the arguments of ``make`` that hold bricks, in order."""
    return getattr(unwrap_partial(make), "brick_slots", {})


Key = int | str

# (2,) is the third brick, (2, "body", 0) the first of those that it holds as ``body``.
Path = tuple[Key, ...]

# Which arguments of a config hold bricks; none for a type that is not known.
FindSlots = Callable[[Mapping[str, Any]], Mapping[str, Slot]]


def as_path(at: int | Sequence[Key]) -> Path:
    """Return a place as a path; a number is that of a brick at the top."""
    path = (at,) if isinstance(at, int) else tuple(at)
    if not path or not all(isinstance(key, (int, str)) for key in path):
        raise BadArgumentError(
            "at", f"expected a number or a path such as (2, 'body', 0), got {at!r}."
        )
    return path


def format_path(path: Path, root: str = "bricks") -> str:
    """Write a path as in Python.

    >>> format_path((2, "branches", 1, 0))
    'bricks[2].branches[1][0]'
    """
    return root + "".join(f".{key}" if isinstance(key, str) else f"[{key}]" for key in path)


def as_chain(value: object) -> Sequence[Any]:
    """Return the bricks of a chain: None holds none, a config alone is one of one brick."""
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return value
    return [value]


def child_at(holder: Any, key: Key) -> Any:
    """Return what a chain has at a number, or a config under a name; IndexError if nothing."""
    if isinstance(key, int):
        chain = as_chain(holder)
        return chain[range(len(chain))[key]]
    if not isinstance(holder, Mapping):
        raise IndexError(f"there is no {key!r} in {holder!r}")
    return holder.get(key)


def node_at(bricks: Any, path: Path) -> Any:
    """Return the brick or the chain at a path; IndexError if there is none."""
    for key in path:
        bricks = child_at(bricks, key)
    return bricks


def edit_at(holder: Any, path: Path, change: Callable[[Any, Key], Any]) -> Any:
    """Return ``holder`` with ``change(part, last key)`` in the place of what holds the last key."""
    head, rest = path[0], path[1:]
    if not rest:
        return change(holder, head)
    inner = edit_at(child_at(holder, head), rest, change)
    if isinstance(head, str):
        return {**holder, head: inner}
    chain = as_chain(holder)
    at = range(len(chain))[head]
    return splice(chain, at, at + 1, inner)


def splice(chain: Sequence[Any], start: int, end: int, *new: Any) -> Sequence[Any]:
    """Return a chain of the same type with ``new`` instead of the part from start to end."""
    return type(chain)((*chain[:start], *new, *chain[end:]))  # pyright: ignore[reportCallIssue]


def insert_at(bricks: Any, path: Path, value: Any) -> Any:
    """Return the tree with ``value`` before what is at ``path`` now; a name is given that value."""

    def change(holder: Any, key: Key) -> Any:
        if isinstance(key, str):
            return {**holder, key: value}
        chain = as_chain(holder)
        at = slice(key, None).indices(len(chain))[0]
        return splice(chain, at, at, value)

    return edit_at(bricks, path, change)


def replace_at(bricks: Any, path: Path, new: Sequence[Any]) -> Any:
    """Return the tree with ``new`` instead of what is at ``path``; a name is given the first."""

    def change(holder: Any, key: Key) -> Any:
        if isinstance(key, str):
            return {**holder, key: new[0]}
        chain = as_chain(holder)
        at = range(len(chain))[key]
        return splice(chain, at, at + 1, *new)

    return edit_at(bricks, path, change)


def remove_at(bricks: Any, path: Path) -> Any:
    """Return the tree without what is at ``path``; IndexError if there is nothing."""

    def change(holder: Any, key: Key) -> Any:
        if isinstance(key, str):
            return {name: value for name, value in holder.items() if name != key}
        chain = as_chain(holder)
        at = range(len(chain))[key]
        return splice(chain, at, at + 1)

    return edit_at(bricks, path, change)


def chains_in(cfg: Any, slots: Mapping[str, Slot], path: Path) -> list[tuple[Path, Sequence[Any]]]:
    """Return the chains that a brick holds, each with its path."""
    found: list[tuple[Path, Sequence[Any]]] = []
    for name, slot in slots.items():
        value = cfg.get(name)
        if slot == "chains":
            parts = enumerate(as_chain(value))
            found += [((*path, name, at), as_chain(part)) for at, part in parts]
        else:
            found.append(((*path, name), as_chain(value)))
    return found


def walk(bricks: Sequence[Any], slots: FindSlots, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every brick with its path, a brick before those in it."""
    for at, cfg in enumerate(bricks):
        here = (*path, at)
        yield here, cfg
        if isinstance(cfg, Mapping):
            for inside, chain in chains_in(cfg, slots(cfg), here):
                yield from walk(chain, slots, inside)


def normalize_chain(chain: Any, slots: FindSlots) -> Any:
    """Return bricks in a blueprint's form: a list among them is a Sequential, a chain a list.

    What is tidy already stays the very same.
    """
    made = [normalize_brick(brick, slots) for brick in chain]
    same = all(new is old for new, old in zip(made, chain, strict=True))
    return chain if same else type(chain)(made)  # pyright: ignore[reportCallIssue]


def normalize_brick(brick: Any, slots: FindSlots) -> Any:
    """Return one brick in the form of a blueprint."""
    if isinstance(brick, (list, tuple)):
        brick = {"type": "Sequential", "bricks": list(brick)}
    if not isinstance(brick, Mapping):
        return brick
    changed: dict[str, Any] = {}
    for name, slot in slots(brick).items():
        value = brick.get(name)
        if not isinstance(value, (Mapping, list, tuple)):
            continue
        chain = as_chain(value)
        if slot == "chains":
            parts = [normalize_chain(as_chain(part), slots) for part in chain]
            same = all(new is old for new, old in zip(parts, chain, strict=True))
            tidy: Any = chain if same else type(chain)(parts)  # pyright: ignore[reportCallIssue]
        else:
            tidy = normalize_chain(chain, slots)
        if tidy is not value:
            changed[name] = tidy
    return {**brick, **changed} if changed else brick
