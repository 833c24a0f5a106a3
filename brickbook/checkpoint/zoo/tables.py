"""The tables of published weights: name -> URL, hash, size, licence, paper."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from brickbook.checkpoint.cache import SCHEME, cache_folder, hash_in_name
from brickbook.checkpoint.errors import CheckpointError
from brickbook.errors import first_line

__all__ = ["SCHEMES", "Table", "Weights", "table"]

# The scheme of a name, and the file of its table beside this module.
SCHEMES = ("open-mmlab", "mmcls", "torchvision")

# What a user may put into the home folder: the name that mmcv reads, and the one it documents.
USER_TABLES = ("open_mmlab.json", "open-mmlab.json")
KEYS = frozenset({"url", "mirrors", "sha256", "mib", "licence", "paper"})


@dataclass(frozen=True)
class Weights:
    """Published weights: where they are, and what is known of them; None is not known.

    ``url`` may be a path, of which a relative one is in the home folder. ``sha256`` are the first
    digits of the file's hash, ``licence`` and ``paper`` are URLs.
    """

    scheme: str
    name: str
    url: str
    mirrors: tuple[str, ...] = ()
    sha256: str | None = None
    mib: float | None = None
    licence: str | None = None
    paper: str | None = None

    @property
    def qualified_name(self) -> str:
        """The name with its scheme, as a config has it."""
        return f"{self.scheme}://{self.name}"

    @property
    def own_file(self) -> Path | None:
        """The file that a path in a user's table means; None of a URL."""
        return None if SCHEME.match(self.url) else cache_folder() / Path(self.url).expanduser()


@dataclass(frozen=True)
class Table:
    """The names of one scheme.

    ``aliases`` are second names of weights; those in ``deprecated`` are to be given up.
    """

    weights: Mapping[str, Weights]
    aliases: Mapping[str, str] = field(default_factory=dict)
    deprecated: Mapping[str, str] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.weights or name in self.aliases or name in self.deprecated

    def __iter__(self) -> Iterator[str]:
        yield from self.weights
        yield from (name for name in self.aliases if name not in self.weights)

    def __getitem__(self, name: str) -> Weights:
        if name in self.weights:
            return self.weights[name]
        target = self.aliases.get(name) or self.deprecated[name]
        return self.weights[target]


def table(scheme: str) -> Table:
    """Return the names of a scheme; to those of open-mmlab come the user's own.

    The files ``open_mmlab.json`` and ``open-mmlab.json`` in `cache_folder` are merged over what
    brickbook ships: a name is followed by a URL or a path, or by a dict with ``url`` and any of
    ``mirrors``, ``sha256``, ``mib``, ``licence`` and ``paper``.

    Raises:
        RuntimeError: One of the files cannot be read.
    """
    shipped = shipped_table(scheme)
    if scheme != "open-mmlab":
        return shipped
    weights = dict(shipped.weights)
    for file in (cache_folder() / name for name in USER_TABLES):
        if file.is_file():
            weights.update(read_user_table(file))
    return replace(shipped, weights=weights)


@cache
def shipped_table(scheme: str) -> Table:
    """Return the names of a scheme that brickbook ships."""
    file = Path(__file__).with_name(f"{scheme}.json")
    found = json.loads(file.read_text(encoding="utf-8"))
    weights = {name: make_weights(scheme, name, row) for name, row in found["weights"].items()}
    return Table(
        MappingProxyType(weights),
        MappingProxyType(found["aliases"]),
        MappingProxyType(found["deprecated"]),
    )


def read_user_table(file: Path) -> dict[str, Weights]:
    """Read a table of a user's own."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(str(file), f"is no JSON: {first_line(error)}.") from error
    if not isinstance(found, dict):
        raise CheckpointError(str(file), "holds no object with names and URLs.")
    weights = {}
    for name, row in found.items():
        row = {"url": row} if isinstance(row, str) else row
        problem = entry_problem(row)
        if problem:
            raise CheckpointError(f"{file}: {name}", problem)
        weights[name] = make_weights("open-mmlab", name, {**row, "sha256": row.get("sha256")})
    return weights


def entry_problem(row: Any) -> str:
    """Say what is wrong with a user's entry, if anything is."""
    if not isinstance(row, dict) or not isinstance(row.get("url"), str) or not row["url"]:
        return f"expected a URL or a path, or a dict with 'url', got {row!r}."
    if unknown := sorted(row.keys() - KEYS):
        return f"has {', '.join(map(repr, unknown))}; known are {', '.join(sorted(KEYS))}."
    digits = row.get("sha256")
    if digits is not None and not re.fullmatch("[0-9a-fA-F]{8,64}", str(digits)):
        return f"sha256 must be 8 to 64 hexadecimal digits, got {digits!r}."
    mirrors = row.get("mirrors") or []
    if not isinstance(mirrors, list) or not all(isinstance(each, str) for each in mirrors):
        return f"mirrors must be a list of URLs, got {mirrors!r}."
    return ""


def make_weights(scheme: str, name: str, row: Mapping[str, Any]) -> Weights:
    """Return one row of a table."""
    digits = row["sha256"] or hash_in_name(os.path.basename(row["url"]))  # noqa: PTH119 - a URL
    return Weights(
        scheme,
        name,
        row["url"],
        tuple(row.get("mirrors") or ()),
        digits.casefold() if digits else None,
        row.get("mib"),
        row.get("licence"),
        row.get("paper"),
    )
