"""The published weights as a list: which there are, which of them are here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from brickbook.checkpoint.cache import SCHEME
from brickbook.checkpoint.http import cache_path
from brickbook.checkpoint.zoo.tables import SCHEMES, Weights, table
from brickbook.errors import BadValueError, UnknownNameError, nearest

__all__ = ["ZooEntry", "add_scheme", "list_weights", "sha256_of"]

BLOCK = 1 << 20  # bytes


@dataclass(frozen=True)
class ZooEntry:
    """Published weights, their other names, and where they are in the cache, if they are."""

    weights: Weights
    aliases: tuple[str, ...]
    file: Path | None

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as JSON-able values."""
        file = str(self.file) if self.file else None
        return {**asdict(self.weights), "aliases": list(self.aliases), "file": file}


def list_weights(words: Iterable[str] = (), scheme: str | None = None) -> Iterator[ZooEntry]:
    """Yield the weights in one of whose names each word, in any case, is or matches by ``*``.

    Raises:
        ValueError: The scheme has no table.
    """
    if scheme is not None and scheme not in SCHEMES:
        raise BadValueError("scheme", f"{scheme!r} has no table.", nearest(scheme, SCHEMES))
    wanted = [word.casefold() for word in words]
    for each in SCHEMES if scheme is None else (scheme,):
        known = table(each)
        others: dict[str, list[str]] = {}
        for alias, target in known.aliases.items():
            others.setdefault(target, []).append(alias)
        for name, row in known.weights.items():
            names = (name, *others.get(name, ()))
            full_names = [f"{each}://{one}".casefold() for one in names]
            if all(any(matches_word(word, one) for one in full_names) for word in wanted):
                yield ZooEntry(row, names[1:], local_file_of(row))


def matches_word(word: str, name: str) -> bool:
    """Whether a word is in a name, or a pattern matches it with or without its scheme."""
    if "*" not in word and "?" not in word:
        return word in name
    return fnmatchcase(name, word) or fnmatchcase(name.partition("://")[2], word)


def local_file_of(row: Weights) -> Path | None:
    """Return the file of weights in the cache or of a user's own, if it is there."""
    file = row.own_file
    if row.url.startswith(("http://", "https://")):
        file = cache_path(row.url, sha256=row.sha256)
    return file if file is not None and file.is_file() else None


def add_scheme(name: str) -> str:
    """Return a checkpoint's name with its scheme: one that is in a single table needs none.

    Raises:
        KeyError: No table has the name, or several have it.
    """
    if SCHEME.match(name):
        return name
    found = [f"{scheme}://{name}" for scheme in SCHEMES if name in table(scheme)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownNameError(name, "is in more than one table.", f"Say {' or '.join(found)}.")
    every = (one for scheme in SCHEMES for one in table(scheme))
    raise UnknownNameError(name, "is in no table.", nearest(name, every))


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
