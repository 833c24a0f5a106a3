"""``plan``: what an init_cfg would do to a model; nothing is written."""

from __future__ import annotations

import argparse
from typing import Any

from brickbook.init.plan import plan
from brickbook.verbs import options
from brickbook.verbs.verb import Door, Parser, Verb

__all__ = ["VERB"]


def take(parser: Parser, door: Door) -> None:
    """State what ``plan`` takes."""
    options.model(parser, door)
    options.rules(parser, door)
    options.planning(parser)
    parser.take("--json", metavar="FILE", of=options.files, help="write the plan as JSON too")
    parser.take("--force", action="store_true", help="replace a file that is there")


def say(door: Door, arguments: argparse.Namespace) -> Any:
    """Return the plan; without rules that of the configs that the modules carry."""
    model = door.model(arguments.model)
    cfg = options.rules_of(door, arguments)
    todo = plan(model, cfg, **options.plan_options(arguments))
    if arguments.json:
        options.write(todo.to_json(), arguments.json, "--json", arguments.force)
    return todo


VERB = Verb(
    "Say which rule would fill which parameter with which law; nothing is written.",
    take,
    say,
    takes_cell=True,
)
