"""Config files of 0.x, one of them or a tree, become files of 1.x."""

from __future__ import annotations

import ast
import difflib
import posixpath
from collections.abc import Callable, Iterable, Mapping

from brickbook.errors import BadArgumentError, BadValueError, ConfigError, format_value, nearest
from brickbook.migrate.migration import NEW_FIELDS, OLD_FIELDS, SCHEDULES, Schedule, SourceMigration
from brickbook.migrate.notes import Note
from brickbook.migrate.reader import Config
from brickbook.migrate.source.data import write_data
from brickbook.migrate.source.files import MARK, Files, OldFile
from brickbook.migrate.source.notes import identity, place_notes
from brickbook.migrate.source.places import Locator, find_definitions
from brickbook.migrate.source.reading import bound_names
from brickbook.migrate.source.rewrite import Rewrite, Rewritten, base_reads
from brickbook.migrate.source.targets import Targets

__all__ = ["migrate_source", "migrate_tree"]

# Files of the old projects that have another name in MMPretrain.
RENAMED: Mapping[str, str] = {
    "_base_/models/mobilenet_v3_large_imagenet.py":
        "_base_/models/mobilenet_v3/mobilenet_v3_large_imagenet.py",
    "_base_/models/mobilenet_v3_small_cifar.py":
        "_base_/models/mobilenet_v3/mobilenet_v3_small_cifar.py",
    "_base_/models/mobilenet_v3_small_imagenet.py":
        "_base_/models/mobilenet_v3/mobilenet_v3_small_imagenet.py",
    "_base_/models/van/van_b0.py": "_base_/models/van/van_tiny.py",
    "_base_/models/van/van_b1.py": "_base_/models/van/van_small.py",
    "_base_/models/van/van_b2.py": "_base_/models/van/van_base.py",
    "_base_/models/van/van_b3.py": "_base_/models/van/van_large.py",
}  # fmt: skip


def migrate_source(
    text: str,
    *,
    path: str = "config.py",
    base_lookup: Callable[[str], str] | None = None,
    schedule: Schedule = "guide",
) -> SourceMigration:
    """Turn a config file of MMClassification 0.x or MMSelfSup 0.x into one of MMPretrain 1.x.

    Nothing is executed. What stays keeps its layout and its comments; what cannot be known without
    executing it is left as it is, with a note. The ``_base_`` files are taken as they are after
    their own migration, and what this file says differs from them in is written.

    Args:
        text: of a ``.py``, ``.json`` or ``.yaml`` file.
        path: the file's path: its ending says what it is, ``8xb32`` in its name gives
            ``auto_scale_lr``, and a file in a folder ``_base_`` is a part of configs, not a whole.
        base_lookup: returns the old text of a ``_base_`` file by its path, relative to this file.
        schedule: as of `migrate_config`.

    Raises:
        MissingFileError: a ``_base_`` file that ``base_lookup`` does not have.
        BadValueError: a config of another project, one over a ``_base_`` of 1.x, and code that is
            no Python, by file, line and column.
        ConfigError: what `migrate_config` refuses.

    >>> old = "optimizer = dict(type='SGD', lr=0.1)  # as usual"
    >>> migrate_source(old, path="_base_/schedules/mine.py").text
    "optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))  # as usual"
    """
    if not isinstance(text, str):
        raise BadArgumentError("text", f"expected a text, got {format_value(text)}.")
    folder, main = posixpath.split(path.replace("\\", "/"))
    written: dict[str, str] = {}

    def find(key: str) -> str:
        if key == main:
            return text
        if base_lookup is None:
            raise LookupError(key)
        return base_lookup(written.get(key, key))

    def path_of(key: str) -> str:
        return path if key == main else posixpath.normpath(posixpath.join(folder, key))

    files = Files(find, path_of)
    check_schedule(schedule)
    return Tree(files, schedule).migrate([main])[main]


def migrate_tree(
    files: Mapping[str, str],
    *,
    schedule: Schedule = "guide",
    refused: dict[str, ConfigError] | None = None,
) -> dict[str, SourceMigration]:
    r"""Turn a tree of config files of 0.x into one of 1.x, with its ``_base_`` links.

    A file that others build on becomes a part that holds for all of them as far as it can; where
    one of them needs something else, that one says so.

    Args:
        files: the texts by their paths, relative to the root of the tree.
        schedule: as of `migrate_config`.
        refused: takes the errors of files that cannot be migrated, by path, and the rest is
            migrated; without it the first error is raised.

    Returns:
        The migrations by the old paths; ``new_path`` differs for a few renamed files.

    Raises:
        ConfigError: as of `migrate_source`.

    >>> tree = {"base.py": "optimizer = dict(type='SGD', lr=0.1)",
    ...         "mine.py": "_base_ = 'base.py'\noptimizer = dict(lr=0.2)"}
    >>> print(migrate_tree(tree)["mine.py"].text)
    _base_ = 'base.py'
    optim_wrapper = dict(optimizer=dict(lr=0.2))
    <BLANKLINE>
    default_scope = 'mmpretrain'
    """
    if not isinstance(files, Mapping):
        problem = f"expected a dict of texts, got {format_value(files)}."
        raise BadArgumentError("files", problem)
    check_schedule(schedule)
    texts = {posixpath.normpath(path.replace("\\", "/")): text for path, text in files.items()}
    tree = Tree(Files(texts.__getitem__, lambda key: key), schedule, refused)
    made = tree.migrate(texts)
    by_path = {posixpath.normpath(path.replace("\\", "/")): path for path in files}
    return {by_path[key]: made[key] for key in texts if key in made}


def check_schedule(schedule: str) -> None:
    """Raise an error for an unknown style."""
    if schedule not in SCHEDULES:
        problem = f"unknown style {format_value(schedule)}."
        raise BadValueError("schedule", problem, nearest(schedule, SCHEDULES))


class Tree:
    """The migration of some files and their ``_base_`` files."""

    def __init__(
        self, files: Files, schedule: Schedule, refused: dict[str, ConfigError] | None = None
    ) -> None:
        self.files, self.refused = files, refused
        self.schedule: Schedule = schedule
        self.new: dict[str, Rewritten] = {}
        self.wholes: dict[str, Config] = {}
        self.made: dict[str, SourceMigration] = {}
        self.known: dict[str, set[tuple[str, str, str]]] = {}

    def migrate(self, keys: Iterable[str]) -> dict[str, SourceMigration]:
        """Migrate files; returns what came of them and of their ``_base_`` files."""
        for key in keys:
            self.guard(key, lambda key=key: self.files.read(key))
        bad = set(self.refused or ())
        good: dict[str, OldFile] = {}
        for key, file in self.files.known.items():  # bases come before those who ask for them
            if key not in bad and all(base.key in good for base in file.bases):
                good[key] = file
        self.targets = Targets(good, self.schedule)
        for key in good:
            self.guard(key, lambda key=key: self.check(key))
        for key in list(good):
            if key in (self.refused or ()) or any(
                base.key not in self.targets.files for base in good[key].bases
            ):
                self.targets.remove(key)
        self.targets.ban_doubles()
        self.asked = self.asked_names()
        for key in self.targets.files:
            self.guard(key, lambda key=key: self.migrate_file(key))
        return self.made

    def guard(self, key: str, do: Callable[[], object]) -> None:
        """Do something with a file; an error is raised or kept."""
        try:
            do()
        except ConfigError as error:
            if self.refused is None:
                raise
            self.refused[key] = error
        except RecursionError:
            error = BadValueError(self.files.path_of(key), "it is nested too deeply.")
            if self.refused is None:
                raise error from None
            self.refused[key] = error

    def check(self, key: str) -> None:
        """Refuse what cannot be migrated."""
        self.targets.check_generation(key)
        if self.targets.generation(key) == "old":
            self.targets.migration(key)

    def asked_names(self) -> dict[str, set[str]]:
        """Return the names that other files read by ``{{_base_.name}}``, by the file asked."""
        asked: dict[str, set[str]] = {key: set() for key in self.targets.files}

        def ask(key: str, names: set[str]) -> None:
            if not names <= asked[key]:
                asked[key] |= names
                for base in self.targets.files[key].bases:
                    ask(base.key, names)

        for file in self.targets.files.values():
            if file.source is None or "_base_." not in file.text:
                continue
            names = {keys[0] for keys in base_reads(file.source.module) if keys}
            for base in file.bases:
                ask(base.key, names)
        return asked

    def migrate_file(self, key: str) -> None:
        """Migrate a file whose ``_base_`` files are done."""
        file = self.targets.files[key]
        if any(base.key not in self.made for base in file.bases):
            problem = "a _base_ file of it could not be migrated."
            raise BadValueError(file.path, problem)
        base: Config = {}
        known: set[tuple[str, str, str]] = set()
        for one in file.bases:
            base.update(self.wholes[one.key])
            known |= self.known[one.key]
        raw = self.files.find(key)
        names = {
            one.written: renamed_link(key, one.key)
            for one in file.bases
            if renamed_link(key, one.key) != one.written and (one.key != new_name(one.key)
                                                              or key != new_name(key))
        }  # fmt: skip
        new_path = self.new_path(key)
        if self.targets.generation(key) == "new":
            field = next((name for name in NEW_FIELDS if name in file.whole), "model")
            field = "read_base" if file.lazy else field
            note = Note("already", field, {"field": field})
            self.wholes[key], self.known[key] = file.whole, known
            self.made[key] = SourceMigration(raw, (note,), raw, file.path, file.path)
            return
        if not self.targets.has_fields(key) and not names:
            self.wholes[key], self.known[key] = file.whole, known
            self.made[key] = SourceMigration(raw, self.problems(file), raw, file.path, new_path)
            return
        migration = self.targets.migration(key)
        target = self.targets.target(key)
        if file.source is None:
            text, whole, notes = write_data(file, target, base, names)
            locator, new = None, None
        else:
            new = Rewrite(file, target, base, self.asked[key], names).run()
            text, whole, notes = new.text, new.whole, ()
            assert file.evaluation is not None
            locator = Locator(file.source, find_definitions(file.evaluation.executed))
        placed = place_notes(file, locator, migration.notes, new, known, self.targets.is_whole(key))
        self.wholes[key] = whole
        self.known[key] = known | {identity(note) for note in placed}
        notes = (*self.problems(file), *notes, *placed)
        text = like(raw, file.text, text)
        self.made[key] = SourceMigration(text, notes, raw, file.path, new_path)

    def new_path(self, key: str) -> str:
        """Return where the new text of a file belongs."""
        path, name = self.files.path_of(key), new_name(key)
        if name == key:
            return path
        return posixpath.normpath(
            posixpath.join(posixpath.dirname(path), posixpath.relpath(name, posixpath.dirname(key)))
        )

    def problems(self, file: OldFile) -> tuple[Note, ...]:
        """Return notes of what was not evaluated."""
        if file.evaluation is None or file.source is None:
            return ()
        notes, ends = [], 0
        found = [(file.source.start(one.node), -file.source.end(one.node), one)
                 for one in file.evaluation.problems]  # fmt: skip
        for start, end, one in sorted(found, key=lambda each: each[:2]):
            if -end <= ends:
                continue  # a part of what was named already
            ends = -end
            line, column = file.source.line_of(start), file.source.column_of(start)
            code = ast.unparse(one.node).partition("\n")[0]
            values = {"code": code if len(code) <= 60 else f"{code[:56]} …", "problem": one.problem}
            notes.append(Note("source.unread", "", values, line, column))
        for name in sorted(file.evaluation.unknown & set(OLD_FIELDS)):
            node = next(node for node in file.source.module.body if name in bound_names(node))
            line, column = file.source.line_of(file.source.start(node)), 1
            notes.append(Note("source.field_left", name, {"key": name}, line, column))
        return tuple(notes)


def new_name(key: str) -> str:
    """Return a file's name in MMPretrain."""
    for old, new in RENAMED.items():
        if key == old or key.endswith(f"/{old}"):
            return key[: len(key) - len(old)] + new
    return key


def renamed_link(key: str, base: str) -> str:
    """Return how a file names a ``_base_`` file after the renaming of both."""
    link = posixpath.relpath(new_name(base), posixpath.dirname(new_name(key)) or ".")
    return link


def like(raw: str, old: str, new: str) -> str:
    """Return a new text with the line ends and the mark of the old file."""
    mark = MARK if raw.startswith(MARK) else ""
    body = raw.removeprefix(MARK)
    if "\r" not in body:
        return mark + new
    ends = [line[len(line.rstrip("\r\n")) :] for line in body.splitlines(keepends=True)]
    usual = max(set(ends), key=ends.count) or "\n"
    if set(ends) - {""} == {usual}:
        return mark + new.replace("\n", usual)
    before, after = old.split("\n"), new.split("\n")
    found = [usual] * (len(after) - 1) + [""]
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for block in matcher.get_matching_blocks():
        for i in range(block.size):
            if block.b + i < len(found) - 1 and block.a + i < len(ends):
                found[block.b + i] = ends[block.a + i] or usual
    return mark + "".join(line + end for line, end in zip(after, found, strict=True))
