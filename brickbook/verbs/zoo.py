"""``zoo``: published weights: which there are, fetching them, and converting files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from time import monotonic

from brickbook.checkpoint import CheckpointError, locate, transfers
from brickbook.checkpoint.converting import convert
from brickbook.checkpoint.places import Progress
from brickbook.checkpoint.state import listed
from brickbook.checkpoint.zoo import SCHEMES, table
from brickbook.checkpoint.zoo.listing import Listed, listing, sha256_of, spelled
from brickbook.errors import BadValueError
from brickbook.verbs import options
from brickbook.verbs.verb import Answer, Door, Parser, Verb, WrongLineError

__all__ = ["VERB"]

ACTIONS = ("fetch", "convert")
MIB = 2**20
EVERY = 0.1  # seconds between two states of the bar
WIDTH = 30


def take(parser: Parser, door: Door) -> None:
    """State what ``zoo`` takes."""
    parser.take(
        "words", nargs="*", of=names, metavar="WORD",
        help="words of names to list; or fetch NAME…; or convert IN OUT",
    )  # fmt: skip
    parser.take("--scheme", choices=SCHEMES, help="list the names of one scheme")
    parser.take("--json", action="store_true", help="list as JSON")
    parser.take("--offline", action="store_true", help="never touch the network")
    parser.take("--strip-prefix", metavar="PREFIX", help="convert only names that begin so")
    parser.take("--trust", action="store_true", help="convert a file that may run code: it will")
    parser.take("--force", action="store_true", help="replace a file that is there")


def names(door: Door, words: Sequence[str], typed: str) -> Iterable[str]:
    """What can be fetched or converted, and the words for that."""
    if "convert" in words[1:2]:
        return options.files(door, words, typed)
    every = [f"{scheme}://{name}" for scheme in SCHEMES for name in table(scheme)]
    return every if "fetch" in words[1:2] else [*ACTIONS, *every]


def zoo(door: Door, arguments: argparse.Namespace) -> Answer:
    """List, fetch or convert."""
    action, *rest = arguments.words or [""]
    if action == "convert":
        return converted(arguments, rest)
    if arguments.strip_prefix or arguments.trust or arguments.force:
        raise WrongLineError("--strip-prefix, --trust and --force are for zoo convert.")
    if action == "fetch":
        return fetched(arguments, rest)
    found = list(listing(arguments.words, arguments.scheme))
    if arguments.json:
        return Answer(json.dumps([each.to_dict() for each in found], indent=2))
    if not found:
        raise BadValueError(" ".join(arguments.words), "is in no name of published weights.")
    return Answer(listed_text(found))


def listed_text(found: Sequence[Listed]) -> str:
    """Write a list of weights: name, size, whether it is here, paper, other names."""
    rows = [("name", "MiB", "here", "paper", "also")]
    for each in found:
        row = each.weights
        size = "" if row.mib is None else f"{row.mib:.1f}"
        here = "yes" if each.file else ""
        rows.append((row.spelling, size, here, row.paper or "", " ".join(each.aliases)))
    widths = [max(len(row[at]) for row in rows) for at in range(4)]
    told = []
    for name, size, here, paper, also in rows:
        start = f"{name:<{widths[0]}}  {size:>{widths[1]}}  {here:<{widths[2]}}"
        told.append(f"{start}  {paper:<{widths[3]}}  {also}".rstrip())
    return "\n".join(told)


def fetched(arguments: argparse.Namespace, rest: Sequence[str]) -> Answer:
    """Bring checkpoints into the cache."""
    if not rest:
        raise WrongLineError("zoo fetch needs a name or a URL.", "zoo lists the names.")
    told = []
    for name in rest:
        with transfers(offline=arguments.offline, progress=bar(name)):
            file = locate(spelled(name), name)
        told.append(f"{file}: {file.stat().st_size / MIB:.1f} MiB, SHA-256 {sha256_of(file)}")
    return Answer("\n".join(told))


def bar(name: str) -> Progress | None:
    """Return what draws a bar in a terminal; None where there is none."""
    if not sys.stderr.isatty():
        return None
    last = 0.0

    def draw(received: int, total: int | None) -> None:
        nonlocal last
        done = received == total
        if not done and monotonic() - last < EVERY:
            return
        last = monotonic()
        size = f"{received / MIB:.1f}"
        if total:
            full = WIDTH * received // total
            size = f"[{'#' * full:<{WIDTH}}] {size} of {total / MIB:.1f}"
        sys.stderr.write(f"\r{name} {size} MiB" + ("\n" if done else ""))
        sys.stderr.flush()

    return draw


def converted(arguments: argparse.Namespace, rest: Sequence[str]) -> Answer:
    """Write a checkpoint to another file."""
    if len(rest) != 2:
        raise WrongLineError(f"zoo convert needs two files, got {len(rest)}.")
    target = options.target(rest[1], "OUT", arguments.force)
    how = {key: getattr(arguments, key) for key in ("strip_prefix", "trust", "force")}
    with transfers(offline=arguments.offline, progress=bar(rest[0])):
        try:
            made = convert(rest[0], target, **how)
        except CheckpointError as error:
            hint = error.hint.replace("trust=True", "--trust")
            raise CheckpointError(error.path, error.problem, hint) from error
    told = f"{made.file}: {made.tensors} tensors, {made.size / MIB:.1f} MiB"
    if made.left_out:
        told += f"; left out: {listed(made.left_out)}"
    return Answer(told)


VERB = Verb("List published weights, fetch them, convert checkpoints.", take, zoo)
