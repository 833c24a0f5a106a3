"""``show``: a model's weights, and what an initialisation makes of them."""

from __future__ import annotations

import argparse
from typing import Any

from brickbook.commands.arguments import (
    NO_RULE_GIVEN,
    add_batch,
    add_model_argument,
    add_rule_arguments,
    add_seed,
    find_builder,
    read_batch,
    read_init_cfg,
)
from brickbook.commands.command import Command, CommandUsageError, Frontend, Message, Parser
from brickbook.commands.files import check_target, complete_files
from brickbook.config import parse_shape
from brickbook.errors import BadValueError
from brickbook.files import write_whole
from brickbook.init.execution import execute
from brickbook.init.planning import plan
from brickbook.measure.snapshot import compare, snapshot
from brickbook.views.page import page
from brickbook.views.text import comparison_text

__all__ = ["SHOW"]


def add_show_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the arguments of ``show``."""
    add_model_argument(parser, frontend)
    add_rule_arguments(parser, frontend)
    add_seed(parser)
    if frontend.is_shell:
        parser.add("--strict", action="store_true", help="a rule without effect is an error")
        parser.add("--bins", type=int, default=64, help="bins of a histogram (default 64)")
        parser.add(
            "--html",
            metavar="FILE",
            complete=complete_files,
            help="write a self-contained page",
        )
        return
    add_batch(parser, frontend, "the diagnosis and data-driven rules run")
    parser.add(
        "--input", metavar="SHAPE",
        help="input shape without the batch, such as 3,32,32: the diagnosis draws normal noise",
    )  # fmt: skip
    text = "what builds such a model: its own start is in the menu of presets then"
    parser.add("--trace", metavar="FUNCTION", help=text)


def run_show(frontend: Frontend, arguments: argparse.Namespace) -> Any:
    """Open the init lab; without a notebook give the numbers."""
    model = frontend.model(arguments.model)
    cfg = read_init_cfg(frontend, arguments)
    if frontend.is_shell:
        return initialize_and_compare(model, cfg, arguments)
    for option in ("batch", "input", "trace"):
        if getattr(arguments, option) and not frontend.has_widgets:
            raise BadValueError(f"--{option}", "is for the panel: there is none here.")
    if not frontend.has_widgets:
        if cfg is not None:
            raise CommandUsageError(
                "there is no panel outside a notebook: call initialize(model, cfg).",
                "Or say compare, which leaves the model as it is.",
            )
        return snapshot(model).frame()
    from brickbook.lab import InitLab  # the panels need ipywidgets

    built_by = arguments.trace or (arguments.model if ":" in arguments.model else None)
    build = find_builder(frontend, built_by) if built_by else None

    seed = 0 if arguments.seed is None else arguments.seed
    if arguments.batch and arguments.input:
        raise BadValueError("--input", "cannot stand beside --batch: that has a shape.")
    return InitLab(
        model,
        name="model" if ":" in arguments.model else arguments.model,
        init_cfg=cfg,
        seed=seed,
        batch=read_batch(frontend, arguments.batch, arguments.seed),
        input_shape=parse_shape(arguments.input, "--input") if arguments.input else None,
        namespace=frontend.namespace,
        build=build,
    )


def initialize_and_compare(model: Any, cfg: Any, arguments: argparse.Namespace) -> Message:
    """Initialise a model, and return its numbers before and after as text or a page."""
    if cfg is None and (arguments.strict or arguments.seed is not None):
        given = "--strict" if arguments.strict else "--seed"
        raise BadValueError(given, NO_RULE_GIVEN)
    file = check_target(arguments.html, "--html", force=True) if arguments.html else None
    before = snapshot(model, bins=arguments.bins)
    todo = plan(model, cfg if cfg is not None else [], strict=arguments.strict)
    report = execute(todo, model, seed=arguments.seed) if cfg is not None else None
    comparison = compare(before, snapshot(model, bins=arguments.bins) if report else before)
    if file is not None:
        write_whole(file, page(arguments.model, comparison, todo, report), "--html")
        text = f"{file}: {len(comparison)} tensors"
    else:
        text = comparison_text(comparison)
    return Message(text if report is None else f"{text}\n{report!r}")


SHOW = Command(add_show_arguments, run_show)
