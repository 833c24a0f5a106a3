"""What can stand where a word is being typed: verbs, names, options and their values."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence

from brickbook.verbs.table import VERBS
from brickbook.verbs.verb import Door, Parser

__all__ = ["complete"]


def complete(door: Door, words: Sequence[str], typed: str) -> list[str]:
    """Return all that may stand for ``typed`` after ``words``, of which the first is the verb.

    A path may come back whose beginning is ``typed``; nothing is raised for a line that is wrong.
    """
    if not words:
        return [name for name in VERBS if name.startswith(typed)]
    if words[0] not in VERBS:
        return []
    parser = VERBS[words[0]].parser(words[0], door)
    open_option, place = where(parser, words[1:])
    if open_option is not None:
        found = values(parser, open_option, door, words, typed)
    elif typed.startswith("-"):
        name, equals, begun = typed.partition("=")
        option = by_name(parser).get(name)
        if equals and option is not None:
            found = (f"{name}={value}" for value in values(parser, option, door, words, begun))
        else:
            found = (name for name in by_name(parser) if name.startswith("--"))
    elif place is not None:
        found = values(parser, place, door, words, typed)
    else:
        found = (name for name in by_name(parser) if name.startswith("--"))
    return [word for word in found if word.startswith(typed)]


def where(
    parser: Parser, words: Sequence[str]
) -> tuple[argparse.Action | None, argparse.Action | None]:
    """Return the option that waits for its value, else the place whose turn it is."""
    options = by_name(parser)
    places = [action for action in parser.taken if not action.option_strings]
    waiting, filled = None, 0
    for word in words:
        if waiting is not None:
            waiting = None
        elif word.startswith("-"):
            option = options.get(word)
            waiting = option if option is not None and option.nargs != 0 else None
        else:
            filled += 1
    if waiting is not None or not places:
        return waiting, None
    many = places[-1].nargs in ("+", "*")
    at = min(filled, len(places) - 1) if many else filled
    return None, places[at] if at < len(places) else None


def by_name(parser: Parser) -> dict[str, argparse.Action]:
    """The options by all their names."""
    return {name: action for action in parser.taken for name in action.option_strings}


def values(
    parser: Parser, action: argparse.Action, door: Door, words: Sequence[str], typed: str
) -> Iterable[str]:
    """What an argument may be."""
    if action.choices is not None:
        return [str(choice) for choice in action.choices]
    source = parser.sources.get(action.dest)
    return source(door, words, typed) if source is not None else ()
