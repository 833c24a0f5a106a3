"""Types found by a few letters, and the arguments that are typed behind them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brickbook.blueprint import ARGUMENT_AXES, kinds
from brickbook.config import unwrap_partial
from brickbook.errors import BadArgumentError, UnknownNameError, nearest
from brickbook.lab.form import Field, fields_of, parse_field

__all__ = ["Found", "find_types", "read_request"]

MOST_SHOWN = 8
DIMENSION = re.compile(r"(\d)d$", re.IGNORECASE)
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|[a-z]+|\d+[a-z]*")


@dataclass(frozen=True)
class Found:
    """A type that a text may mean: its kind, as in `kinds`, and its name there."""

    kind: str
    name: str


def find_types(text: str, shape: Sequence[int] | None = None) -> list[Found]:
    """Return the types whose names ``text`` may mean, the likeliest first.

    The whole name goes before its beginning, that before the beginning of one of its words, of
    several of its words, a part anywhere, letters in their order; then the name of the class in the
    same way. Among equals, those for the axes of a sample of
    ``shape`` go first, then the order of the registries.

    >>> [found.name for found in find_types("maxpool", (3, 32, 32))][:2]
    ['MaxPool2d', 'MaxPool1d']
    >>> find_types("btl")[0].name
    'BaseTransformerLayer'
    """
    wanted = text.strip().casefold()
    if not wanted:
        return []
    ranked: list[tuple[tuple[int, bool], Found]] = []
    seen: set[tuple[str, int]] = set()
    for kind, registry in kinds().items():
        for name, make in list(registry.module_dict.items()):
            rank = rank_of(wanted, name)
            if rank is None:
                rank = rank_of(wanted, getattr(unwrap_partial(make), "__name__", ""), 10)
            if rank is None or (name, id(make)) in seen:
                continue
            seen.add((name, id(make)))
            axes = DIMENSION.search(name)
            misfit = bool(shape and axes and int(axes.group(1)) != len(shape) - 1)
            ranked.append(((rank, misfit), Found(kind, name)))
    return [found for _, found in sorted(ranked, key=lambda pair: pair[0])][:MOST_SHOWN]


def rank_of(wanted: str, name: str, best: int = 0) -> int | None:
    """Return how well a name fits, ``best`` for the whole of it; None if it does not."""
    low, words = name.casefold(), [word.casefold() for word in WORD.findall(name)]
    several = "".join(f"{re.escape(letter)}.*" for letter in wanted)
    tests = (
        lambda: low == wanted,
        lambda: low.startswith(wanted),
        lambda: any("".join(words[at:]).startswith(wanted) for at in range(1, len(words))),
        lambda: begins_words(wanted, words),
        lambda: wanted in low,
        lambda: len(wanted) > 2 and any(re.match(several, "".join(words[at:]))
                                        for at in range(len(words))),
    )  # fmt: skip
    return next((best + at for at, test in enumerate(tests) if test()), None)


def begins_words(wanted: str, words: Sequence[str]) -> bool:
    """Whether a text is made of beginnings of words, in their order.

    >>> begins_words("batno", ["batch", "norm"]), begins_words("norba", ["batch", "norm"])
    (True, False)
    """
    if not wanted:
        return True
    for at, word in enumerate(words):
        for length in range(min(len(word), len(wanted)), 0, -1):
            if word.startswith(wanted[:length]) and begins_words(wanted[length:], words[at + 1 :]):
                return True
    return False


def read_request(
    text: str, shape: Sequence[int] | None = None, chosen: str = ""
) -> tuple[Found, dict[str, Any]]:
    """Return the type that a text means, and the arguments behind it.

    Numbers and words stand for the arguments that the type must have and no input tells, in their
    order; ``name=value`` for any. ``chosen`` is the type that was chosen from the list, as
    ``"kind name"``.

    Raises:
        UnknownNameError: No type is meant.
        BadArgumentError: An argument is unknown, or cannot be read.

    >>> read_request("lin 120")
    (Found(kind='model', name='Linear'), {'out_features': 120})
    """
    word, *rest = split_words(text) or [""]
    if chosen:
        kind, _, name = chosen.partition(" ")
        found = Found(kind, name)
    else:
        matches = find_types(word, shape)
        if not matches:
            known = [name for registry in kinds().values() for name in list(registry.module_dict)]
            raise UnknownNameError("type", f"no brick is called {word!r}.", nearest(word, known))
        found = matches[0]
    make = kinds()[found.kind].module_dict[found.name]
    return found, read_arguments(make, rest)


def split_words(text: str) -> list[str]:
    """Split at blanks and commas that stand in no brackets.

    >>> split_words("conv 6 (3, 5), stride=2")
    ['conv', '6', '(3, 5)', 'stride=2']
    """
    return re.findall(r"(?:\([^()]*\)|[^\s,(])+", text)


def read_arguments(make: Callable[..., Any], words: Sequence[str]) -> dict[str, Any]:
    """Return the arguments that words say."""
    fields = {field.name: field for field in fields_of(make)}
    in_order = [f for f in fields.values() if f.required and f.name not in ARGUMENT_AXES]
    name_of_type = getattr(unwrap_partial(make), "__name__", "type")
    found: dict[str, Any] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if sign:
            field = find_field(fields, name.strip(), name_of_type)
        elif not in_order:
            raise BadArgumentError(word, f"{name_of_type} takes no more without its name.")
        else:
            field, value = in_order.pop(0), word
        found[field.name] = parse_field(field, value)
    return found


def find_field(fields: Mapping[str, Field], name: str, name_of_type: str) -> Field:
    """Return the field of an argument."""
    if name not in fields:
        problem = f"{name_of_type} has no such argument."
        raise BadArgumentError(name, problem, nearest(name, fields))
    return fields[name]
