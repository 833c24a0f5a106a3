"""What can stand where a word is being typed: commands, names, options and their values."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence

from brickbook.commands.command import Frontend, Parser
from brickbook.commands.table import COMMANDS

__all__ = ["complete"]


def complete(frontend: Frontend, words: Sequence[str], typed: str) -> list[str]:
    """Return all that may stand for ``typed`` after ``words``, of which the first is the command.

    A path may come back whose beginning is ``typed``; nothing is raised for a line that is wrong.
    """
    if not words:
        return [name for name in COMMANDS if name.startswith(typed)]
    if words[0] not in COMMANDS:
        return []
    parser = COMMANDS[words[0]].parser(words[0], frontend)
    open_option, place = next_argument(parser, words[1:])
    if open_option is not None:
        found = complete_value(parser, open_option, frontend, words, typed)
    elif typed.startswith("-"):
        name, equals, begun = typed.partition("=")
        option = options_by_name(parser).get(name)
        if equals and option is not None:
            found = (
                f"{name}={value}"
                for value in complete_value(parser, option, frontend, words, begun)
            )
        else:
            found = (name for name in options_by_name(parser) if name.startswith("--"))
    elif place is not None:
        found = complete_value(parser, place, frontend, words, typed)
    else:
        found = (name for name in options_by_name(parser) if name.startswith("--"))
    return [word for word in found if word.startswith(typed)]


def next_argument(
    parser: Parser, words: Sequence[str]
) -> tuple[argparse.Action | None, argparse.Action | None]:
    """Return the option that waits for its value, else the place whose turn it is."""
    options = options_by_name(parser)
    places = [action for action in parser.arguments if not action.option_strings]
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


def options_by_name(parser: Parser) -> dict[str, argparse.Action]:
    """Return the options by all their names."""
    return {name: action for action in parser.arguments for name in action.option_strings}


def complete_value(
    parser: Parser, action: argparse.Action, frontend: Frontend, words: Sequence[str], typed: str
) -> Iterable[str]:
    """Return what an argument may be."""
    if action.choices is not None:
        return [str(choice) for choice in action.choices]
    source = parser.completers.get(action.dest)
    return source(frontend, words, typed) if source is not None else ()
