"""``compare``: what several configs would make of one model, which stays as it is."""

from __future__ import annotations

import argparse
from typing import Any

from brickbook.errors import BadValueError
from brickbook.measure.alternatives import alternatives
from brickbook.verbs import options
from brickbook.verbs.reading import inline
from brickbook.verbs.verb import Door, Parser, Verb

__all__ = ["VERB"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def take(parser: Parser, door: Door) -> None:
    """State what ``compare`` takes."""
    options.model(parser, door)
    where = "files" if door.shell else "variables or files"
    parser.take(
        "configs", nargs="+", metavar="CFG", of=options.files if door.shell else options.configs,
        help=f"{where} with an init_cfg each; or literals such as \"dict(type='Kaiming')\"",
    )  # fmt: skip
    options.planning(parser)
    parser.take("--seed", type=int, default=0, help="seed of all draws (default 0)")
    parser.take("--bins", type=int, default=64, help="bins of a histogram (default 64)")
    parser.take(
        "--batch", metavar="SHAPE" if door.shell else "NAME",
        of=None if door.shell else options.batches,
        help="what data-driven rules run the model on; a shape means normal noise",
    )  # fmt: skip


def compare(door: Door, arguments: argparse.Namespace) -> Any:
    """Return what each config would make of the model, carried out on copies."""
    model = door.model(arguments.model)
    found = {}
    for at, word in enumerate(arguments.configs):
        name = word if inline(word) is None else LETTERS[at % len(LETTERS)]
        if name in found:
            raise BadValueError(name, "is named twice.")
        found[name] = door.config(word)
    batch = options.batch_of(door, arguments.batch, arguments.seed)
    with door.writing():  # nobody else may write while it is copied
        return alternatives(
            model,
            found,
            seed=arguments.seed,
            bins=arguments.bins,
            batch=batch,
            **options.plan_options(arguments),
        )


VERB = Verb("Say what each of several configs would make of the same model.", take, compare)
