"""``%brickbook VERB …`` in a notebook: parse a line, call one public function.

The table of verbs and all that it needs of IPython stand here together, however long.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_magic, magics_class
from torch import nn

from brickbook.cli import init_cfg_of
from brickbook.errors import ConfigError, nearest
from brickbook.measure import Snapshot
from brickbook.views.markup import snapshot_html

__all__ = ["VERBS", "Verb", "complete", "load", "run"]


class Parser(argparse.ArgumentParser):
    """A parser that tells the user instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        """Raise what IPython shows as one line."""
        raise UsageError(f"{message}\n{self.format_usage().strip()}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Raise: ``--help`` is answered by the verb ``help`` instead."""
        raise UsageError(message or "see %brickbook help")


@dataclass(frozen=True)
class Verb:
    """One row of the table of verbs: what it says of itself, its options, what it calls."""

    summary: str
    options: Callable[[Parser], object]
    call: Callable[[InteractiveShell, argparse.Namespace], Any]
    takes_model: bool = False

    def parser(self, name: str) -> Parser:
        """Return the parser of the verb's own line."""
        parser = Parser(prog=f"%brickbook {name}", description=self.summary, add_help=False)
        self.options(parser)
        return parser


def show_options(parser: Parser) -> None:
    """State what ``show`` takes."""
    parser.add_argument("model", help="the name of a model: a variable, or a dotted name")
    parser.add_argument("--init", metavar="TYPE", help="start with a rule for this initialiser")
    parser.add_argument("--layer", action="append", default=[], help="a class the rule speaks of")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="an argument of the rule"
    )
    parser.add_argument("--cfg", metavar="NAME", help="a variable that holds an init_cfg")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draws (default 0)")


def show(shell: InteractiveShell, arguments: argparse.Namespace) -> Any:
    """Open the init lab for a model; outside a notebook return its numbers as a table."""
    model = model_named(shell, arguments.model)
    if arguments.cfg and arguments.init:
        raise UsageError("--init cannot stand beside --cfg: one of them says the rules.")
    cfg = value_named(shell, arguments.cfg) if arguments.cfg else None
    if cfg is None:
        cfg = init_cfg_of(argparse.Namespace(**{**vars(arguments), "cfg": None}))
    if not in_notebook(shell):
        if cfg is not None:
            raise UsageError("there is no panel outside a notebook: call initialize(model, cfg).")
        from brickbook.measure import snapshot
        from brickbook.views.tables import snapshot_frame

        return snapshot_frame(snapshot(model))
    from brickbook.lab import InitLab

    return InitLab(
        model,
        name=arguments.model,
        init_cfg=cfg,
        seed=arguments.seed,
        namespace=shell.user_ns,
    )


def build_options(parser: Parser) -> None:
    """State what ``build`` takes."""
    parser.add_argument("config", nargs="?", help="a variable that holds bricks to start from")
    parser.add_argument(
        "--as", dest="name", default="model", metavar="NAME", help="the variable for the model"
    )
    parser.add_argument(
        "--input", default="3,32,32", metavar="SHAPE", help="input shape without the batch"
    )
    parser.add_argument("--empty", action="store_true", help="start without any brick")


def build(shell: InteractiveShell, arguments: argparse.Namespace) -> Any:
    """Open the builder; outside a notebook build the config and name the model."""
    from brickbook.blueprint import Blueprint
    from brickbook.cli import shape_of

    if not arguments.name.isidentifier():
        raise UsageError(f"--as {arguments.name}: not a name for a variable.")
    blueprint = Blueprint() if arguments.empty else None
    if arguments.config:
        held = value_named(shell, arguments.config)
        blueprint = held if isinstance(held, Blueprint) else Blueprint.from_config(held)
    shape = shape_of(arguments.input)
    if not in_notebook(shell):
        if blueprint is None or not len(blueprint):
            raise UsageError("outside a notebook: name a variable that holds the bricks.")
        shell.user_ns[arguments.name] = blueprint.build()
        return shell.user_ns[arguments.name]
    from brickbook.lab import Builder

    return Builder(blueprint, name=arguments.name, namespace=shell.user_ns, input_shape=shape)


def help_options(parser: Parser) -> None:
    """State what ``help`` takes."""
    parser.add_argument("about", nargs="?", help="a verb")


def tell(shell: InteractiveShell, arguments: argparse.Namespace) -> None:
    """Print what the verbs do, or all options of one."""
    if arguments.about:
        print(verb_named(arguments.about).parser(arguments.about).format_help())
        return
    width = max(map(len, VERBS))
    rows = (f"  %brickbook {name:<{width}}  {verb.summary}" for name, verb in VERBS.items())
    print("\n".join((*rows, "\n%brickbook help VERB tells a verb's options.")))


VERBS: dict[str, Verb] = {
    "build": Verb("Build a model from layers, and get it and its config.", build_options, build),
    "show": Verb(
        "Look at a model's weights, start them by rules, compare before and after.",
        show_options,
        show,
        takes_model=True,
    ),
    "help": Verb("Say what the verbs do.", help_options, tell),
}


def run(shell: InteractiveShell, line: str) -> Any:
    """Carry out one line; a mistake in it is a UsageError, which IPython shows as one line."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{line}: {error}") from None
    name, *rest = words or ["help"]
    verb = verb_named(name)
    try:
        return verb.call(shell, verb.parser(name).parse_args(rest))
    except ConfigError as error:
        raise UsageError(str(error)) from error


def verb_named(name: str) -> Verb:
    """Return a verb of the table."""
    if name not in VERBS:
        raise UsageError(f"%brickbook has no verb {name!r}. {nearest(name, VERBS)}")
    return VERBS[name]


def value_named(shell: InteractiveShell, name: str) -> Any:
    """Return what a variable of the user, or an attribute of one, holds."""
    first, *rest = name.split(".")
    if first not in shell.user_ns:
        raise UsageError(f"there is no variable {first!r}. {hint(shell, first)}".rstrip())
    value = shell.user_ns[first]
    for part in rest:
        value = getattr(value, part, None)
        if value is None:
            raise UsageError(f"{name}: there is no {part!r}.")
    return value


def model_named(shell: InteractiveShell, name: str) -> nn.Module:
    """Return the model a name means."""
    value = value_named(shell, name)
    if not isinstance(value, nn.Module):
        raise UsageError(
            f"{name} is no torch.nn.Module but {type(value).__name__}. {hint(shell, name)}".rstrip()
        )
    return value


def hint(shell: InteractiveShell, name: str) -> str:
    """Point at the nearest model of the user."""
    names = models(shell.user_ns)
    return nearest(name, names) if names else "No variable holds a model yet."


def models(namespace: Mapping[str, Any]) -> list[str]:
    """Return the names of the user's models."""
    return sorted(
        name
        for name, value in namespace.items()
        if isinstance(value, nn.Module) and not name.startswith("_")
    )


def complete(shell: InteractiveShell, event: Any) -> list[str]:
    """Complete verbs, names of models and options of a ``%brickbook`` line."""
    words = event.line[: event.line.find("brickbook") + len("brickbook")]
    rest = event.line[len(words) :].split()
    if event.symbol and rest:
        rest = rest[:-1]  # the word being typed
    if not rest:
        return list(VERBS)
    verb = VERBS.get(rest[0])
    if verb is None:
        return []
    if rest[0] == "help":
        return list(VERBS)
    options = [text for action in verb.parser("")._actions for text in action.option_strings]
    if verb.takes_model and len(rest) == 1:
        return models(shell.user_ns)
    return options


def in_notebook(shell: InteractiveShell) -> bool:
    """Whether there is a front end that can show widgets."""
    return getattr(shell, "kernel", None) is not None


@magics_class
class BrickbookMagics(Magics):
    """The one magic of brickbook."""

    @line_magic
    def brickbook(self, line: str) -> Any:
        """%brickbook build | show | help: see %brickbook help."""
        shell: Any = self.shell
        return run(shell, line)


def load(shell: InteractiveShell) -> None:
    """Register the magic, its completion, and a table for snapshots."""
    shell.register_magics(BrickbookMagics)
    formatter: Any = shell.display_formatter
    formatter.formatters["text/html"].for_type(Snapshot, snapshot_html)
    for key in ("%brickbook", "brickbook"):
        shell.set_hook("complete_command", complete, str_key=key)
