"""``show``: a model's weights, and what an initialisation makes of them."""

from __future__ import annotations

import argparse
from typing import Any

from brickbook.errors import BadValueError
from brickbook.init.apply import carry_out
from brickbook.init.plan import plan
from brickbook.measure import compare, snapshot
from brickbook.verbs import options
from brickbook.verbs.reading import shape_of
from brickbook.verbs.verb import Answer, Door, Parser, Verb, WrongLineError
from brickbook.views.page import page
from brickbook.views.text import comparison_text

__all__ = ["VERB"]


def take(parser: Parser, door: Door) -> None:
    """State what ``show`` takes."""
    options.model(parser, door)
    options.rules(parser, door)
    parser.take("--seed", type=int, help="seed of the draws; the same weights each time")
    if door.shell:
        parser.take("--strict", action="store_true", help="a rule without effect is an error")
        parser.take("--bins", type=int, default=64, help="bins of a histogram (default 64)")
        parser.take("--html", metavar="FILE", of=options.files, help="write a self-contained page")
        return
    parser.take(
        "--batch", metavar="NAME", of=options.batches,
        help="what the diagnosis and data-driven rules run the model on: a variable, "
        "or a shape such as 8,3,32,32 for normal noise",
    )  # fmt: skip
    parser.take(
        "--input", metavar="SHAPE",
        help="input shape without the batch, such as 3,32,32: the diagnosis draws normal noise",
    )  # fmt: skip


def show(door: Door, arguments: argparse.Namespace) -> Any:
    """Open the init lab; without a notebook give the numbers."""
    model = door.model(arguments.model)
    cfg = options.rules_of(door, arguments)
    if door.shell:
        return before_and_after(model, cfg, arguments)
    for option in ("batch", "input"):
        if getattr(arguments, option) and not door.widgets:
            raise BadValueError(f"--{option}", "is for the panel: there is none here.")
    if not door.widgets:
        if cfg is not None:
            raise WrongLineError(
                "there is no panel outside a notebook: call initialize(model, cfg).",
                "Or say compare, which leaves the model as it is.",
            )
        from brickbook.views.tables import snapshot_frame  # pandas, only here

        return snapshot_frame(snapshot(model))
    from brickbook.lab import InitLab  # the panels need ipywidgets

    seed = 0 if arguments.seed is None else arguments.seed
    if arguments.batch and arguments.input:
        raise BadValueError("--input", "cannot stand beside --batch: that has a shape.")
    return InitLab(
        model,
        name="model" if ":" in arguments.model else arguments.model,
        init_cfg=cfg,
        seed=seed,
        batch=options.batch_of(door, arguments.batch, arguments.seed),
        input_shape=shape_of(arguments.input) if arguments.input else None,
        namespace=door.namespace,
    )


def before_and_after(model: Any, cfg: Any, arguments: argparse.Namespace) -> Answer:
    """Start a model of the shell's own, and say its numbers before and after."""
    if cfg is None and (arguments.strict or arguments.seed is not None):
        given = "--strict" if arguments.strict else "--seed"
        raise BadValueError(given, options.NOTHING_TO_START)
    file = options.target(arguments.html, "--html", force=True) if arguments.html else None
    before = snapshot(model, bins=arguments.bins)
    todo = plan(model, cfg if cfg is not None else [], strict=arguments.strict)
    report = carry_out(todo, model, seed=arguments.seed) if cfg is not None else None
    comparison = compare(before, snapshot(model, bins=arguments.bins) if report else before)
    if file is not None:
        file.write_text(page(arguments.model, comparison, todo, report), encoding="utf-8")
        told = f"{file}: {len(comparison)} tensors"
    else:
        told = comparison_text(comparison)
    return Answer(told if report is None else f"{told}\n{report!r}")


VERB = Verb(
    "Look at a model's weights, start them by rules, compare before and after.",
    take,
    show,
    takes_cell=True,
)
