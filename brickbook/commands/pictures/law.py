"""``law``: what an initialiser's law looks like on one layer, and what twenty such layers do."""

from __future__ import annotations

import argparse
from typing import Any

from brickbook.commands.arguments import add_seed, complete_initializers, parse_key_value
from brickbook.commands.command import Command, Frontend, Message, Parser
from brickbook.commands.files import add_force, check_target, complete_files
from brickbook.config import parse_shape
from brickbook.errors import BadValueError
from brickbook.measure.law_study import LAYER_KINDS, LayerSize, study_law
from brickbook.views.export import export

__all__ = ["LAW"]


def add_law_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the arguments of ``law``."""
    parser.add("type", complete=complete_initializers, help="an initialiser, such as Kaiming")
    parser.add("--set", action="append", default=[], metavar="KEY=VALUE", help="an argument of it")
    parser.add("--fan-in", type=int, metavar="N", help="inputs of a linear layer (default 512)")
    parser.add("--fan-out", type=int, metavar="N", help="outputs of it (default 512)")
    parser.add("--shape", help="the weight's shape instead, such as 64,3,7,7 of a convolution")
    kinds = ", ".join(LAYER_KINDS)
    parser.add(
        "--layer", metavar="KIND", complete=lambda *_: LAYER_KINDS, help=f"its class: {kinds}"
    )
    parser.add(
        "--activation", default="ReLU", metavar="TYPE", help="what follows each layer: ReLU, linear"
    )
    add_seed(parser)
    parser.add(
        "--out",
        metavar="FILE",
        complete=complete_files,
        help="write it to a file: .html, .svg, .png, .csv or .json",
    )
    add_force(parser)


def run_law(frontend: Frontend, arguments: argparse.Namespace) -> Any:
    """Open the law playground; without a notebook, or with a file, give the study."""
    cfg = {"type": arguments.type, **dict(map(parse_key_value, arguments.set))}
    size, seed = read_size(arguments), arguments.seed or 0
    if frontend.has_widgets and not arguments.out:
        from brickbook.lab import LawPlayground  # the panels need ipywidgets

        return LawPlayground(cfg, layer=size, activation=arguments.activation, seed=seed)
    if arguments.out:
        check_target(arguments.out, "--out", arguments.force)
    study = study_law(cfg, size, activation=arguments.activation, seed=seed)
    if arguments.out:
        export(study, arguments.out, force=arguments.force, title=study.title)
        return Message(f"{arguments.out}: {study.title}: {study.law}")
    return study


def read_size(arguments: argparse.Namespace) -> LayerSize | None:
    """Return the layer that a line means, None where it says nothing."""
    fans = arguments.fan_in, arguments.fan_out
    if arguments.shape:
        if fans != (None, None):
            raise BadValueError("--shape", "cannot stand beside --fan-in and --fan-out.")
        return LayerSize.of_weight(parse_shape(arguments.shape, "--shape"), arguments.layer or "")
    if fans == (None, None) and not arguments.layer:
        return None
    kind = arguments.layer or "Linear"
    kernel = (3,) * LAYER_KINDS[kind][0] if kind in LAYER_KINDS else ()
    ins, outs = (512 if fan is None else fan for fan in fans)
    return LayerSize(kind, ins, outs, kernel)


LAW = Command(add_law_arguments, run_law)
