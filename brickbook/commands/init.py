"""``plan`` and ``init``: what would be written, and writing it."""

from __future__ import annotations

import argparse
from typing import Any

from brickbook.checkpoint.save import write_torch
from brickbook.commands.arguments import (
    add_batch,
    add_model_argument,
    add_plan_options,
    add_rule_arguments,
    add_seed,
    plan_options,
    read_batch,
    read_init_cfg,
)
from brickbook.commands.command import Command, Frontend, Parser
from brickbook.commands.files import add_force, add_json, add_save, check_target, write_text
from brickbook.errors import BadValueError
from brickbook.init.planning import plan

__all__ = ["INIT", "PLAN"]


def add_plan_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the arguments of ``plan``."""
    add_model_argument(parser, frontend)
    add_rule_arguments(parser, frontend)
    add_plan_options(parser)
    add_json(parser, "plan")


def run_plan(frontend: Frontend, arguments: argparse.Namespace) -> Any:
    """Return the plan; without rules that of the configs that the modules carry."""
    model = frontend.model(arguments.model)
    cfg = read_init_cfg(frontend, arguments)
    todo = plan(model, cfg, **plan_options(arguments))
    if arguments.json:
        write_text(todo.to_json(), arguments.json, "--json", arguments.force)
    return todo


PLAN = Command(add_plan_arguments, run_plan)


def add_init_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the arguments of ``init``."""
    add_model_argument(parser, frontend)
    add_rule_arguments(parser, frontend)
    add_plan_options(parser)
    add_seed(parser)
    parser.add(
        "--atomic", action="store_true",
        help="keep a copy of the model, and put it back if anything fails",
    )  # fmt: skip
    add_batch(parser, frontend)
    parser.add("--dry-run", action="store_true", help="only say what would be done, as plan does")
    add_save(parser)
    add_force(parser)


def run_init(frontend: Frontend, arguments: argparse.Namespace) -> Any:
    """Write the weights and return the report; with --dry-run return the plan."""
    model = frontend.model(arguments.model)
    cfg = read_init_cfg(frontend, arguments)
    if arguments.save and arguments.dry_run:
        raise BadValueError("--save", "cannot stand beside --dry-run: there is nothing to save.")
    target = check_target(arguments.save, "--save", arguments.force) if arguments.save else None
    todo = plan(model, cfg, **plan_options(arguments))
    if arguments.dry_run:
        return todo
    batch = read_batch(frontend, arguments.batch, arguments.seed)
    report = frontend.execute(todo, model, arguments.seed, arguments.atomic, batch)
    if target is not None:
        write_torch(model.state_dict(), target)
    return report


INIT = Command(add_init_arguments, run_init)
