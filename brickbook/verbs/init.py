"""``init``: start a model's weights, and report what was done."""

from __future__ import annotations

import argparse
from typing import Any

import torch

from brickbook.errors import BadValueError
from brickbook.init.plan import plan
from brickbook.verbs import options
from brickbook.verbs.verb import Door, Parser, Verb

__all__ = ["VERB"]


def take(parser: Parser, door: Door) -> None:
    """State what ``init`` takes."""
    options.model(parser, door)
    options.rules(parser, door)
    options.planning(parser)
    parser.take("--seed", type=int, help="seed of the draws; the same weights each time")
    parser.take(
        "--atomic", action="store_true",
        help="keep a copy of the model, and put it back if anything fails",
    )  # fmt: skip
    parser.take(
        "--batch", metavar="NAME" if not door.shell else "SHAPE",
        of=None if door.shell else options.batches,
        help="what data-driven rules run the model on: a variable, "
        "or a shape such as 8,3,32,32 for normal noise",
    )  # fmt: skip
    parser.take("--dry-run", action="store_true", help="only say what would be done, as plan does")
    parser.take(
        "--save", metavar="FILE", of=options.files, help="save the state dict with torch.save"
    )
    parser.take("--force", action="store_true", help="replace a file that is there")


def start(door: Door, arguments: argparse.Namespace) -> Any:
    """Write the weights and return the report; with --dry-run return the plan."""
    model = door.model(arguments.model)
    cfg = options.rules_of(door, arguments)
    if arguments.save and arguments.dry_run:
        raise BadValueError("--save", "cannot stand beside --dry-run: there is nothing to save.")
    target = options.target(arguments.save, "--save", arguments.force) if arguments.save else None
    todo = plan(model, cfg, **options.plan_options(arguments))
    if arguments.dry_run:
        return todo
    batch = options.batch_of(door, arguments.batch, arguments.seed)
    report = door.carry_out(todo, model, arguments.seed, arguments.atomic, batch)
    if target is not None:
        torch.save(model.state_dict(), target)
    return report


VERB = Verb(
    "Start a model's weights as an init_cfg says, and report what was done.",
    take,
    start,
    takes_cell=True,
)
