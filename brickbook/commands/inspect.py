"""``compare``, ``diff``, ``export`` and ``complexity``: look at records."""

from __future__ import annotations

import argparse
import json
from typing import Any

from brickbook.commands.arguments import (
    add_batch,
    add_model_argument,
    add_plan_options,
    complete_configs,
    complete_records,
    plan_options,
    read_batch,
    read_inline,
)
from brickbook.commands.command import Command, Frontend, Message, Parser
from brickbook.commands.files import add_force, add_json, complete_files, write_text
from brickbook.config import parse_shape
from brickbook.errors import BadValueError
from brickbook.measure.cost import complexity
from brickbook.measure.snapshot import alternatives
from brickbook.views.diff import differences
from brickbook.views.export import SUFFIXES, export

__all__ = ["COMPARE", "COMPLEXITY", "DIFF", "EXPORT"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def add_compare_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the arguments of ``compare``."""
    add_model_argument(parser, frontend)
    where = "files" if frontend.is_shell else "variables or files"
    parser.add(
        "configs", nargs="+", metavar="CFG",
        complete=complete_files if frontend.is_shell else complete_configs,
        help=f"{where} with an init_cfg each; or literals such as \"dict(type='Kaiming')\"",
    )  # fmt: skip
    add_plan_options(parser)
    parser.add("--seed", type=int, default=0, help="seed of all draws (default 0)")
    parser.add("--bins", type=int, default=64, help="bins of a histogram (default 64)")
    add_batch(parser, frontend)


def run_compare(frontend: Frontend, arguments: argparse.Namespace) -> Any:
    """Return what each config would make of the model, carried out on copies."""
    model = frontend.model(arguments.model)
    found = {}
    for at, word in enumerate(arguments.configs):
        name = word if read_inline(word) is None else LETTERS[at % len(LETTERS)]
        if name in found:
            raise BadValueError(name, "is named twice.")
        found[name] = frontend.config(word)
    batch = read_batch(frontend, arguments.batch, arguments.seed)
    with frontend.model_lock():  # nobody else may write while it is copied
        return alternatives(
            model,
            found,
            seed=arguments.seed,
            bins=arguments.bins,
            batch=batch,
            **plan_options(arguments),
        )


COMPARE = Command(add_compare_arguments, run_compare)


def add_diff_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the arguments of ``diff``."""
    what = "a plan, report or snapshot as JSON, a checkpoint, or a model as for show"
    if not frontend.is_shell:
        what = f"a variable with a plan, report, snapshot, model or state dict; {what}"
    parser.add("a", metavar="A", complete=complete_records, help=what)
    parser.add("b", metavar="B", complete=complete_records, help="the other")


def run_diff(frontend: Frontend, arguments: argparse.Namespace) -> Any:
    """Return what differs."""
    names = (arguments.a, arguments.b)
    return differences(
        frontend.record_or_model(arguments.a), frontend.record_or_model(arguments.b), names
    )


DIFF = Command(add_diff_arguments, run_diff)


def add_export_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the arguments of ``export``."""
    what = "a plan, report, snapshot, comparison or alternatives as JSON, a checkpoint or a model"
    if not frontend.is_shell:
        what = f"a variable with a plan, report, snapshot, comparison, model or init lab; {what}"
    parser.add("what", complete=complete_records, help=what)
    parser.add(
        "file",
        complete=complete_files,
        help=f"where to; its ending says how: {', '.join(SUFFIXES)}",
    )
    add_force(parser)
    parser.add("--title", default="", help="what stands above a page or a picture")


def run_export(frontend: Frontend, arguments: argparse.Namespace) -> Message:
    """Write the file, and say so."""
    value = frontend.record_or_model(arguments.what)
    title = arguments.title or arguments.what
    file = export(value, arguments.file, force=arguments.force, title=title)
    return Message(f"{file}: {file.stat().st_size:,} bytes")


EXPORT = Command(add_export_arguments, run_export)


def add_complexity_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the arguments of ``complexity``."""
    add_model_argument(parser, frontend)
    parser.add(
        "--input", metavar="SHAPE", required=True,
        help="input shape without the batch, such as 3,224,224",
    )  # fmt: skip
    parser.add("--batch", type=int, default=1, metavar="N", help="size of the batch (default 1)")
    parser.add(
        "--depth", type=int, metavar="N", help="modules in at most so many others (default all)"
    )
    add_json(parser, "record")


def run_complexity(frontend: Frontend, arguments: argparse.Namespace) -> Any:
    """Count, and show the modules; nothing is computed."""
    for option in ("batch", "depth"):
        given = getattr(arguments, option)
        if given is not None and given < 1:
            raise BadValueError(f"--{option}", f"expected 1 or more, got {given}.")
    shape = parse_shape(arguments.input, "--input")
    found = complexity(frontend.model(arguments.model), (arguments.batch, *shape))
    if arguments.json:
        text = json.dumps(found.to_dict(), indent=2)
        write_text(f"{text}\n", arguments.json, "--json", arguments.force)
    return found if arguments.depth is None else found.down_to(arguments.depth)


COMPLEXITY = Command(add_complexity_arguments, run_complexity)
