"""``trace``: which line of code writes which weight while a model is built."""

from __future__ import annotations

import argparse
import json
import warnings
from typing import Any

from brickbook.commands.arguments import find_builder
from brickbook.commands.command import Command, Frontend, Message, Parser
from brickbook.commands.files import add_json, check_target, complete_files, write_text
from brickbook.errors import join_limited
from brickbook.files import write_whole
from brickbook.init.planning import user_stacklevel
from brickbook.init.tracing import trace
from brickbook.views.export import to_html

__all__ = ["TRACE"]


def add_trace_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the arguments of ``trace``."""
    what = "what builds the model: package.module:callable, file.py:callable, timm:NAME, "
    what += "torchvision:NAME"
    if not frontend.is_shell:
        what += "; or a variable, a class or a function"
    parser.add("model", help=f"{what}; it is called without arguments")
    parser.add("tensor", nargs="?", help="say the story of this parameter or buffer alone")
    meta = "build it on the meta device, without memory"
    parser.add("--meta", action="store_true", help=meta)
    add_json(parser, "history")
    rules = "write an init_cfg that gives the same laws, as JSON for --cfg"
    parser.add("--rules", metavar="FILE", complete=complete_files, help=rules)
    parser.add("--html", metavar="FILE", complete=complete_files, help="write a page too")


def run_trace(frontend: Frontend, arguments: argparse.Namespace) -> Any:
    """Build the model, and return its history, or that of one tensor."""
    for option in ("json", "html", "rules"):
        if getattr(arguments, option):
            check_target(getattr(arguments, option), f"--{option}", arguments.force)
    make = find_builder(frontend, arguments.model)
    history = trace(make, meta=arguments.meta)
    shown = Message(repr(history[arguments.tensor])) if arguments.tensor else history
    if arguments.json:
        write_text(history.to_json(), arguments.json, "--json", arguments.force)
    if arguments.rules:
        rules = json.dumps(history.to_init_cfg(), indent=2)
        write_text(f"{rules}\n", arguments.rules, "--rules", arguments.force)
        if left := history.unexpressed:
            text = f"--rules: no rule says how {join_limited(left)} starts."
            warnings.warn(text, RuntimeWarning, user_stacklevel())
    if arguments.html:
        target = check_target(arguments.html, "--html", arguments.force)
        write_whole(target, to_html(history, arguments.model), "--html")
    return shown


TRACE = Command(add_trace_arguments, run_trace)
