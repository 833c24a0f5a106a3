"""The commands of brickbook: one table for ``%brickbook`` in a notebook, IPython, and the shell.

A command is its summary, its arguments, and the public function that it calls.
"""

from brickbook.commands.command import Command, CommandUsageError, Frontend, Message, Parser
from brickbook.commands.completion import complete
from brickbook.commands.frontends import NotebookFrontend, ShellFrontend
from brickbook.commands.table import COMMANDS, run

__all__ = [
    "COMMANDS",
    "Command",
    "CommandUsageError",
    "Frontend",
    "Message",
    "NotebookFrontend",
    "Parser",
    "ShellFrontend",
    "complete",
    "run",
]
