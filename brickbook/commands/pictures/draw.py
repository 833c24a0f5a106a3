"""``draw``: a model as boxes by its layers."""

from __future__ import annotations

import argparse
from typing import Any

from brickbook.commands.arguments import add_batch, add_model_argument, read_batch
from brickbook.commands.command import Command, Frontend, Message, Parser
from brickbook.commands.files import add_force, complete_files
from brickbook.config import parse_shape
from brickbook.errors import BadValueError
from brickbook.measure.network import network
from brickbook.views.export import SUFFIXES, export

__all__ = ["DRAW"]


def add_draw_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the arguments of ``draw``."""
    add_model_argument(parser, frontend)
    parser.add(
        "--input", metavar="SHAPE",
        help="input shape without the batch, such as 3,224,224 (default: what the first layer "
        "suggests)",
    )  # fmt: skip
    add_batch(parser, frontend, "draw runs")
    endings = ", ".join(suffix for suffix in SUFFIXES if suffix != ".bins.csv")
    parser.add(
        "--out", metavar="FILE", complete=complete_files,
        help=f"where to; its ending says how: {endings}",
    )  # fmt: skip
    add_force(parser)


def run_draw(frontend: Frontend, arguments: argparse.Namespace) -> Any:
    """Return the network of a model, or write its picture."""
    model = frontend.model(arguments.model)
    if arguments.batch and arguments.input:
        raise BadValueError("--input", "cannot stand beside --batch: that has a shape.")
    shape = (1, *parse_shape(arguments.input, "--input")) if arguments.input else None
    with frontend.model_lock():  # a forward that asks for values runs on the model itself
        found = network(model, read_batch(frontend, arguments.batch, 0), input_shape=shape)
    if not arguments.out:
        return found
    file = export(found, arguments.out, force=arguments.force, title=arguments.model)
    return Message(f"{file}: {file.stat().st_size:,} bytes", notes=found.error)


DRAW = Command(add_draw_arguments, run_draw)
