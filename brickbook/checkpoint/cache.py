"""The cache folder, offline mode, progress, and the hash in a file's name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from brickbook.checkpoint.errors import DownloadError
from brickbook.errors import BadValueError, Sentence, format_value, reason_of, shorten

__all__ = [
    "SCHEME",
    "Progress",
    "_get_mmcv_home",
    "cache_folder",
    "current_progress",
    "hash_in_name",
    "is_offline",
    "transfers",
    "unwritable_folder",
]

# Called with the bytes so far, and how many there will be, if that is known.
Progress = Callable[[int, "int | None"], object]

# A UUID's last group and a date (...-20200130.pth) are written like a hash, and are none.
HASH_IN_NAME = re.compile(
    r"(?<![0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4})"
    r"-(?!(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\.)"
    r"([0-9a-f]{8,64})\."
)

# Two characters at least: "C://" begins a path on Windows.
SCHEME = re.compile(r"[A-Za-z][\w+.:-]+://")
FALSE_WORDS = ("", "0", "false", "no", "off")
OFFLINE: ContextVar[bool] = ContextVar("offline", default=False)
PROGRESS: ContextVar[Progress | None] = ContextVar("progress", default=None)


def cache_folder() -> Path:
    """Return where brickbook keeps what it downloads; the folder need not exist.

    The first that is set: ``BRICKBOOK_HOME``, ``MMCV_HOME``, ``XDG_CACHE_HOME``/brickbook; else
    ``~/.cache/brickbook``.
    """
    for variable, inner in (
        ("BRICKBOOK_HOME", ""),
        ("MMCV_HOME", ""),
        ("XDG_CACHE_HOME", "brickbook"),
    ):
        if value := os.environ.get(variable):
            return expand_home(Path(value), variable) / inner
    return expand_home(Path("~/.cache/brickbook"), "HOME")


def expand_home(path: Path, variable: str) -> Path:
    """Return a path without ``~``.

    Raises:
        BadValueError: There is no such user, or the user has no folder.
    """
    try:
        return path.expanduser()
    except RuntimeError:
        problem = Sentence(
            "{folder} cannot be told: there is no such home folder.", folder=format_value(str(path))
        )
        raise BadValueError(variable, problem, "Set BRICKBOOK_HOME to a folder.") from None


def _get_mmcv_home() -> str:
    """Return `cache_folder` under the name that mmcv gives it, and make it.

    Raises:
        DownloadError: It cannot be made; an OSError.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable_folder(folder, error, "BRICKBOOK_HOME") from error
    return str(folder)


def unwritable_folder(folder: Path, error: OSError, path: str) -> DownloadError:
    """Return the error that says that the cache takes no file."""
    return DownloadError(
        path,
        Sentence(
            "the cache folder {folder} cannot be written to: {why}.",
            folder=shorten(str(folder)),
            why=error.strerror or reason_of(error),
        ),
        "Set BRICKBOOK_HOME to a folder that can.",
    )


@contextmanager
def transfers(*, offline: bool = False, progress: Progress | None = None) -> Iterator[None]:
    """Say how files come here in this block: not at all, or reporting to a function."""
    kept = OFFLINE.set(offline or OFFLINE.get()), PROGRESS.set(progress or PROGRESS.get())
    try:
        yield
    finally:
        OFFLINE.reset(kept[0])
        PROGRESS.reset(kept[1])


def is_offline() -> bool:
    """Whether `transfers` or ``BRICKBOOK_OFFLINE`` forbids the network."""
    return OFFLINE.get() or os.environ.get("BRICKBOOK_OFFLINE", "").casefold() not in FALSE_WORDS


def current_progress() -> Progress | None:
    """Return what `transfers` calls with each block that arrives."""
    return PROGRESS.get()


def hash_in_name(name: str) -> str | None:
    """Return the first digits of a file's SHA-256, if its name ends in them.

    >>> hash_in_name("resnet50-0676ba61.pth"), hash_in_name("resnet50-20200130.pth")
    ('0676ba61', None)
    """
    found = HASH_IN_NAME.findall(name)
    return found[-1] if found else None
