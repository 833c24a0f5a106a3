"""``zoo``: published weights: which there are, fetching them, and converting files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from time import monotonic

from brickbook.checkpoint import CheckpointError, Progress, convert, locate, transfers
from brickbook.checkpoint.zoo import SCHEMES, ZooEntry, add_scheme, list_weights, sha256_of, table
from brickbook.commands.command import Command, CommandUsageError, Frontend, Message, Parser
from brickbook.commands.files import add_force, check_target, complete_files
from brickbook.errors import BadValueError, join_limited

__all__ = ["ZOO"]

ACTIONS = ("fetch", "convert")
MIB = 2**20
REDRAW_SECONDS = 0.1  # seconds between two states of the bar
BAR_WIDTH = 30

CONVERT_OPTIONS = ("strip_prefix", "key", "trust", "force")


def add_zoo_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the arguments of ``zoo``."""
    parser.add(
        "words", nargs="*", complete=complete_zoo_words, metavar="WORD",
        help="words of names to list; or fetch NAME…; or convert IN OUT",
    )  # fmt: skip
    parser.add("--scheme", choices=SCHEMES, help="list the names of one scheme")
    parser.add("--json", action="store_true", help="list as JSON")
    parser.add("--offline", action="store_true", help="never touch the network")
    parser.add("--strip-prefix", metavar="PREFIX", help="convert only names that begin so")
    parser.add("--key", help="convert this one of several state dicts in a file")
    parser.add("--trust", action="store_true", help="convert a file that may run code: it will")
    add_force(parser)


def complete_zoo_words(frontend: Frontend, words: Sequence[str], typed: str) -> Iterable[str]:
    """Return what can be fetched or converted, and the words for that."""
    if "convert" in words[1:2]:
        return complete_files(frontend, words, typed)
    every = [f"{scheme}://{name}" for scheme in SCHEMES for name in table(scheme)]
    return every if "fetch" in words[1:2] else [*ACTIONS, *every]


def run_zoo(frontend: Frontend, arguments: argparse.Namespace) -> Message:
    """List, fetch or convert."""
    action, *rest = arguments.words or [""]
    if action == "convert":
        return convert_file(arguments, rest)
    if any(getattr(arguments, name) for name in CONVERT_OPTIONS):
        raise CommandUsageError("--strip-prefix, --key, --trust and --force are for zoo convert.")
    if action == "fetch":
        return fetch_weights(arguments, rest)
    found = list(list_weights(arguments.words, arguments.scheme))
    if arguments.json:
        return Message(json.dumps([each.to_dict() for each in found], indent=2))
    if not found:
        raise BadValueError(" ".join(arguments.words), "is in no name of published weights.")
    return Message(format_listing(found))


def format_listing(found: Sequence[ZooEntry]) -> str:
    """Write a list of weights: name, size, whether it is here, paper, other names."""
    rows = [("name", "MiB", "here", "paper", "also")]
    for each in found:
        row = each.weights
        size = "" if row.mib is None else f"{row.mib:.1f}"
        here = "yes" if each.file else ""
        rows.append((row.qualified_name, size, here, row.paper or "", " ".join(each.aliases)))
    widths = [max(len(row[at]) for row in rows) for at in range(4)]
    lines = []
    for name, size, here, paper, also in rows:
        head = f"{name:<{widths[0]}}  {size:>{widths[1]}}  {here:<{widths[2]}}"
        lines.append(f"{head}  {paper:<{widths[3]}}  {also}".rstrip())
    return "\n".join(lines)


def fetch_weights(arguments: argparse.Namespace, rest: Sequence[str]) -> Message:
    """Bring checkpoints into the cache."""
    if not rest:
        raise CommandUsageError("zoo fetch needs a name or a URL.", "zoo lists the names.")
    lines = []
    for name in rest:
        with transfers(offline=arguments.offline, progress=progress_bar(name)):
            file = locate(add_scheme(name), name)
        lines.append(f"{file}: {file.stat().st_size / MIB:.1f} MiB, SHA-256 {sha256_of(file)}")
    return Message("\n".join(lines))


def progress_bar(name: str) -> Progress | None:
    """Return what draws a bar in a terminal; None where there is none."""
    if not sys.stderr.isatty():
        return None
    last = 0.0

    def draw(received: int, total: int | None) -> None:
        nonlocal last
        done = received == total
        if not done and monotonic() - last < REDRAW_SECONDS:
            return
        last = monotonic()
        size = f"{received / MIB:.1f}"
        if total:
            full = BAR_WIDTH * received // total
            size = f"[{'#' * full:<{BAR_WIDTH}}] {size} of {total / MIB:.1f}"
        sys.stderr.write(f"\r{name} {size} MiB" + ("\n" if done else ""))
        sys.stderr.flush()

    return draw


def convert_file(arguments: argparse.Namespace, rest: Sequence[str]) -> Message:
    """Write a checkpoint to another file."""
    if len(rest) != 2:
        raise CommandUsageError(f"zoo convert needs two files, got {len(rest)}.")
    target = check_target(rest[1], "OUT", arguments.force)
    how = {key: getattr(arguments, key) for key in CONVERT_OPTIONS}
    with transfers(offline=arguments.offline, progress=progress_bar(rest[0])):
        try:
            made = convert(rest[0], target, **how)
        except CheckpointError as error:
            hint = error.hint.replace("trust=True", "--trust").replace("key=", "--key ")
            raise CheckpointError(error.path, error.problem, hint) from error
    text = f"{made.file}: {made.tensors} tensors, {made.size / MIB:.1f} MiB"
    if made.left_out:
        text += f"; left out: {join_limited(made.left_out)}"
    return Message(text)


ZOO = Command(add_zoo_arguments, run_zoo)
