"""``diff``: what differs between two plans, or between two sets of weights."""

from __future__ import annotations

import argparse
from typing import Any

from brickbook.verbs import options
from brickbook.verbs.verb import Door, Parser, Verb
from brickbook.views.differences import differences

__all__ = ["VERB"]


def take(parser: Parser, door: Door) -> None:
    """State what ``diff`` takes."""
    what = "a plan, report or snapshot as JSON, a checkpoint, or a model as for show"
    if not door.shell:
        what = f"a variable with a plan, report, snapshot, model or state dict; {what}"
    parser.take("a", metavar="A", of=options.things, help=what)
    parser.take("b", metavar="B", of=options.things, help="the other")


def diff(door: Door, arguments: argparse.Namespace) -> Any:
    """Return what differs."""
    names = (arguments.a, arguments.b)
    return differences(door.thing(arguments.a), door.thing(arguments.b), names)


VERB = Verb("Say what differs between two plans, snapshots, checkpoints or models.", take, diff)
