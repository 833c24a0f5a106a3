"""``%brickbook VERB …`` and ``%%brickbook VERB …``: parse a line, call one public function."""

from __future__ import annotations

import re
import shlex
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class

from brickbook import commands
from brickbook.commands import CommandUsageError, Message, NotebookFrontend
from brickbook.errors import ConfigError
from brickbook.live_panels import refresh_live_panels
from brickbook.printable import escape_controls
from brickbook.views.text import RECORD_TYPES, text

__all__ = ["BrickbookMagics", "complete", "load", "run"]

MAX_ROWS = 60  # of a table in a terminal, as in pandas
MAGIC_WORD = re.compile(r"%{0,2}\bbrickbook\b")


@magics_class
class BrickbookMagics(Magics):
    """The one magic of brickbook."""

    @line_cell_magic
    def brickbook(self, line: str, cell: str | None = None) -> Any:
        """%brickbook VERB: build, show, plan, init, compare, …; see %brickbook help.

        With %%brickbook init MODEL the config stands in the cell below.
        """
        shell: Any = self.shell
        return run(shell, line, cell)


def run(shell: InteractiveShell, line: str, cell: str | None = None) -> Any:
    """Run one line; a mistake in it is a UsageError, which IPython shows as one line."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{line}: {error}") from None
    try:
        answer = commands.run(notebook_frontend(shell), words, cell)
    except CommandUsageError as error:
        raise UsageError(f"{error}\n{error.usage}".rstrip()) from error
    except ConfigError as error:
        raise UsageError(str(error)) from error
    if isinstance(answer, Message):
        for text in filter(None, (answer.text, answer.notes)):
            print(escape_controls(text, kept="\n\t"))
        return None
    return answer


def notebook_frontend(shell: InteractiveShell) -> NotebookFrontend:
    """Return the front end of a shell: with widgets where a front end can show them."""
    return NotebookFrontend(shell.user_ns, has_widgets=in_notebook(shell))


def refresh_panels(*_: object) -> None:
    """Let open panels show, after a cell, what it has changed in their models."""
    refresh_live_panels()


def in_notebook(shell: InteractiveShell) -> bool:
    """Whether there is a front end that can show widgets."""
    return getattr(shell, "kernel", None) is not None


def complete(shell: InteractiveShell, event: Any) -> list[str]:
    """Complete verbs, names of models and options of a ``%brickbook`` line.

    IPython knows a word by less than what stands between spaces: what lies before its own is cut.
    """
    until = getattr(event, "text_until_cursor", event.line)
    found = MAGIC_WORD.search(until)
    if found is None:
        return []
    rest = until[found.end() :]
    words = rest.split()
    typed = "" if not rest or rest[-1].isspace() else words.pop()
    known = len(typed) - len(event.symbol) if typed.endswith(event.symbol) else 0
    return [word[known:] for word in commands.complete(notebook_frontend(shell), words, typed)]


def load(shell: InteractiveShell) -> None:
    """Register the magic and its completion, and in a terminal tables for records."""
    shell.register_magics(BrickbookMagics)
    shell.events.register("post_run_cell", refresh_panels)
    for key in ("%brickbook", "%%brickbook", "brickbook"):
        shell.set_hook("complete_command", complete, str_key=key)
    shell.set_hook("complete_command", complete, re_key=r"[\w\s,.]+=\s*%brickbook\b")
    if not in_notebook(shell):
        formatter: Any = shell.display_formatter
        for kind in RECORD_TYPES:
            formatter.formatters["text/plain"].for_type(kind, print_as_table)


def print_as_table(value: Any, printer: Any, _cycle: bool) -> None:
    """Print a record as a table."""
    printer.text(text(value, MAX_ROWS))
