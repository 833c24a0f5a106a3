"""``export``: a record as a file."""

from __future__ import annotations

import argparse

from brickbook.verbs import options
from brickbook.verbs.verb import Answer, Door, Parser, Verb
from brickbook.views.exports import SUFFIXES, export

__all__ = ["VERB"]


def take(parser: Parser, door: Door) -> None:
    """State what ``export`` takes."""
    what = "a plan, report, snapshot, comparison or alternatives as JSON, a checkpoint or a model"
    if not door.shell:
        what = f"a variable with a plan, report, snapshot, comparison, model or init lab; {what}"
    parser.take("what", of=options.things, help=what)
    parser.take(
        "file", of=options.files, help=f"where to; its ending says how: {', '.join(SUFFIXES)}"
    )
    parser.take("--force", action="store_true", help="replace a file that is there")
    parser.take("--title", default="", help="what stands above a page or a picture")


def write(door: Door, arguments: argparse.Namespace) -> Answer:
    """Write the file, and say so."""
    value = door.thing(arguments.what)
    title = arguments.title or arguments.what
    file = export(value, arguments.file, force=arguments.force, title=title)
    return Answer(f"{file}: {file.stat().st_size:,} bytes")


VERB = Verb("Write a plan, report, snapshot, comparison or model to a file.", take, write)
