"""``identify``: which known start the tensors of a checkpoint or a model still have."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from torch import nn

from brickbook.commands.arguments import complete_records
from brickbook.commands.command import Command, CommandUsageError, Frontend, Message, Parser
from brickbook.commands.files import add_force, check_target, complete_files, write_text
from brickbook.init.execution import InitReport
from brickbook.init.planning import InitPlan
from brickbook.init.tracing import History
from brickbook.measure import identify
from brickbook.records import Record

__all__ = ["IDENTIFY"]


def add_identify_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the arguments of ``identify``."""
    what = "a checkpoint (.pth, .safetensors), or what makes a model: package.module:callable, "
    what += "file.py:callable, timm:NAME, torchvision:NAME"
    if not frontend.is_shell:
        what += "; or a variable that holds a model or a state dict"
    parser.add("what", complete=complete_records, help=what)
    parser.add("tensor", nargs="?", help="say what is known of this tensor alone")
    parser.add(
        "--plan", metavar="FILE", complete=complete_files,
        help="the plan, report or history of its start, as JSON",
    )  # fmt: skip
    parser.add("--seed", type=int, help="the seed that it was started with; needs --plan")
    parser.add(
        "--json", nargs="?", const="-", metavar="FILE", complete=complete_files,
        help="say it as JSON, or write that to a file too",
    )  # fmt: skip
    add_force(parser)


def run_identify(frontend: Frontend, arguments: argparse.Namespace) -> Any:
    """Return what is known of the tensors, or of one."""
    if arguments.seed is not None and not arguments.plan:
        raise CommandUsageError("--seed needs --plan: the laws that it was used with.")
    if arguments.json and arguments.json != "-":
        check_target(arguments.json, "--json", arguments.force)
    value = frontend.record_or_model(arguments.what)
    if isinstance(value, Record) or not isinstance(value, (nn.Module, Mapping)):
        problem = f"{arguments.what} is {type(value).__name__}, no model and no state dict."
        raise CommandUsageError(problem)
    plan = None if arguments.plan is None else frontend.record_or_model(arguments.plan)
    if not (plan is None or isinstance(plan, (InitPlan, InitReport, History))):
        raise CommandUsageError(f"--plan: {arguments.plan} is no plan, report or history.")
    found = identify(value, plan=plan, seed=arguments.seed)
    if arguments.json == "-":
        return Message(found.to_json())
    if arguments.json:
        write_text(found.to_json(), arguments.json, "--json", arguments.force)
    return Message(repr(found[arguments.tensor])) if arguments.tensor else found


IDENTIFY = Command(add_identify_arguments, run_identify)
