"""The table of verbs, and how a line is carried out; a new verb is a file and a row here."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from brickbook.errors import nearest
from brickbook.verbs import build, compare, complexity, diff, export, init, plan, show, zoo
from brickbook.verbs.reading import cell_config
from brickbook.verbs.verb import Answer, Door, HelpAsked, Parser, Verb, WrongLineError

__all__ = ["VERBS", "run", "verb_named"]


def take(parser: Parser, door: Door) -> None:
    """State what ``help`` takes."""
    parser.take("about", nargs="?", of=lambda *_: VERBS, metavar="VERB", help="a verb")


def tell(door: Door, arguments: argparse.Namespace) -> Answer:
    """Say what the verbs do, or all options of one."""
    if arguments.about:
        verb = verb_named(arguments.about, door)
        return Answer(verb.parser(arguments.about, door).format_help().rstrip())
    width = max(map(len, VERBS))
    rows = (f"  {door.prefix} {name:<{width}}  {verb.summary}" for name, verb in VERBS.items())
    return Answer("\n".join((*rows, "", f"{door.prefix} help VERB tells a verb's options.")))


VERBS: Mapping[str, Verb] = {
    "build": build.VERB,
    "show": show.VERB,
    "plan": plan.VERB,
    "init": init.VERB,
    "compare": compare.VERB,
    "diff": diff.VERB,
    "complexity": complexity.VERB,
    "export": export.VERB,
    "zoo": zoo.VERB,
    "help": Verb("Say what the verbs do.", take, tell),
}


def run(door: Door, words: Sequence[str], cell: str | None = None) -> Any:
    """Carry out one line, in a notebook with the body of its cell.

    Returns what the verb returns. Raises ConfigErrors: of a line that cannot be read a
    `WrongLineError`.
    """
    name, *rest = words or ["help"]
    verb = verb_named(name, door)
    parser = verb.parser(name, door)
    try:
        arguments = parser.parse_args(rest)
    except HelpAsked as asked:
        return Answer(str(asked).rstrip())
    if cell is not None:
        if not verb.takes_cell:
            able = ", ".join(key for key, one in VERBS.items() if one.takes_cell)
            raise WrongLineError(f"{name} takes no cell.", f"These do: {able}.")
        arguments.cell = cell_config(cell)
    return verb.call(door, arguments)


def verb_named(name: str, door: Door) -> Verb:
    """Return a verb of the table."""
    if name not in VERBS:
        raise WrongLineError(f"{door.prefix} has no verb {name!r}.", nearest(name, VERBS))
    return VERBS[name]
