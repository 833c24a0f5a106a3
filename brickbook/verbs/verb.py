"""What a verb is: a summary, its options as argparse knows them, and what it calls."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, Protocol

from torch import nn

from brickbook.errors import ConfigError
from brickbook.init.initplan import InitPlan
from brickbook.init.report import InitReport

__all__ = ["Answer", "Door", "HelpAsked", "Parser", "Source", "Verb", "WrongLineError"]


class Door(Protocol):
    """What a verb asks of the place where its line was typed."""

    @property
    def prefix(self) -> str:
        """What stands before the verb."""
        ...

    @property
    def shell(self) -> bool:
        """Whether it is a shell: there are files and no variables."""
        ...

    @property
    def widgets(self) -> bool:
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

    def thing(self, name: str) -> Any:
        """Return the record, state dict or model that a name means."""
        ...

    def names(self, kind: str, typed: str) -> Iterable[str]:
        """Return names that may be meant: of a "model", "config", "batch" or "thing"."""
        ...

    def writing(self) -> AbstractContextManager[object]:
        """Return what is held while a model is copied: nobody else writes it then."""
        ...

    def carry_out(
        self, todo: InitPlan, model: nn.Module, seed: int | None, atomic: bool, batch: Any
    ) -> InitReport:
        """Initialise a model by a plan; a panel that shows it hears of that."""
        ...


# What may stand where a word is being typed: the words before it, and what is there of it.
Source = Callable[[Door, Sequence[str], str], Iterable[str]]


class WrongLineError(ConfigError):
    """A line that cannot be carried out; ``usage`` says what could stand there."""

    def __init__(self, problem: str, hint: str = "", usage: str = "") -> None:
        super().__init__("", problem, hint)
        self.usage = usage

    def __str__(self) -> str:
        return f"{self.problem} {self.hint}".rstrip()


class HelpAsked(Exception):  # noqa: N818 - it is no error
    """``--help`` stands in the line."""


@dataclass(frozen=True)
class Answer:
    """What a verb has to say where it has no value to give; ``code`` is for a shell."""

    text: str
    code: int = 0


class Parser(argparse.ArgumentParser):
    """A parser that raises instead of leaving the process, and knows what can be completed."""

    def __init__(self, prog: str, description: str) -> None:
        self.taken: list[argparse.Action] = []
        self.sources: dict[str, Source] = {}
        shape = partial(argparse.HelpFormatter, width=96)
        super().__init__(
            prog=prog,
            description=description,
            add_help=False,
            allow_abbrev=False,
            formatter_class=shape,
        )
        self.color = False  # Python 3.14 paints help, which a notebook would show as codes
        self.take("-h", "--help", action=AskHelp, help="say this")

    def take(self, *names: str, of: Source | None = None, **kwargs: Any) -> None:
        """Add an argument as ``add_argument`` does; ``of`` gives what can be completed."""
        action = self.add_argument(*names, **kwargs)
        self.taken.append(action)
        if of is not None:
            self.sources[action.dest] = of

    def error(self, message: str) -> NoReturn:
        """Raise what is shown as one line, and the usage."""
        raise WrongLineError(message, usage=" ".join(self.format_usage().split()))


class AskHelp(argparse.Action):
    """Raise the help text at the first ``--help``."""

    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, **kwargs)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Ask."""
        raise HelpAsked(parser.format_help())


@dataclass(frozen=True)
class Verb:
    """One row of the table of verbs.

    ``options`` adds to a parser what the verb takes at a front door, ``call`` carries it out and
    returns a value to show, an `Answer`, or None. With ``takes_cell`` the body of a notebook cell
    may stand for ``--cfg``.
    """

    summary: str
    options: Callable[[Parser, Door], object]
    call: Callable[[Door, argparse.Namespace], Any]
    takes_cell: bool = False

    def parser(self, name: str, door: Door) -> Parser:
        """Return the parser of the verb's own line."""
        parser = Parser(f"{door.prefix} {name}", self.summary)
        self.options(parser, door)
        return parser
