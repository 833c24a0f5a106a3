"""``build``: a model from layers by name."""

from __future__ import annotations

import argparse
from typing import Any

import torch

from brickbook.blueprint import Blueprint
from brickbook.measure import shapes
from brickbook.verbs import options
from brickbook.verbs.reading import shape_of
from brickbook.verbs.verb import Answer, Door, Parser, Verb, WrongLineError
from brickbook.views.text import shapes_text

__all__ = ["VERB"]


def take(parser: Parser, door: Door) -> None:
    """State what ``build`` takes."""
    if door.shell:
        parser.take(
            "config", of=options.files,
            help="a file with JSON or a Python literal; dict(...) is fine",
        )  # fmt: skip
        parser.take(
            "--input", metavar="SHAPE", help="input shape without the batch, such as 3,32,32"
        )
        parser.take("--python", action="store_true", help="print only the Python that builds it")
        parser.take(
            "--save", metavar="FILE", of=options.files, help="save the state dict with torch.save"
        )
        return
    parser.take(
        "config", nargs="?", of=options.configs,
        help="a variable or a file that holds bricks to start from",
    )  # fmt: skip
    parser.take(
        "--as", dest="name", default="model", metavar="NAME", help="the variable for the model"
    )
    parser.take("--input", default="3,32,32", metavar="SHAPE", help="input shape without the batch")
    parser.take("--empty", action="store_true", help="start without any brick")


def build(door: Door, arguments: argparse.Namespace) -> Any:
    """Open the builder; without a notebook build the config and name the model."""
    if door.shell:
        return from_file(door, arguments)
    if not arguments.name.isidentifier():
        raise WrongLineError(f"--as {arguments.name}: not a name for a variable.")
    blueprint = Blueprint() if arguments.empty else None
    if arguments.config:
        held = door.config(arguments.config)
        blueprint = held if isinstance(held, Blueprint) else Blueprint.from_config(held)
    shape = shape_of(arguments.input)
    if not door.widgets:
        if blueprint is None or not len(blueprint):
            raise WrongLineError("outside a notebook: name a variable that holds the bricks.")
        door.namespace[arguments.name] = blueprint.build(shape if blueprint.open else None)
        return door.namespace[arguments.name]
    from brickbook.lab import Builder  # the panels need ipywidgets

    return Builder(blueprint, name=arguments.name, namespace=door.namespace, input_shape=shape)


def from_file(door: Door, arguments: argparse.Namespace) -> Answer:
    """Build a model and say its layers; code 1 if the input does not go through."""
    target = options.target(arguments.save, "--save", force=True) if arguments.save else None
    blueprint = Blueprint.from_config(door.config(arguments.config))
    shape = shape_of(arguments.input) if arguments.input else None
    given = shape if blueprint.open else None  # sizes that follow from the input
    model = blueprint.build(given)
    trace = shapes(model, (1, *shape)) if shape is not None else None
    if target is not None:
        torch.save(model.state_dict(), target)
    if arguments.python:  # alone, so that the output is a program
        lines = [blueprint.to_python(input_shape=given).rstrip()]
    else:
        total = sum(value.numel() for value in model.parameters())
        lines = [repr(model) if trace is None else shapes_text(trace)]
        lines.append(f"{len(model)} bricks, {total:,} parameters")
        lines += [f"saved to {arguments.save}"] if arguments.save else []
    return Answer("\n".join(lines), int(trace is not None and bool(trace.error)))


VERB = Verb("Build a model from layers, and get it and its config.", take, build)
