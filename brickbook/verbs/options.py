"""Options that several verbs share, and what can be completed in them."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from brickbook.errors import BadValueError, ConfigError
from brickbook.init import INITIALIZERS
from brickbook.verbs.reading import argument, shape_of
from brickbook.verbs.verb import Door, Parser

__all__ = [
    "batch_of", "batches", "configs", "files", "model", "models", "plan_options", "planning",
    "rules", "rules_of", "target", "things", "write",
]  # fmt: skip

NOTHING_TO_START = "there is nothing to start with: --init or --cfg is missing."


def models(door: Door, words: Sequence[str], typed: str) -> Iterable[str]:
    """Names of models."""
    return door.names("model", typed)


def configs(door: Door, words: Sequence[str], typed: str) -> Iterable[str]:
    """Names of configs, and files that may hold one."""
    return [*door.names("config", typed), *files(door, words, typed)]


def things(door: Door, words: Sequence[str], typed: str) -> Iterable[str]:
    """Names of records and models, and files."""
    return [*door.names("thing", typed), *files(door, words, typed)]


def batches(door: Door, words: Sequence[str], typed: str) -> Iterable[str]:
    """Names of variables that may be meant as a batch."""
    return door.names("batch", typed)


def files(door: Door, words: Sequence[str], typed: str) -> Iterator[str]:
    """Files and folders beside what is typed; hidden ones if a dot is."""
    head, slash, tail = typed.rpartition("/")
    folder = Path(f"{head}{slash}" or ".").expanduser()
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return
    for path in found:
        if path.name.startswith(".") <= tail.startswith("."):
            yield f"{head}{slash}{path.name}{'/' if path.is_dir() else ''}"


def initializers(door: Door, words: Sequence[str], typed: str) -> Iterable[str]:
    """Initialisers by name."""
    return sorted(INITIALIZERS.module_dict)


def layers(door: Door, words: Sequence[str], typed: str) -> Iterable[str]:
    """The classes that are in the model of the line, after a comma too."""
    head, comma, _ = typed.rpartition(",")
    try:
        found = door.model(next(word for word in words[1:] if not word.startswith("-")))
    except (ConfigError, StopIteration):
        return []
    kinds = {type(part).__name__ for part in found.modules() if not list(part.children())}
    return [f"{head}{comma}{kind}" for kind in sorted(kinds)]


def keys(door: Door, words: Sequence[str], typed: str) -> Iterable[str]:
    """The arguments of the initialiser that the line names."""
    at = words.index("--init") + 1 if "--init" in words else len(words)
    make = INITIALIZERS.get(words[at]) if at < len(words) else None
    if make is None or not dataclasses.is_dataclass(make):
        return []
    found = (one.name for one in dataclasses.fields(make) if one.init)
    return [f"{name}=" for name in found if name != "layer"]


def model(parser: Parser, door: Door) -> None:
    """Take a model."""
    told = (
        "package.module:callable, file.py:callable, torchvision:NAME or timm:NAME; "
        "the callable is called without arguments"
    )
    if not door.shell:
        told = "the name of a model: a variable, or a dotted name; or torchvision:NAME, timm:NAME"
    parser.take("model", of=models, help=told)


def rules(parser: Parser, door: Door) -> None:
    """Take an init_cfg: by an initialiser and its arguments, or as a whole."""
    parser.take(
        "--init", metavar="TYPE", of=initializers,
        help="start with a rule for this initialiser: Kaiming, Normal, Constant, …",
    )  # fmt: skip
    parser.take(
        "--layer", action="append", default=[], of=layers,
        help="a class the rule speaks of; may be repeated",
    )  # fmt: skip
    parser.take(
        "--set", action="append", default=[], metavar="KEY=VALUE", of=keys,
        help="an argument of the rule, such as std=0.01; may be repeated",
    )  # fmt: skip
    what = "a file" if door.shell else "a variable or a file"
    parser.take(
        "--cfg", metavar="FILE" if door.shell else "NAME", of=files if door.shell else configs,
        help=f"{what} with an init_cfg: JSON or a Python literal; or the literal itself",
    )  # fmt: skip


def planning(parser: Parser) -> None:
    """Take what a plan is asked for beside its rules."""
    parser.take("--strict", action="store_true", help="a rule without effect is an error")
    parser.take(
        "--order", choices=("brickbook", "mmcv"), default="brickbook",
        help="mmcv: an override wins only over what stands before it",
    )  # fmt: skip
    parser.take(
        "--frozen", choices=("init", "skip"), default="init",
        help="skip: leave parameters that take no gradient",
    )  # fmt: skip
    parser.take("--only-missing", action="store_true", help="leave what a checkpoint has loaded")
    parser.take(
        "--protect", action="append", default=[], metavar="WORD", of=layers,
        help="a class, name or pattern that nothing may write; may be repeated",
    )  # fmt: skip


def plan_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what `planning` took, as arguments of `plan`."""
    keys = ("strict", "order", "frozen", "only_missing", "protect")
    return {key: getattr(arguments, key) for key in keys}


def rules_of(door: Door, arguments: argparse.Namespace) -> Any:
    """Return the init_cfg that the cell, --cfg, or --init with its arguments say; None without."""
    cell = getattr(arguments, "cell", None)
    if cell is not None:
        for key in ("cfg", "init", "layer", "set"):
            if getattr(arguments, key):
                raise BadValueError(f"--{key}", "cannot stand beside a cell: that says the rules.")
        return cell
    if arguments.cfg:
        for key in ("init", "layer", "set"):
            if getattr(arguments, key):
                problem = "cannot stand beside --cfg: one of them says the rules."
                raise BadValueError(f"--{key}", problem)
        return door.config(arguments.cfg)
    if not arguments.init:
        if arguments.layer or arguments.set:
            raise BadValueError("--layer" if arguments.layer else "--set", NOTHING_TO_START)
        return None
    own = dict(argument(word) for word in arguments.set)
    kinds = [word for text in arguments.layer for word in text.split(",") if word]
    return {"type": arguments.init, **own, **({"layer": kinds} if kinds else {})}


def batch_of(door: Door, word: str | None, seed: int | None) -> Any:
    """Return a batch: a variable, or normal noise of a shape; None without a word."""
    if not word:
        return None
    if word[0].isdigit():
        shape = shape_of(word, "--batch")
        generator = torch.Generator().manual_seed(seed or 0)
        return torch.randn(shape, generator=generator)
    return door.thing(word)


def target(word: str, option: str, force: bool) -> Path:
    """Return the file to write to; ValueError if it is there already, or its folder is not."""
    path = Path(word).expanduser()
    if not path.resolve().parent.is_dir():
        raise BadValueError(option, f"the folder of {word} does not exist.")
    if path.exists() and not force:
        raise BadValueError(option, f"{word} is there already.", "Say --force to replace it.")
    return path


def write(told: str, word: str, option: str, force: bool) -> None:
    """Write a text to a file."""
    target(word, option, force).write_text(told, encoding="utf-8")
