"""The table of commands, and how a line is run; a new command is a file and a row here.

A command's file is imported when its line is read: what only helps does without torch.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from brickbook.commands.command import (
    Command,
    CommandEntry,
    CommandUsageError,
    Frontend,
    HelpRequested,
    Message,
    Parser,
)
from brickbook.errors import nearest

__all__ = ["COMMANDS", "run"]


def add_help_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the argument of ``help``."""
    parser.add("about", nargs="?", complete=lambda *_: COMMANDS, metavar="VERB", help="a verb")


def run_help(frontend: Frontend, arguments: argparse.Namespace) -> Message:
    """Return what the commands do, or all options of one."""
    if arguments.about:
        entry = find_command(arguments.about, frontend)
        return Message(entry.parser(arguments.about, frontend).format_help().rstrip())
    width = max(map(len, COMMANDS))
    rows = (
        f"  {frontend.prefix} {name:<{width}}  {entry.summary}" for name, entry in COMMANDS.items()
    )
    return Message("\n".join((*rows, "", f"{frontend.prefix} help VERB tells a verb's options.")))


HELP = Command(add_help_arguments, run_help)

COMMANDS: Mapping[str, CommandEntry] = {
    "build": CommandEntry("build:BUILD", "Build a model from layers, and get it and its config."),
    "show": CommandEntry(
        "show:SHOW",
        "Look at a model's weights, initialise them by rules, compare before and after.",
        takes_cell=True,
    ),
    "plan": CommandEntry(
        "init:PLAN",
        "Say which rule would fill which parameter with which law; nothing is written.",
        takes_cell=True,
    ),
    "init": CommandEntry(
        "init:INIT",
        "Initialise a model's weights as an init_cfg says, and report what was done.",
        takes_cell=True,
    ),
    "compare": CommandEntry(
        "inspect:COMPARE", "Say what each of several configs would make of the same model."
    ),
    "diff": CommandEntry(
        "inspect:DIFF", "Say what differs between two plans, snapshots, checkpoints or models."
    ),
    "complexity": CommandEntry(
        "inspect:COMPLEXITY", "Count a model's multiply-adds, parameters and activation memory."
    ),
    "draw": CommandEntry("pictures.draw:DRAW", "Draw a model as boxes by its layers."),
    "export": CommandEntry(
        "inspect:EXPORT", "Write a plan, report, snapshot, comparison or model to a file."
    ),
    "law": CommandEntry(
        "pictures.law:LAW",
        "Look at an initialiser's law, and what twenty such layers do to a signal.",
    ),
    "race": CommandEntry(
        "pictures.race:RACE",
        "Train a model for some steps from several starts, on the same batches.",
    ),
    "trace": CommandEntry(
        "trace:TRACE", "Say which line of code writes which weight while a model is built."
    ),
    "identify": CommandEntry(
        "identify:IDENTIFY", "Say which known start each tensor of a checkpoint or model still has."
    ),
    "lock": CommandEntry("lock:LOCK", "Keep in a file how a model starts."),
    "check": CommandEntry("lock:CHECK", "Say what starts otherwise than a lock file says."),
    "presets": CommandEntry(
        "presets:PRESETS", "List how models of the literature start, or write one as a config."
    ),
    "zoo": CommandEntry("zoo:ZOO", "List published weights, fetch them, convert checkpoints."),
    "migrate": CommandEntry(
        "migrate:MIGRATE",
        "Migrate configs and code of MMClassification 0.x and MMSelfSup 0.x to 1.x.",
        takes_cell=True,
        read_cell=str,  # the text itself
    ),
    "help": CommandEntry("table:HELP", "Say what the verbs do."),
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
    entry = find_command(name, frontend)
    parser = entry.parser(name, frontend)
    try:
        arguments = parser.parse_args(rest)
    except HelpRequested as asked:
        return Message(str(asked).rstrip())
    if cell is not None:
        if not entry.takes_cell:
            able = ", ".join(key for key, one in COMMANDS.items() if one.takes_cell)
            raise CommandUsageError(f"{name} takes no cell.", f"These do: {able}.")
        read_cell = entry.read_cell
        if read_cell is None:  # it loads torch, which help does not need
            from brickbook.commands.arguments import read_cell

        arguments.cell = read_cell(cell)
    return entry.load().run(frontend, arguments)


def find_command(name: str, frontend: Frontend) -> CommandEntry:
    """Return a row of the table; CommandUsageError if there is none."""
    if name not in COMMANDS:
        raise CommandUsageError(f"{frontend.prefix} has no verb {name!r}.", nearest(name, COMMANDS))
    return COMMANDS[name]
