"""Values that know where in the old config they stood, through every rule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

__all__ = [
    "NO_VALUE",
    "Origins",
    "Path",
    "Unread",
    "at",
    "leaves",
    "mark",
    "plain_value",
    "same",
    "split_path",
]

Path = tuple[Any, ...]
NO_VALUE = object()
STEP = re.compile(r"\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\[\"((?:[^\"\\]|\\.)*)\"\]|\.?([^.\[\]]+)")


class Marked:
    """What marked numbers and texts have in common.

    ``path`` is their place in the whole old config, ``own`` whether the file at hand wrote them.
    """

    path: Path
    own: bool

    def __copy__(self) -> Marked:
        return self

    def __deepcopy__(self, memo: Any) -> Marked:
        return self


class MarkedStr(Marked, str):
    """A text with its place."""


class MarkedInt(Marked, int):
    """A whole number with its place."""


class MarkedFloat(Marked, float):
    """A number with its place."""


class Unread(str):
    """The code of an expression whose value nobody knows without executing it."""


class MarkedUnread(Marked, Unread):
    """Such an expression with its place."""


KINDS: tuple[tuple[type, type], ...] = (
    (Unread, MarkedUnread),
    (str, MarkedStr),
    (int, MarkedInt),
    (float, MarkedFloat),
)


def mark(value: Any, own: bool, path: Path = ()) -> Any:
    """Return a copy of a config whose texts and numbers know their places; None and bool do not."""
    if isinstance(value, dict):
        return {key: mark(part, own, (*path, key)) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        parts = [mark(part, own, (*path, i)) for i, part in enumerate(value)]
        return tuple(parts) if isinstance(value, tuple) else parts
    if isinstance(value, bool):
        return value
    for kind, marked in KINDS:
        if isinstance(value, kind):
            made = marked(value)
            made.path, made.own = path, own
            return made
    return value


def plain_value(value: Any) -> Any:
    """Return a copy of a config without marks."""
    if isinstance(value, dict):
        return {plain_value(key): plain_value(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        parts = [plain_value(part) for part in value]
        return tuple(parts) if isinstance(value, tuple) else parts
    if isinstance(value, Unread):
        return Unread(value)
    for kind in (str, int, float) if isinstance(value, Marked) else ():
        if isinstance(value, kind):
            return kind(value)
    return value


def leaves(value: Any) -> Iterator[Any]:
    """Yield what is no container within a value."""
    if isinstance(value, (dict, list, tuple)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from leaves(part)
    else:
        yield value


class Origins:
    """Where in an old config marked values stood.

    Args:
        old: the old config.
    """

    def __init__(self, old: Any) -> None:
        self.old = old
        self.known: dict[int, tuple[Any, Path | None]] = {}

    def find(self, value: Any) -> Path | None:
        """Return the path of a value, of a container where most of its parts stood together.

        None if nothing in it tells.
        """
        if isinstance(value, Marked):
            return value.path
        if not isinstance(value, (dict, list, tuple)):
            return None
        if id(value) not in self.known:
            self.known[id(value)] = value, self.of_container(value)
        return self.known[id(value)][1]

    def of_container(self, value: Any) -> Path | None:
        """Let the parts of a container vote; of equal numbers the outermost place wins."""
        votes: dict[Path, int] = {}
        for part in value.values() if isinstance(value, dict) else value:
            found = self.find(part)
            place = self.holder(found, isinstance(value, dict)) if found else None
            if place is not None:
                votes[place] = votes.get(place, 0) + 1
        return max(votes, key=lambda path: (votes[path], -len(path))) if votes else None

    def holder(self, path: Path, is_dict: bool) -> Path | None:
        """Return what held a value: a list for an entry of a list.

        For an entry of a dict it is a dict, of which the value was an entry, or of an entry.
        """
        above = path[:-1]
        for place in (above, above[:-1]) if is_dict else (above,):
            old = at(self.old, place)
            if old is NO_VALUE or isinstance(old, dict) == is_dict:
                return place
        return None


def at(value: Any, path: Path) -> Any:
    """Return the value at a path, `NO_VALUE` where there is none."""
    for step in path:
        if (isinstance(value, dict) and step in value) or (
            isinstance(value, (list, tuple)) and isinstance(step, int) and step < len(value)
        ):
            value = value[step]
        else:
            return NO_VALUE
    return value


def same(a: Any, b: Any) -> bool:
    """Whether two values are the same in a config file too: 1 is not True, a list no tuple."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    for kind in (list, tuple):
        if isinstance(a, kind) or isinstance(b, kind):
            alike = isinstance(a, kind) and isinstance(b, kind) and len(a) == len(b)
            return alike and all(same(one, other) for one, other in zip(a, b, strict=True))
    for kind in (bool, int, float, str):
        if isinstance(a, kind) or isinstance(b, kind):
            return isinstance(a, kind) and isinstance(b, kind) and (a == b or (a != a and b != b))
    return a is b or a == b


def split_path(path: str) -> Path:
    """Return the steps of a note's path.

    >>> split_path("data.train.pipeline[4].mean"), split_path("a['x.y'].b")
    (('data', 'train', 'pipeline', 4, 'mean'), ('a', 'x.y', 'b'))
    """
    steps: list[Any] = []
    for number, single, double, word in STEP.findall(path):
        steps.append(int(number) if number else single or double or word)
    return tuple(steps)
