"""``race``: short trainings of a model from several starts, on the same batches."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

import torch

from brickbook.commands.arguments import (
    complete_initializers,
    complete_models,
    read_batch,
)
from brickbook.commands.command import Command, Frontend, Parser
from brickbook.config import parse_shape
from brickbook.errors import UnknownNameError, nearest
from brickbook.measure.probe import first_layer, guess_shape
from brickbook.measure.race import TASKS, fitting_tasks, race

__all__ = ["RACE"]

LAYERS = ("Linear", "Conv1d", "Conv2d", "Conv3d")
STARTS = ("Kaiming", "Xavier")
NOW = "as it is"


def add_race_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the arguments of ``race``."""
    parser.add(
        "model",
        nargs="?",
        complete=complete_models,
        help="the model, of which copies are trained; without one each task has a small one",
    )
    parser.add(
        "--init", action="append", metavar="TYPE", complete=complete_initializers,
        help="a start: an initialiser for linear layers and convolutions (default Kaiming, Xavier)",
    )  # fmt: skip
    parser.add("--input", metavar="SHAPE", help="the model's input with the batch: 16,3,32,32")
    if not frontend.is_shell:
        parser.add("--data", metavar="NAME", help="a variable: (inputs, targets) or a DataLoader")
    if not frontend.has_widgets:
        parser.add("--task", complete=lambda *_: TASKS, help=f"one of {', '.join(TASKS)}")
        parser.add("--steps", type=int, default=100, help="updates of each run (default 100)")
        parser.add("--seeds", type=int, default=2, help="how many seeds (default 2)")
        parser.add("--lr", type=float, default=0.1, help="learning rate of SGD (default 0.1)")


def run_race(frontend: Frontend, arguments: argparse.Namespace) -> Any:
    """Open the race panel; without a notebook run the race."""
    model = frontend.model(arguments.model) if arguments.model else None
    shape = parse_shape(arguments.input, "--input") if arguments.input else None
    name = getattr(arguments, "data", None)
    data = read_batch(frontend, name, 0) if name else None
    if frontend.has_widgets:
        from brickbook.lab import RacePanel  # the panels need ipywidgets

        return RacePanel(
            model, starts(arguments.init, model), data,
            input_shape=shape, namespace=frontend.namespace,
        )  # fmt: skip
    if data is None:
        data = find_task(arguments.task, model, shape)
    make = getattr(data, "model_fn", None) if model is None else model
    return race(
        make,  # pyright: ignore[reportArgumentType] - checked there
        starts(arguments.init, model),
        data,
        steps=arguments.steps,
        seeds=arguments.seeds,
        optimizer=partial(torch.optim.SGD, lr=arguments.lr),
    )


def starts(types: list[str] | None, model: Any) -> dict[str, Any]:
    """Return the starts by name: the model as it is, and each type on the layers it has."""
    found: dict[str, Any] = {NOW: None}
    kinds = {type(part).__name__ for part in model.modules()} if model is not None else LAYERS
    layers = [name for name in LAYERS if name in kinds] or list(LAYERS)
    if model is None:
        layers = ["Linear"]
    for name in types or STARTS:
        found[name] = {"type": name, "layer": layers}
    return found


def find_task(name: str | None, model: Any, shape: tuple[int, ...] | None) -> Any:
    """Return the task of a name, or the first that fits."""
    known = TASKS
    if model is not None:
        guess = guess_shape(first_layer(model)[1]) or (1, 3, 64, 64)
        known = fitting_tasks(model, shape or guess)
    chosen = name or next(iter(known))
    if chosen not in known:
        raise UnknownNameError("--task", f"no task {chosen!r} fits.", nearest(chosen, known))
    return known[chosen]()


RACE = Command(add_race_arguments, run_race)
