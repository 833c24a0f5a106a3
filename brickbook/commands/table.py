"""The table of commands, and how a line is run; a new command is a file and a row here."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from brickbook.commands.arguments import read_cell
from brickbook.commands.build import BUILD
from brickbook.commands.command import (
    Command,
    CommandUsageError,
    Frontend,
    HelpRequested,
    Message,
    Parser,
)
from brickbook.commands.init import INIT, PLAN
from brickbook.commands.inspect import COMPARE, COMPLEXITY, DIFF, EXPORT
from brickbook.commands.show import SHOW
from brickbook.commands.zoo import ZOO
from brickbook.errors import nearest

__all__ = ["COMMANDS", "run"]


def add_help_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the argument of ``help``."""
    parser.add("about", nargs="?", complete=lambda *_: COMMANDS, metavar="VERB", help="a verb")


def run_help(frontend: Frontend, arguments: argparse.Namespace) -> Message:
    """Return what the commands do, or all options of one."""
    if arguments.about:
        command = find_command(arguments.about, frontend)
        return Message(command.parser(arguments.about, frontend).format_help().rstrip())
    width = max(map(len, COMMANDS))
    rows = (
        f"  {frontend.prefix} {name:<{width}}  {command.summary}"
        for name, command in COMMANDS.items()
    )
    return Message("\n".join((*rows, "", f"{frontend.prefix} help VERB tells a verb's options.")))


COMMANDS: Mapping[str, Command] = {
    "build": BUILD,
    "show": SHOW,
    "plan": PLAN,
    "init": INIT,
    "compare": COMPARE,
    "diff": DIFF,
    "complexity": COMPLEXITY,
    "export": EXPORT,
    "zoo": ZOO,
    "help": Command("Say what the verbs do.", add_help_arguments, run_help),
}


def run(frontend: Frontend, words: Sequence[str], cell: str | None = None) -> Any:
    """Run one line.

    Args:
        frontend: Where it was typed.
        words: The name of a command and its arguments; none is ``help``.
        cell: The body of the notebook cell below the line.

    Returns:
        What the command returns: a value to show, a `Message`, or None.

    Raises:
        CommandUsageError: For a line that cannot be read.
        ConfigError: Of the command itself.
    """
    name, *rest = words or ["help"]
    command = find_command(name, frontend)
    parser = command.parser(name, frontend)
    try:
        arguments = parser.parse_args(rest)
    except HelpRequested as asked:
        return Message(str(asked).rstrip())
    if cell is not None:
        if not command.takes_cell:
            able = ", ".join(key for key, one in COMMANDS.items() if one.takes_cell)
            raise CommandUsageError(f"{name} takes no cell.", f"These do: {able}.")
        arguments.cell = read_cell(cell)
    return command.run(frontend, arguments)


def find_command(name: str, frontend: Frontend) -> Command:
    """Return a command of the table; CommandUsageError if there is none."""
    if name not in COMMANDS:
        raise CommandUsageError(f"{frontend.prefix} has no verb {name!r}.", nearest(name, COMMANDS))
    return COMMANDS[name]
