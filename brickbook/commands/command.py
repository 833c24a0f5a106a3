"""A command: its summary, its arguments as argparse knows them, and what it calls."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from brickbook.errors import ConfigError
from brickbook.printable import escape_controls

if TYPE_CHECKING:
    from torch import nn

    from brickbook.init.execution import InitReport
    from brickbook.init.planning import InitPlan

__all__ = [
    "Command",
    "CommandEntry",
    "CommandUsageError",
    "Frontend",
    "HelpRequested",
    "Message",
    "Parser",
]


class Frontend(Protocol):
    """What a command asks of the place where its line was typed."""

    @property
    def prefix(self) -> str:
        """What stands before the name of a command."""
        ...

    @property
    def is_shell(self) -> bool:
        """Whether it is a shell: there are files and no variables."""
        ...

    @property
    def has_widgets(self) -> bool:
        """Whether panels can be shown."""
        ...

    @property
    def namespace(self) -> MutableMapping[str, Any]:
        """The user's variables."""
        ...

    def model(self, name: str) -> nn.Module:
        """Return the model that a name means."""
        ...

    def config(self, name: str) -> Any:
        """Return the config that a name means."""
        ...

    def record_or_model(self, name: str) -> Any:
        """Return the record, state dict or model that a name means."""
        ...

    def variable_names(self, kind: str, typed: str) -> Iterable[str]:
        """Return names that may be meant: of a "model", "config", "batch" or "record"."""
        ...

    def model_lock(self) -> AbstractContextManager[object]:
        """Return the lock to hold while a model is copied, so that nobody else writes it."""
        ...

    def execute(
        self, plan: InitPlan, model: nn.Module, seed: int | None, atomic: bool, batch: Any
    ) -> InitReport:
        """Initialise a model by a plan, through a panel that shows it if there is one."""
        ...


# What may stand where a word is being typed: the words before it, and what is there of it.
Completer = Callable[[Frontend, Sequence[str], str], Iterable[str]]


class CommandUsageError(ConfigError):
    """A line that cannot be carried out; ``usage`` says what could stand there."""

    def __init__(self, problem: str, hint: str = "", usage: str = "") -> None:
        super().__init__("", problem, hint)
        self.usage = usage

    def __str__(self) -> str:
        return escape_controls(f"{self.problem} {self.hint}".rstrip(), kept="\n\t")


class HelpRequested(Exception):  # noqa: N818 - it is no error
    """``--help`` stands in the line."""


@dataclass(frozen=True)
class Message:
    """The text that a command shows instead of a value.

    Attributes:
        text: What is shown.
        exit_code: For a shell.
        notes: What is said beside the text: on stderr in a shell.
        exact: The text is that of a file: a pipe gets it as it is.
    """

    text: str
    exit_code: int = 0
    notes: str = ""
    exact: bool = False


class Parser(argparse.ArgumentParser):
    """A parser that raises instead of leaving the process, and knows what can be completed."""

    def __init__(self, prog: str, description: str) -> None:
        self.arguments: list[argparse.Action] = []
        self.completers: dict[str, Completer] = {}
        shape = partial(argparse.HelpFormatter, width=96)
        super().__init__(
            prog=prog,
            description=description,
            add_help=False,
            allow_abbrev=False,
            formatter_class=shape,
        )
        self.color = False  # Python 3.14 paints help, which a notebook would show as codes
        self.add("-h", "--help", action=HelpAction, help="say this")

    def add(self, *names: str, complete: Completer | None = None, **kwargs: Any) -> None:
        """Add an argument as ``add_argument`` does; ``complete`` returns what may stand there."""
        action = self.add_argument(*names, **kwargs)
        self.arguments.append(action)
        if complete is not None:
            self.completers[action.dest] = complete

    def error(self, message: str) -> NoReturn:
        """Raise what is shown as one line, and the usage."""
        raise CommandUsageError(message, usage=" ".join(self.format_usage().split()))


class HelpAction(argparse.Action):
    """Raise the help text at the first ``--help``."""

    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, **kwargs)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Raise the help text of the parser."""
        raise HelpRequested(parser.format_help())


@dataclass(frozen=True)
class Command:
    """What a command takes and does.

    Attributes:
        add_arguments: Adds to a parser what the command takes at a front end.
        run: Runs it; returns a value to show, a `Message`, or None.
    """

    add_arguments: Callable[[Parser, Frontend], object]
    run: Callable[[Frontend, argparse.Namespace], Any]


@dataclass(frozen=True)
class CommandEntry:
    """One row of the table of commands; the command itself is loaded when it is asked for.

    Attributes:
        place: The file of the command below ``brickbook.commands`` and its name there, as in
            ``"build:BUILD"``.
        summary: One sentence for the help.
        takes_cell: Whether the body of a notebook cell may stand for ``--cfg``.
        read_cell: Makes a value of that body; None reads it as a config.
    """

    place: str
    summary: str
    takes_cell: bool = False
    read_cell: Callable[[str], Any] | None = None

    def load(self) -> Command:
        """Import the command."""
        file, _, name = self.place.partition(":")
        return getattr(import_module(f"brickbook.commands.{file}"), name)

    def parser(self, name: str, frontend: Frontend) -> Parser:
        """Return the parser of the command's own line."""
        parser = Parser(f"{frontend.prefix} {name}", self.summary)
        self.load().add_arguments(parser, frontend)
        return parser
