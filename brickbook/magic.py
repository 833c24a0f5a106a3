"""``%brickbook VERB …`` and ``%%brickbook VERB …``: parse a line, call one public function."""

from __future__ import annotations

import re
import shlex
import sys
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class

from brickbook.errors import ConfigError
from brickbook.verbs import VERBS, Answer, Session, WrongLineError
from brickbook.verbs import complete as candidates
from brickbook.verbs import run as carry_out
from brickbook.views.text import TEXTS, text

__all__ = ["VERBS", "BrickbookMagics", "complete", "load", "run"]

ROWS = 60  # of a table in a terminal, as in pandas
WORD = re.compile(r"%{0,2}\bbrickbook\b")


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
    """Carry out one line; a mistake in it is a UsageError, which IPython shows as one line."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{line}: {error}") from None
    try:
        answer = carry_out(session(shell), words, cell)
    except WrongLineError as error:
        raise UsageError(f"{error}\n{error.usage}".rstrip()) from error
    except ConfigError as error:
        raise UsageError(str(error)) from error
    if isinstance(answer, Answer):
        print(answer.text)
        return None
    return answer


def session(shell: InteractiveShell) -> Session:
    """Return the front door of a shell: with widgets where a front end can show them."""
    return Session(shell.user_ns, widgets=in_notebook(shell))


def look_around(*_: object) -> None:
    """Let the panels look, after a cell, whether it has changed their models."""
    panels = sys.modules.get("brickbook.lab.panels")
    if panels is not None:
        panels.look_around()


def in_notebook(shell: InteractiveShell) -> bool:
    """Whether there is a front end that can show widgets."""
    return getattr(shell, "kernel", None) is not None


def complete(shell: InteractiveShell, event: Any) -> list[str]:
    """Complete verbs, names of models and options of a ``%brickbook`` line.

    IPython knows a word by less than what stands between spaces: what lies before its own is cut.
    """
    until = getattr(event, "text_until_cursor", event.line)
    found = WORD.search(until)
    if found is None:
        return []
    rest = until[found.end() :]
    words = rest.split()
    typed = "" if not rest or rest[-1].isspace() else words.pop()
    known = len(typed) - len(event.symbol) if typed.endswith(event.symbol) else 0
    return [word[known:] for word in candidates(session(shell), words, typed)]


def load(shell: InteractiveShell) -> None:
    """Register the magic and its completion, and in a terminal tables for records."""
    shell.register_magics(BrickbookMagics)
    shell.events.register("post_run_cell", look_around)
    for key in ("%brickbook", "%%brickbook", "brickbook"):
        shell.set_hook("complete_command", complete, str_key=key)
    shell.set_hook("complete_command", complete, re_key=r"[\w\s,.]+=\s*%brickbook\b")
    if not in_notebook(shell):
        formatter: Any = shell.display_formatter
        for kind in TEXTS:
            formatter.formatters["text/plain"].for_type(kind, in_rows)


def in_rows(value: Any, printer: Any, _cycle: bool) -> None:
    """Print a record as a table."""
    printer.text(text(value, ROWS))
