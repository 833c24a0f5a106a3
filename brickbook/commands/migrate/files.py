"""The files that ``migrate`` reads, where their new texts go, and how these are written.

Every file is read and migrated before the first one is written, and each is written whole.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from brickbook.commands.files import read_text
from brickbook.errors import BadValueError, MissingFileError, join_limited
from brickbook.files import atomic_write

if TYPE_CHECKING:
    from brickbook.migrate import SourceMigration

__all__ = [
    "STDIN",
    "Sources",
    "Target",
    "base_lookup",
    "check_report",
    "in_place_targets",
    "is_unnamed",
    "out_targets",
    "read_source",
    "read_sources",
    "read_unnamed",
    "write_targets",
]

STDIN = "-"
LARGEST_FILE = 10 * 2**20  # bytes
CONFIG_SUFFIXES = (".json", ".py", ".yaml", ".yml")
# Lists of models and packages that stand beside configs.
NO_CONFIGS = ("metafile.yml", "metafile.yaml", "model-index.yml", "__init__.py", "setup.py")
CODE_SUFFIXES = (".py",)
SKIPPED_FOLDERS = ("__pycache__",)
BACKUP = ".bak"
# What _base_ is assigned, and the files in that.
BASES = re.compile(r"""\b_base_['"]?\s*[=:]\s*(\[[^]]*\]|\([^)]*\)|.*)""")
CONFIG_NAME = re.compile(r"""[^\s'"\[\](),]+\.(?:py|json|ya?ml)\b""")


@dataclass(frozen=True)
class Sources:
    """What there is to migrate.

    Attributes:
        root: the folder, as it was given; that of the file where one file was given.
        texts: the text of each file by its path below ``root``, with slashes.
        left_out: files and folders in the folder that are none to migrate, by the same paths.
        bases: texts of ``_base_`` files that are not among ``texts``, by the same paths.
        is_folder: whether a folder was given.
    """

    root: Path
    texts: Mapping[str, str]
    left_out: Sequence[str] = ()
    bases: Mapping[str, str] = field(default_factory=dict)
    is_folder: bool = False

    def shown(self, name: str) -> str:
        """Return a file's path as its user would type it."""
        return str(self.root / name) if self.is_folder else name


@dataclass(frozen=True)
class Target:
    """A file to write, and in place of which one: its backup is kept."""

    file: Path
    text: str
    replaced: Path | None = None

    @property
    def backup(self) -> Path | None:
        """Where the file that is replaced is kept."""
        return self.replaced and self.replaced.with_name(f"{self.replaced.name}{BACKUP}")


# ------------------------------------------------------------------------------------------ reading


def read_sources(path: str, *, code: bool, exclude: Sequence[str] = ()) -> Sources:
    """Read a file, or all files of a folder that may be configs, or code.

    Links to files are read; links to folders, hidden folders and what is no regular file are left
    out.

    Raises:
        MissingFileError: there is nothing at ``path``.
        BadValueError: a file that cannot be read, that is no text, or too large; an empty folder.
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        text = read_source(root, path)
        bases = {} if code else read_bases(root.parent, {root.name: text})
        return Sources(root.parent, {path: text}, bases=bases)
    suffixes, unfit = (CODE_SUFFIXES, ()) if code else (CONFIG_SUFFIXES, NO_CONFIGS)
    texts, left_out, unused = {}, [], list(exclude)
    for name in sorted(names_below(root)):
        matching = [pattern for pattern in exclude if is_matched(name, pattern)]
        unused = [pattern for pattern in unused if pattern not in matching]
        fits = name.endswith(suffixes) and Path(name).name not in unfit
        if fits and not matching and (root / name).is_file():
            texts[name] = read_source(root / name, str(root / name))
        else:
            left_out.append(name)
    if unused:
        raise BadValueError("--exclude", f"nothing below {path} is {unused[0]!r}.")
    if not texts:
        raise BadValueError(path, f"no file of this folder ends in {', '.join(suffixes)}.")
    bases = {} if code else read_bases(root, texts)
    return Sources(root, texts, left_out, bases, is_folder=True)


def is_matched(name: str, pattern: str) -> bool:
    """Whether a path, or a folder that it lies in, is of a pattern."""
    parts = PurePosixPath(name.rstrip("/"))
    return any(fnmatchcase(str(each), pattern.rstrip("/")) for each in (parts, *parts.parents))


def names_below(root: Path) -> Iterator[str]:
    """Yield files below a folder, and with a slash at the end folders that are not entered."""

    def refuse(error: OSError) -> None:
        raise BadValueError(str(error.filename), f"it cannot be read: {error.strerror}.")

    for folder, folders, files in os.walk(root, onerror=refuse):
        below = Path(folder).relative_to(root)
        for name in list(folders):
            hidden = name.startswith(".") or name in SKIPPED_FOLDERS
            if hidden or Path(folder, name).is_symlink():
                folders.remove(name)
                yield f"{(below / name).as_posix()}/"
        yield from ((below / name).as_posix() for name in files)


def read_bases(folder: Path, texts: Mapping[str, str]) -> dict[str, str]:
    """Return the ``_base_`` files of some files that are not among them, and theirs.

    This only looks for their names; a migration says which are missing.
    """
    found: dict[str, str] = {}
    waiting = list(texts.items())
    while waiting:
        name, text = waiting.pop()
        for assigned in BASES.findall(text):
            for written in CONFIG_NAME.findall(assigned):
                base = posixpath.normpath(posixpath.join(posixpath.dirname(name), written))
                file = folder / base
                if base not in texts and base not in found and file.is_file():
                    found[base] = read_source(file, str(file))
                    waiting.append((base, found[base]))
    return dict(sorted(found.items()))


def read_source(file: Path, path: str) -> str:
    """Return the text of a file; ``path`` is its name in errors.

    Raises:
        MissingFileError: it is not there.
        BadValueError: it cannot be read, is no text in UTF-8, or too large.
    """
    try:
        if file.exists() and not file.is_file():
            raise BadValueError(path, "it is no regular file.")
        with file.open("rb") as opened:
            content = opened.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise MissingFileError(path, "there is no such file or folder.") from None
    except OSError as error:
        raise BadValueError(path, f"it cannot be read: {error.strerror}.") from None
    return decode(content, path)


def is_unnamed(path: str) -> bool:
    """Whether a path is that of standard input, or of a pipe as ``<(…)`` of a shell makes one."""
    file = Path(path).expanduser()
    return path == STDIN or file.is_fifo() or file.is_char_device()


def read_unnamed(path: str) -> str | None:
    """Return the text of standard input or of a pipe, None for another path."""
    if path != STDIN:
        return read_text(path) if is_unnamed(path) else None
    opened = getattr(sys.stdin, "buffer", None)
    if opened is None:
        return sys.stdin.read(LARGEST_FILE)
    return decode(opened.read(LARGEST_FILE + 1), "standard input")


def decode(content: bytes, path: str) -> str:
    """Return bytes as a text; their line ends stay."""
    if len(content) > LARGEST_FILE:
        raise BadValueError(path, f"more than {LARGEST_FILE:,} bytes are too many.")
    try:
        return content.decode("utf-8-sig")  # MMEngine cannot read a file with a mark
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadValueError(f"{path}:{line}", "it is no text in UTF-8.") from None


def base_lookup(folder: Path) -> Callable[[str], str]:
    """Return what gives the text of a ``_base_``, by its path from a folder."""

    def read_base(name: str) -> str:
        file = folder / name
        try:
            return read_source(file, str(file))
        except MissingFileError as error:  # a migration says who asks for it
            raise FileNotFoundError(name) from error

    return read_base


# ------------------------------------------------------------------------------------------ targets


def out_targets(
    sources: Sources, migrations: Mapping[str, SourceMigration], out: str, *, force: bool
) -> dict[str, Target]:
    """Return the files to write below ``--out``, or the one file, by the names of the old ones.

    Raises:
        BadValueError: one is an input, or there already, or the place of two; a folder within the
            one that is read.
    """
    place = Path(out).expanduser()
    if sources.is_folder:
        check_out_folder(sources.root, place, out)
    else:
        (migration,) = migrations.values()
        if out.endswith(("/", os.sep)) or place.is_dir():
            place /= Path(migration.new_path).name
    targets = {
        name: Target(place / each.new_path if sources.is_folder else place, each.text)
        for name, each in migrations.items()
    }
    check_targets(sources, targets.values(), "--out", force=force)
    return targets


def check_out_folder(root: Path, place: Path, out: str) -> None:
    """Refuse an output folder that is the input, lies in it, or is no folder."""
    if place.exists() and not place.is_dir():
        raise BadValueError("--out", f"{out} is no folder.")
    real, source = place.resolve(), root.resolve()
    if real == source:
        raise BadValueError("--out", f"{out} is the input itself.", "Say --in-place for that.")
    if real.is_relative_to(source):
        problem = f"{out} is inside of {root}: the next run would migrate its own output."
        raise BadValueError("--out", problem)


def in_place_targets(
    sources: Sources, migrations: Mapping[str, SourceMigration], *, force: bool
) -> dict[str, Target]:
    """Return the files to write in the place of those that change, by their names.

    Raises:
        BadValueError: a link, a file of another name that is there already, or a backup that is.
    """
    targets: dict[str, Target] = {}
    real = real_files(sources)
    for name, migration in migrations.items():
        old = source_file(sources, name)
        new = source_file(sources, migration.new_path)
        if migration.text == migration.old and new == old:
            continue
        if old.is_symlink():
            if list(real.values()).count(real[name]) > 1:
                continue  # the file itself is changed where it lies
            problem = f"it is a link to {real[name]}."
            raise BadValueError(sources.shown(name), problem, "Migrate that file itself.")
        targets[name] = Target(new, migration.text, replaced=old)
    backups = [str(each.backup) for each in targets.values() if os.path.lexists(each.backup or "")]
    if backups:
        problem = f"there is a backup already: {join_limited(backups)}."
        raise BadValueError("--in-place", problem, "A backup is never written over: move it away.")
    moved = [each for each in targets.values() if each.file != each.replaced]
    check_targets(sources, moved, "--in-place", force=force)
    return targets


def check_report(file: str, sources: Sources, option: str, *, force: bool) -> None:
    """Refuse to write a report over an input, over a folder, or without force over a file."""
    place = Path(file).expanduser()
    if place.is_dir():
        raise BadValueError(option, f"{file} is a folder.")
    if place.resolve() in real_files(sources).values():
        raise BadValueError(option, f"{file} is an input.")
    if os.path.lexists(place) and not force:
        problem = f"{file} is there already."
        raise BadValueError(option, problem, "Say --force to replace what is there.")


def check_targets(
    sources: Sources, targets: Collection[Target], option: str, *, force: bool
) -> None:
    """Refuse to write over an input, over another output, or without force over another file."""
    inputs = {real: name for name, real in real_files(sources).items()}
    taken: set[Path] = set()
    for target in targets:
        real = target.file.resolve()
        if real in inputs:
            problem = f"{target.file} is the input {sources.shown(inputs[real])}."
            raise BadValueError(option, problem, "Say --in-place to write over inputs.")
        if real in taken:
            raise BadValueError(option, f"two files would be {target.file}.")
        if target.file.is_dir():
            raise BadValueError(option, f"{target.file} is a folder.")
        taken.add(real)
    there = [str(target.file) for target in targets if os.path.lexists(target.file)]
    if there and not force:
        verb = "is" if len(there) == 1 else "are"
        problem = f"{join_limited(there)} {verb} there already."
        raise BadValueError(option, problem, "Say --force to replace what is there.")


def source_file(sources: Sources, name: str) -> Path:
    """Return the file of a name."""
    return sources.root / name if sources.is_folder else Path(name).expanduser()


def real_files(sources: Sources) -> dict[str, Path]:
    """Return every input without links, by its name."""
    return {name: source_file(sources, name).resolve() for name in sources.texts}


# ------------------------------------------------------------------------------------------ writing


def write_targets(targets: Sequence[Target], option: str) -> None:
    """Write all files, or none of them if one cannot be written.

    Raises:
        WriteError: it says which one.
    """
    made: list[Path] = []
    try:
        for target in targets:
            made += make_folder(target.file.parent)
        with ExitStack() as parts:  # they take their places together, when all are whole
            for target in targets:
                part = parts.enter_context(atomic_write(target.file, option))
                part.write_bytes(target.text.encode("utf-8", "backslashreplace"))
            for target in targets:
                keep(target, parts, option)
    except BaseException:
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        raise
    for target in targets:
        if target.replaced is not None and target.replaced != target.file:
            target.replaced.unlink()


def make_folder(folder: Path) -> list[Path]:
    """Make a folder; return those that were not there, the outermost first."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    with suppress(OSError):  # writing the file says what is wrong
        folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def keep(target: Target, parts: ExitStack, option: str) -> None:
    """Copy the file that is replaced, with its times and permissions, to its backup."""
    if target.replaced is None or target.backup is None:
        return
    part = parts.enter_context(atomic_write(target.backup, option))
    shutil.copy2(target.replaced, part)
