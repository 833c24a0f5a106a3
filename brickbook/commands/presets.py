"""``presets``: how models of the literature start, as configs with paper and library."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from typing import Any

from brickbook.commands.arguments import complete_models, parse_key_value
from brickbook.commands.command import Command, CommandUsageError, Frontend, Message, Parser
from brickbook.init.presets import find_preset, presets

__all__ = ["PRESETS"]


def add_preset_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the arguments of ``presets``."""
    parser.add("name", nargs="?", complete=complete_presets, help="write this one as Python")
    parser.add("values", nargs="*", metavar="KEY=VALUE", help="its arguments, such as d_model=768")
    parser.add("--fits", metavar="MODEL", complete=complete_models, help="list those that fit it")
    parser.add("--json", action="store_true", help="write JSON")


def complete_presets(frontend: Frontend, words: Sequence[str], typed: str) -> Iterable[str]:
    """Return the names of the presets."""
    return list(presets())


def run_presets(frontend: Frontend, arguments: argparse.Namespace) -> Any:
    """List the presets, or write one."""
    if arguments.name is None:
        model = None if arguments.fits is None else frontend.model(arguments.fits)
        found = presets(model)
        if arguments.json:
            return Message(json.dumps(found.to_dict()["presets"], indent=2))
        if not found:
            return Message("No preset fits.")
        width = max(map(len, found))
        return Message("\n".join(f"{name:<{width}}  {row.about}" for name, row in found.items()))
    if arguments.fits:
        raise CommandUsageError("--fits is for the list.", "Leave the name out.")
    row = find_preset(arguments.name)
    given = dict(map(parse_key_value, arguments.values))
    if arguments.json:
        return Message(json.dumps(row.config(**given), indent=2))
    return Message(row.to_python(**given), exact=True)


PRESETS = Command(add_preset_arguments, run_presets)
