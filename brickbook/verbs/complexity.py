"""``complexity``: what a model costs, module by module."""

from __future__ import annotations

import argparse
import json
from typing import Any

from brickbook.errors import BadValueError
from brickbook.measure import complexity
from brickbook.verbs import options
from brickbook.verbs.reading import shape_of
from brickbook.verbs.verb import Door, Parser, Verb

__all__ = ["VERB"]


def take(parser: Parser, door: Door) -> None:
    """State what ``complexity`` takes."""
    options.model(parser, door)
    parser.take(
        "--input", metavar="SHAPE", required=True,
        help="input shape without the batch, such as 3,224,224",
    )  # fmt: skip
    parser.take("--batch", type=int, default=1, metavar="N", help="size of the batch (default 1)")
    parser.take(
        "--depth", type=int, metavar="N", help="modules in at most so many others (default all)"
    )
    parser.take("--json", metavar="FILE", of=options.files, help="write the record as JSON too")
    parser.take("--force", action="store_true", help="replace a file that is there")


def measure(door: Door, arguments: argparse.Namespace) -> Any:
    """Count, and show the modules; nothing is computed."""
    for option in ("batch", "depth"):
        given = getattr(arguments, option)
        if given is not None and given < 1:
            raise BadValueError(f"--{option}", f"expected 1 or more, got {given}.")
    shape = shape_of(arguments.input)
    found = complexity(door.model(arguments.model), (arguments.batch, *shape))
    if arguments.json:
        told = json.dumps(found.to_dict(), indent=2)
        options.write(f"{told}\n", arguments.json, "--json", arguments.force)
    return found if arguments.depth is None else found.down_to(arguments.depth)


VERB = Verb("Count a model's multiply-adds, parameters and activation memory.", take, measure)
