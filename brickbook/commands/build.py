"""``build``: a model from layers by name."""

from __future__ import annotations

import argparse
from typing import Any

from brickbook.blueprint import Blueprint
from brickbook.checkpoint.save import write_torch
from brickbook.commands.arguments import complete_configs
from brickbook.commands.command import Command, CommandUsageError, Frontend, Message, Parser
from brickbook.commands.files import add_save, check_target, complete_files
from brickbook.config import parse_shape
from brickbook.measure.cost import shapes
from brickbook.views.text import shapes_text

__all__ = ["BUILD"]


def add_build_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the arguments of ``build``."""
    if frontend.is_shell:
        parser.add(
            "config", complete=complete_files,
            help="a file with JSON or a Python literal; dict(...) is fine",
        )  # fmt: skip
        parser.add(
            "--input", metavar="SHAPE", help="input shape without the batch, such as 3,32,32"
        )
        parser.add("--python", action="store_true", help="print only the Python that builds it")
        add_save(parser)
        return
    parser.add(
        "config", nargs="?", complete=complete_configs,
        help="a variable or a file that holds the first bricks",
    )  # fmt: skip
    parser.add(
        "--as", dest="name", metavar="NAME",
        help="the variable for the model (default model; outside a notebook one that is there "
        "is replaced only by --as)",
    )  # fmt: skip
    parser.add("--input", default="3,32,32", metavar="SHAPE", help="input shape without the batch")
    parser.add("--empty", action="store_true", help="begin without any brick")


def run_build(frontend: Frontend, arguments: argparse.Namespace) -> Any:
    """Open the builder; without a notebook build the config and name the model."""
    if frontend.is_shell:
        return build_from_file(frontend, arguments)
    name = "model" if arguments.name is None else arguments.name
    if not name.isidentifier():
        raise CommandUsageError(f"--as {name}: not a name for a variable.")
    blueprint = Blueprint() if arguments.empty else None
    if arguments.config:
        cfg = frontend.config(arguments.config)
        blueprint = cfg if isinstance(cfg, Blueprint) else Blueprint.from_config(cfg)
    shape = parse_shape(arguments.input, "--input")
    if not frontend.has_widgets:
        if blueprint is None or not len(blueprint):
            raise CommandUsageError("outside a notebook: name a variable that holds the bricks.")
        model = blueprint.build(shape if blueprint.open else None)
        if arguments.name is None and name in frontend.namespace:
            print(f"{name} is kept as it is: this is another model. Say --as {name} to replace it.")
        else:
            frontend.namespace[name] = model
        return model
    from brickbook.lab import Builder  # the panels need ipywidgets

    return Builder(blueprint, name=name, namespace=frontend.namespace, input_shape=shape)


def build_from_file(frontend: Frontend, arguments: argparse.Namespace) -> Message:
    """Build a model and say its layers; code 1 if the input does not go through."""
    target = check_target(arguments.save, "--save", force=True) if arguments.save else None
    blueprint = Blueprint.from_config(frontend.config(arguments.config))
    shape = parse_shape(arguments.input, "--input") if arguments.input else None
    given = shape if blueprint.open else None  # sizes that follow from the input
    model = blueprint.build(given)
    trace = shapes(model, (1, *shape)) if shape is not None else None
    if target is not None:
        write_torch(model.state_dict(), target)
    if arguments.python:  # alone, so that the output is a program
        lines = [blueprint.to_python(input_shape=given).rstrip()]
    else:
        total = sum(value.numel() for value in model.parameters())
        lines = [repr(model) if trace is None else shapes_text(trace)]
        lines.append(f"{len(model)} bricks, {total:,} parameters")
        lines += [f"saved to {arguments.save}"] if arguments.save else []
    return Message("\n".join(lines), int(trace is not None and bool(trace.error)))


BUILD = Command(add_build_arguments, run_build)
