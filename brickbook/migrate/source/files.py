"""The old files: their texts, their ``_base_`` files, and what they say."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brickbook.errors import BadArgumentError, BadValueError, ConfigError, MissingFileError
from brickbook.migrate.reader import (
    BASE,
    DEEPEST,
    DEPRECATION,
    LARGEST_FILE,
    Config,
    bases_of_module,
    merge,
    parse_data,
)
from brickbook.migrate.source.places import Locator, find_definitions
from brickbook.migrate.source.reading import PartialEvaluation
from brickbook.migrate.source.text import Source
from brickbook.migrate.source.values import split_path

__all__ = ["BaseName", "Files", "OldFile"]

DATA = (".json", ".yaml", ".yml")
MARK = "\ufeff"  # at the beginning of some editors' files


@dataclass(frozen=True)
class BaseName:
    """A ``_base_`` as it is written, the file it names, and the node that names it."""

    written: str
    key: str
    node: ast.expr | None


@dataclass(eq=False)
class OldFile:
    """A file before its migration.

    Attributes:
        key: its path from the root of the tree, which names it there.
        path: its path for messages.
        text: with line ends of one sign.
        source: its code, None if it is JSON or YAML.
        bases: its ``_base_`` files.
        base: what they say together.
        own: what it says itself.
        whole: both.
        evaluation: how ``own`` came about.
    """

    key: str
    path: str
    text: str
    source: Source | None
    bases: tuple[BaseName, ...]
    base: Config
    own: Config
    whole: Config
    evaluation: PartialEvaluation | None

    @property
    def lazy(self) -> bool:
        """Whether this is a config of 1.x's style ``with read_base():``."""
        return self.source is not None and any(
            isinstance(node, ast.With) and "read_base" in ast.unparse(node.items[0])
            for node in self.source.module.body
        )

    def place(self, node: ast.AST | None) -> str:
        """Return the place of a node for a message."""
        if node is None or self.source is None:
            return self.path
        start = self.source.start(node)
        return f"{self.path}:{self.source.line_of(start)}:{self.source.column_of(start)}"

    def refused(self, error: ConfigError) -> ConfigError:
        """Return the error of a rule with the place of its key in this file."""
        path, place = split_path(error.path), self.path
        if self.source is not None and self.evaluation is not None:
            locator = Locator(self.source, find_definitions(self.evaluation.executed))
            for length in range(len(path), 0, -1):
                site = locator.site(path[:length])
                if site is not None:
                    place = self.place(site.node)
                    break
        return type(error)(f"{place}: {error.path}", error.problem, error.hint)

    def leave_out(self, name: str) -> None:
        """Take a field that cannot be known as one that is not there."""
        if self.evaluation is not None and name in self.own:
            self.evaluation.unknown.add(name)
        for values in (self.own, self.base, self.whole):
            values.pop(name, None)


class Files:
    """Reads files, each of them once.

    Args:
        find: returns the text of a file by its key; raises LookupError or OSError if there is none.
        path_of: returns a file's path for messages.
    """

    def __init__(self, find: Callable[[str], str], path_of: Callable[[str], str]) -> None:
        self.find, self.path_of = find, path_of
        self.known: dict[str, OldFile] = {}
        self.failed: dict[str, ConfigError] = {}

    def read(self, key: str, within: tuple[str, ...] = (), asked_by: str = "") -> OldFile:
        """Return a file with its ``_base_`` files.

        Raises:
            ConfigError: by file, line and column.
        """
        if key in within:
            circle = " → ".join(
                posixpath.basename(one) for one in (*within[within.index(key) :], key)
            )
            raise BadValueError(asked_by, f"the _base_ files go in a circle: {circle}.")
        if len(within) >= DEEPEST:
            raise BadValueError(asked_by, f"more than {DEEPEST} _base_ files within each other.")
        if key in self.failed:
            raise self.failed[key]
        if key not in self.known:
            try:
                self.known[key] = self.read_new(key, (*within, key), asked_by)
            except RecursionError:
                problem = "this is no Python, or nested too deeply."
                self.failed[key] = BadValueError(self.path_of(key), problem)
                raise self.failed[key] from None
        return self.known[key]

    def read_new(self, key: str, within: tuple[str, ...], asked_by: str) -> OldFile:
        """Read a file."""
        path = self.path_of(key)
        try:
            text = self.find(key)
        except ConfigError:
            raise
        except (LookupError, OSError):
            problem = f"there is no file {key!r}."
            raise MissingFileError(asked_by or path, problem) from None
        if not isinstance(text, str):
            raise BadArgumentError(path, f"expected a text, got {type(text).__name__}.")
        if len(text) > LARGEST_FILE:
            raise BadValueError(path, f"{len(text):,} bytes are too many for a config.")
        text = text.removeprefix(MARK).replace("\r\n", "\n").replace("\r", "\n")
        if posixpath.splitext(key)[1] in DATA:
            return self.read_data(key, path, text, within)
        source = Source(text, Path(path))
        place, names = bases_of_module(source.module, Path(path))
        nodes = base_nodes(source.module)
        file = OldFile(key, path, text, source, (), {}, {}, {}, None)
        bases = self.base_names(key, names, place, nodes)
        base = self.merged([(name, file.place(name.node)) for name in bases], within)
        evaluation = PartialEvaluation(Path(path), base)
        own = evaluation.run(source.module)
        own.pop(BASE, None)
        own.pop(DEPRECATION, None)
        whole = merge(own, base, path)
        return OldFile(key, path, text, source, bases, base, own, whole, evaluation)

    def read_data(self, key: str, path: str, text: str, within: tuple[str, ...]) -> OldFile:
        """Read a JSON or YAML file."""
        own = parse_data(text, Path(path))
        bases = self.base_names(key, own.pop(BASE, ()), path, {})
        base = self.merged([(name, path) for name in bases], within)
        own.pop(DEPRECATION, None)
        return OldFile(key, path, text, None, bases, base, own, merge(own, base, path), None)

    def base_names(
        self, key: str, names: Any, place: str, nodes: Mapping[str, ast.expr]
    ) -> tuple[BaseName, ...]:
        """Return the ``_base_`` files of a file."""
        names = [names] if isinstance(names, str) else names
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            raise BadArgumentError(place, f"expected names of files, got {names!r}.")
        found = []
        for name in names:
            if "::" in name:
                raise BadValueError(place, f"{name!r} is a config of another package.")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(key), name))
            found.append(BaseName(name, target, nodes.get(name)))
        return tuple(found)

    def merged(self, bases: list[tuple[BaseName, str]], within: tuple[str, ...]) -> Config:
        """Return what ``_base_`` files say together; two of them may not give the same key."""
        found: Config = {}
        for name, place in bases:
            given = self.read(name.key, within, place).whole
            twice = [key for key in given if key in found]
            if twice:
                problem = f"two _base_ files give {', '.join(map(repr, twice))}."
                raise BadValueError(place, problem)
            found.update(given)
        return found


def base_nodes(module: ast.Module) -> dict[str, ast.expr]:
    """Return the texts within the assignment of ``_base_`` by what they say."""
    for statement in module.body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == BASE for target in statement.targets
        ):
            return {
                node.value: node
                for node in ast.walk(statement.value)
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            }
    return {}
