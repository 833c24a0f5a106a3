"""``lock`` and ``check``: keep how a model starts in a file, and say what has changed since."""

from __future__ import annotations

import argparse
from typing import Any

from torch import nn

from brickbook.commands.arguments import (
    add_rule_arguments,
    add_seed,
    find_builder,
    read_init_cfg,
)
from brickbook.commands.command import Command, Frontend, Message, Parser
from brickbook.commands.files import add_force, add_json, check_target, complete_files, write_text
from brickbook.init.lockfile import LockChanges, StartLock, lock_start
from brickbook.views.text import text

__all__ = ["CHECK", "LOCK"]


def add_subject(parser: Parser, frontend: Frontend) -> None:
    """Add the model that is to be locked or checked, and its rules."""
    what = "what builds the model: package.module:callable, file.py:callable, timm:NAME, "
    what += "torchvision:NAME"
    if not frontend.is_shell:
        what += "; or a class, a function, or a model that carries rules"
    parser.add("model", help=f"{what}; it is called without arguments, on the meta device")


def subject(frontend: Frontend, name: str) -> Any:
    """Return what builds the model that a name means, or in a notebook the model itself."""
    found = frontend.namespace.get(name) if not frontend.is_shell else None
    return found if isinstance(found, nn.Module) else find_builder(frontend, name)


def add_lock_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the arguments of ``lock``."""
    add_subject(parser, frontend)
    parser.add(
        "--out", metavar="FILE", required=True, complete=complete_files,
        help="the lock file, such as model.init.json",
    )  # fmt: skip
    add_rule_arguments(parser, frontend)
    add_seed(parser)
    add_force(parser)


def run_lock(frontend: Frontend, arguments: argparse.Namespace) -> Message:
    """Write the lock file."""
    check_target(arguments.out, "--out", arguments.force)
    cfg = read_init_cfg(frontend, arguments)
    lock = lock_start(subject(frontend, arguments.model), cfg, seed=arguments.seed)
    write_text(lock.to_json(), arguments.out, "--out", arguments.force)
    return Message(f"{arguments.out}: {lock!r}")


def add_check_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the arguments of ``check``."""
    add_subject(parser, frontend)
    parser.add("file", complete=complete_files, help="the lock file")
    add_rule_arguments(parser, frontend)
    add_json(parser, "list of changes")


def run_check(frontend: Frontend, arguments: argparse.Namespace) -> Any:
    """Return what has changed; in a shell the exit code is 1 if anything has."""
    if arguments.json:
        check_target(arguments.json, "--json", arguments.force)
    locked = StartLock.read(arguments.file)
    cfg = read_init_cfg(frontend, arguments)
    now = lock_start(subject(frontend, arguments.model), cfg, seed=locked.seed)
    changes = LockChanges.between(locked, now, arguments.file)
    if arguments.json:
        write_text(changes.to_json(), arguments.json, "--json", arguments.force)
    return Message(text(changes), 1 if changes else 0) if frontend.is_shell else changes


LOCK, CHECK = Command(add_lock_arguments, run_lock), Command(add_check_arguments, run_check)
