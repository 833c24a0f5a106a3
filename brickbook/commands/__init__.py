"""The commands of brickbook: one table for ``%brickbook`` in a notebook, IPython, and the shell.

A command is its arguments and the public function that it calls; its file is loaded when its line
is read, and what only a notebook needs when it is asked for.
"""

from typing import TYPE_CHECKING, Any

from brickbook.commands.command import (
    Command,
    CommandEntry,
    CommandUsageError,
    Frontend,
    Message,
    Parser,
)
from brickbook.commands.frontends.completion import complete
from brickbook.commands.frontends.shell import ShellFrontend
from brickbook.commands.table import COMMANDS, run

if TYPE_CHECKING:
    from brickbook.commands.frontends.notebook import NotebookFrontend

__all__ = [
    "COMMANDS",
    "Command",
    "CommandEntry",
    "CommandUsageError",
    "Frontend",
    "Message",
    "NotebookFrontend",
    "Parser",
    "ShellFrontend",
    "complete",
    "run",
]


def __getattr__(name: str) -> Any:
    if name == "NotebookFrontend":
        from brickbook.commands.frontends.notebook import NotebookFrontend

        return NotebookFrontend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
