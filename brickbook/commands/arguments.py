"""Arguments that several commands share, and how they are read."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from textwrap import dedent
from typing import Any, cast

import torch
from torch import nn

from brickbook.commands.command import CommandUsageError, Frontend, Parser
from brickbook.commands.files import complete_files, read_text
from brickbook.commands.user_code.load_model import find_maker
from brickbook.config import is_plain_word, parse_literal, parse_shape
from brickbook.errors import BadValueError, ConfigError
from brickbook.init.initializers import INITIALIZERS
from brickbook.init.planning import InitOptions

__all__ = [
    "add_batch",
    "add_model_argument",
    "add_plan_options",
    "add_rule_arguments",
    "add_seed",
    "complete_batches",
    "complete_configs",
    "complete_models",
    "complete_records",
    "find_builder",
    "parse_key_value",
    "plan_options",
    "read_batch",
    "read_cell",
    "read_config",
    "read_init_cfg",
    "read_inline",
]

NO_RULE_GIVEN = "there is no rule: --init or --cfg is missing."
NESTING_ERRORS = (RecursionError, MemoryError)  # a thousand brackets


def read_config(file: str) -> Any:
    """Read a file with JSON or a Python literal, in which ``dict(...)`` may stand."""
    value, why = parse_text(read_text(file))
    if why:
        raise BadValueError(file, f"neither JSON ({why[0]}) nor a Python literal.")
    return value


def read_cell(body: str) -> Any:
    """Read the body of a cell: JSON or a Python literal, also ``name = …``; comments are fine."""
    if not body.strip():
        raise BadValueError("the cell", "holds no config.")
    value, why = parse_text(body)
    if why:
        problem = f"neither a Python literal ({why[1]}) nor JSON ({why[0]})."
        raise BadValueError("the cell", problem)
    return value


def read_inline(word: str) -> Any:
    """Read a config that stands in the line itself; None if the word is not one."""
    if not word.lstrip().startswith(("dict(", "{", "[")):
        return None
    value, why = parse_text(word)
    if why:
        raise BadValueError(word, f"is no Python literal ({why[1]}).")
    return value


def parse_text(text: str) -> tuple[Any, tuple[str, str] | None]:
    """Return the value of a text, or why it is neither JSON nor a Python literal."""
    try:
        return json.loads(text), None
    except (json.JSONDecodeError, *NESTING_ERRORS) as error:
        no_json = str(error)
    try:
        return parse_literal(assigned_text(text)), None
    except SyntaxError as error:
        place = f"line {error.lineno}: " if error.lineno and "\n" in text else ""
        return None, (no_json, f"{place}{error.msg}")
    except (ValueError, *NESTING_ERRORS) as error:
        # ast names the node by its address: what it is says more, and the same each time.
        text = str(error)
        text = "it holds a name or a call" if text.startswith("malformed node") else text
        return None, (no_json, text)


def assigned_text(text: str) -> str:
    """Return what stands right of ``name =``, or all of a text that is no such line."""
    text = dedent(text).strip()
    lines = ast.parse(text).body
    if len(lines) > 1:
        raise ValueError(f"expected one config, found {len(lines)} statements")
    only = lines[0] if lines else None
    if isinstance(only, ast.Assign) and all(isinstance(one, ast.Name) for one in only.targets):
        return ast.get_source_segment(text, only.value) or text
    return text


def parse_key_value(word: str) -> tuple[str, Any]:
    """Read ``key=value``."""
    key, equals, value = word.partition("=")
    if not equals:
        raise BadValueError("--set", f"expected KEY=VALUE, got {word!r}.")
    try:
        return key, value if is_plain_word(value) else parse_literal(value)
    except (ValueError, SyntaxError):
        return key, value


def complete_models(frontend: Frontend, words: Sequence[str], typed: str) -> Iterable[str]:
    """Return names of models."""
    return frontend.variable_names("model", typed)


def complete_configs(frontend: Frontend, words: Sequence[str], typed: str) -> Iterable[str]:
    """Return names of configs, and files that may hold one."""
    return [*frontend.variable_names("config", typed), *complete_files(frontend, words, typed)]


def complete_records(frontend: Frontend, words: Sequence[str], typed: str) -> Iterable[str]:
    """Return names of records and models, and files."""
    return [*frontend.variable_names("record", typed), *complete_files(frontend, words, typed)]


def complete_batches(frontend: Frontend, words: Sequence[str], typed: str) -> Iterable[str]:
    """Return names of variables that may be meant as a batch."""
    return frontend.variable_names("batch", typed)


def complete_initializers(frontend: Frontend, words: Sequence[str], typed: str) -> Iterable[str]:
    """Return the initialisers by name."""
    return sorted(INITIALIZERS.module_dict)


def complete_layers(frontend: Frontend, words: Sequence[str], typed: str) -> Iterable[str]:
    """Return the classes that are in the model of the line, after a comma too."""
    head, comma, _ = typed.rpartition(",")
    try:
        found = frontend.model(next(word for word in words[1:] if not word.startswith("-")))
    except (ConfigError, StopIteration):
        return []
    kinds = {type(part).__name__ for part in found.modules() if not list(part.children())}
    return [f"{head}{comma}{kind}" for kind in sorted(kinds)]


def complete_rule_arguments(frontend: Frontend, words: Sequence[str], typed: str) -> Iterable[str]:
    """Return the arguments of the initialiser that the line names."""
    at = words.index("--init") + 1 if "--init" in words else len(words)
    make = INITIALIZERS.get(words[at]) if at < len(words) else None
    if make is None or not dataclasses.is_dataclass(make):
        return []
    found = (one.name for one in dataclasses.fields(make) if one.init)
    return [f"{name}=" for name in found if name != "layer"]


def add_model_argument(parser: Parser, frontend: Frontend) -> None:
    """Add the model that a command is about."""
    what = (
        "package.module:callable, file.py:callable, torchvision:NAME or timm:NAME; "
        "the callable is called without arguments"
    )
    if not frontend.is_shell:
        what = "the name of a model: a variable, or a dotted name; or torchvision:NAME, timm:NAME"
    parser.add("model", complete=complete_models, help=what)


def add_rule_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the ways to say an init_cfg: an initialiser and its arguments, or the whole."""
    parser.add(
        "--init", metavar="TYPE", complete=complete_initializers,
        help="initialise by a rule of this type: Kaiming, Normal, Constant, …",
    )  # fmt: skip
    parser.add(
        "--layer", action="append", default=[], complete=complete_layers,
        help="a class that the rule matches; may be repeated",
    )  # fmt: skip
    parser.add(
        "--set", action="append", default=[], metavar="KEY=VALUE", complete=complete_rule_arguments,
        help="an argument of the rule, such as std=0.01; may be repeated",
    )  # fmt: skip
    what = "a file" if frontend.is_shell else "a variable or a file"
    parser.add(
        "--cfg", metavar="FILE" if frontend.is_shell else "NAME",
        complete=complete_files if frontend.is_shell else complete_configs,
        help=f"{what} with an init_cfg: JSON or a Python literal; or the literal itself",
    )  # fmt: skip


def add_plan_options(parser: Parser) -> None:
    """Add the options of a plan beside its rules."""
    parser.add("--strict", action="store_true", help="a rule without effect is an error")
    parser.add(
        "--order", choices=("brickbook", "mmcv"), default="brickbook",
        help="mmcv: an override wins only over what stands before it",
    )  # fmt: skip
    parser.add(
        "--frozen", choices=("init", "skip"), default="init",
        help="skip: leave parameters that take no gradient",
    )  # fmt: skip
    parser.add("--only-missing", action="store_true", help="leave what a checkpoint has loaded")
    parser.add(
        "--protect", action="append", default=[], metavar="WORD", complete=complete_layers,
        help="a class, name or pattern that nothing may write; may be repeated",
    )  # fmt: skip


def plan_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options of `plan` that the line has, by name."""
    keys = (field.name for field in dataclasses.fields(InitOptions))
    return {key: getattr(arguments, key) for key in keys if hasattr(arguments, key)}


def add_seed(parser: Parser) -> None:
    """Add ``--seed``, None without it."""
    parser.add("--seed", type=int, help="seed of the draws; the same weights each time")


def add_batch(parser: Parser, frontend: Frontend, purpose: str = "data-driven rules run") -> None:
    """Add ``--batch``; `read_batch` reads it.

    Args:
        parser: The parser of the command.
        frontend: A shell knows shapes alone, a notebook variables too.
        purpose: What the batch is for, in the help.
    """
    parser.add(
        "--batch", metavar="SHAPE" if frontend.is_shell else "NAME",
        complete=None if frontend.is_shell else complete_batches,
        help=f"what {purpose} the model on: a variable, "
        "or a shape such as 8,3,32,32 for normal noise",
    )  # fmt: skip


def read_init_cfg(frontend: Frontend, arguments: argparse.Namespace) -> Any:
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
        return frontend.config(arguments.cfg)
    if not arguments.init:
        if arguments.layer or arguments.set:
            raise BadValueError("--layer" if arguments.layer else "--set", NO_RULE_GIVEN)
        return None
    own = dict(parse_key_value(word) for word in arguments.set)
    kinds = [word for text in arguments.layer for word in text.split(",") if word]
    return {"type": arguments.init, **own, **({"layer": kinds} if kinds else {})}


def read_batch(frontend: Frontend, word: str | None, seed: int | None) -> Any:
    """Return a batch: a variable, or normal noise of a shape; None without a word."""
    if not word:
        return None
    if word[0].isdigit():
        shape = parse_shape(word, "--batch")
        generator = torch.Generator().manual_seed(seed or 0)
        return torch.randn(shape, generator=generator)
    return frontend.record_or_model(word)


def find_builder(frontend: Frontend, name: str) -> Callable[[], nn.Module]:
    """Return what builds the model that a name means."""
    if frontend.is_shell or ":" in name:
        return find_maker(name)
    first, *rest = name.split(".")
    value: Any = frontend.namespace.get(first)
    for part in rest:
        value = getattr(value, part, None)
    if isinstance(value, nn.Module):
        hint = "Give the class or the function that builds it."
        raise CommandUsageError(f"{name} is built already: nothing of it can be seen.", hint)
    if not callable(value):
        raise CommandUsageError(f"there is no class or function {name!r} that builds a model.")
    return cast("Callable[[], nn.Module]", value)
