"""The notes of files: with their lines, and each of them once."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from brickbook.migrate.notes import Note
from brickbook.migrate.source.files import OldFile
from brickbook.migrate.source.places import Locator
from brickbook.migrate.source.rewrite import Rewritten
from brickbook.migrate.source.targets import ANCHORS
from brickbook.migrate.source.values import NO_VALUE, Marked, Path, at, plain_value, split_path
from brickbook.migrate.source.writer import loaded_names

__all__ = ["NewLines", "bases_of_key", "place_notes"]

VARIABLES = ("runtime.own_key", "runtime.variable")
# Rules that speak of a new field, not of an old one.
FIELDS: Mapping[str, str] = {
    "data.auto_scale_lr": "auto_scale_lr",
    "evaluation.default_metric": "test_evaluator",
    "preprocessor.num_classes": "data_preprocessor",
    "runtime.scope": "default_scope",
}


def bases_of_key(file: OldFile, path: Path) -> int:
    """Return how many steps of a path lead to something in the old config."""
    for length in range(len(path), 0, -1):
        if at(file.whole, path[:length]) is not NO_VALUE:
            return length
    return 0


class NewLines:
    """Where old values stand in a new text."""

    def __init__(self, new: Rewritten) -> None:
        self.new = new
        self.lines: dict[Path, int] = {}
        self.fields: dict[str, int] = {}
        for key, value in new.fields.items():
            if (line := self.line((key,))) is not None:
                self.fields[key] = line
            self.walk(value, (key,))

    def line(self, path: Path) -> int | None:
        """Return the line of a value in the new text."""
        site = self.new.locator.site(path)
        return None if site is None else self.new.source.line_of(site.span.start)

    def walk(self, value: Any, path: Path) -> None:
        """Keep in mind where the parts of a value stand."""
        if isinstance(value, (dict, list, tuple)):
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            for key, part in pairs:
                self.walk(part, (*path, key))
        elif isinstance(value, Marked) and value.own and value.path not in self.lines:
            line = self.line(path)
            if line is not None:
                self.lines[value.path] = line

    def find(self, path: Path) -> int | None:
        """Return the new line of an old key: of the value, of a part of it, or of its field."""
        if path in self.lines:
            return self.lines[path]
        fields = [
            self.fields[key]
            for key in self.fields
            if key == path[0] or path[0] in ANCHORS.get(key, ())
        ]
        for length in range(len(path), 1 if fields else 0, -1):
            parts = [(len(one), line) for one, line in self.lines.items()
                     if one[:length] == path[:length]]  # fmt: skip
            if parts:
                return min(parts)[1]
        if fields:
            own = [self.fields[key] for key in self.fields if ANCHORS.get(key, path)[:1] == path[:1]
                   and key != "data_preprocessor"]  # fmt: skip
            return min(own or fields)
        site = self.new.locator.site(path[:1])
        return None if site is None else self.new.source.line_of(site.span.start)


def place_notes(
    file: OldFile,
    locator: Locator | None,
    notes: tuple[Note, ...],
    new: Rewritten | None,
    known: set[tuple[str, str, str]],
    whole: bool,
) -> list[Note]:
    """Return the notes that belong to a file, with their lines in both texts.

    Args:
        file: the old file.
        locator: finds values in it, None if it is no Python.
        notes: what the rules say of the whole config.
        new: the new text, None if it is no Python.
        known: what the ``_base_`` files' own notes say.
        whole: whether the file is no part of others.
    """
    lines = NewLines(new) if new is not None else None
    read = loaded_names(new.source.module) & new.kept if new is not None else set()
    placed = []
    for note in notes:
        path = split_path(note.path)
        values = {key: plain_value(value) for key, value in note.values.items()}
        note = Note(note.rule, str(note.path), values)
        if note.rule in VARIABLES and (path[0] not in file.own or path[0] in read):
            continue
        found = bases_of_key(file, path)
        own = found > 0 and at(file.own, path[:found]) is not NO_VALUE
        exact = own and found == len(path)
        field = FIELDS.get(note.rule)
        if new is not None and field is not None and field not in new.fields:
            continue
        if not exact and field is None and identity(note) in known:
            continue
        if not own and not whole and field is None:
            continue
        placed.append(with_lines(note, path[:found] if own else (), path, file, locator, lines))
    return placed


def with_lines(
    note: Note,
    found: Path,
    path: Path,
    file: OldFile,
    locator: Locator | None,
    lines: NewLines | None,
) -> Note:
    """Return a note with its lines."""
    line = column = new_line = None
    if locator is not None and file.source is not None and found:
        start = None
        for length in range(len(found), 0, -1):
            site = locator.site(found[:length])
            if site is not None:
                start = key_start(locator, found[:length], site.span.start)
                break
        if start is None and found[0] in locator.definitions:
            start = file.source.start(locator.definitions[found[0]].statement)
        if start is not None:
            line, column = file.source.line_of(start), file.source.column_of(start)
    if lines is not None:
        field = FIELDS.get(note.rule, path[0])
        new_line = lines.find(path) if found else None
        if field in lines.fields and (note.rule in FIELDS or new_line is None):
            new_line = lines.fields[field]
    return replace(note, line=line, column=column, new_line=new_line)


def key_start(locator: Locator, path: Path, value: int) -> int:
    """Return where the key of a value stands, or the statement of a name."""
    if len(path) == 1:
        return locator.source.start(locator.definitions[path[0]].statement)
    holder = locator.site(path[:-1])
    node = holder.node if holder else None
    for _ in range(10):
        if isinstance(node, ast.Name) and node.id in locator.definitions:
            node = locator.definitions[node.id].node
    display = locator.source.display(node) if node is not None else None
    for item in display.items if display else ():
        if item.value.start == value:
            return item.whole.start
    return value


def identity(note: Note) -> tuple[str, str, str]:
    """Return what two notes of the same content have in common."""
    return note.rule, note.path, repr(sorted(note.values.items(), key=lambda pair: pair[0]))
