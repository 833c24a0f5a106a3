"""A user's file is written beside its place and put there when it is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from brickbook.errors import WriteError

__all__ = ["atomic_write", "write_whole"]


def write_whole(file: Path, content: str | bytes, path: str = "file") -> None:
    """Write a text in UTF-8 or bytes to a file, or leave what was there as it is.

    Half a surrogate pair, which UTF-8 cannot hold, becomes its escape.

    Args:
        file: Where to.
        content: What to write.
        path: The name of ``file`` in errors.

    Raises:
        WriteError: The file cannot be written. It is an OSError too.
    """
    written = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
    with atomic_write(file, path) as part:
        part.write_bytes(written)


@contextmanager
def atomic_write(file: Path, path: str = "file") -> Iterator[Path]:
    """Give a path beside a file to write to; it takes the file's place when all went well.

    A link is followed, and the file keeps its permissions. A pipe or a device such as /dev/stdout
    has nothing to lose, and is written itself.

    Args:
        file: Where to; missing folders are made.
        path: The name of ``file`` in errors.

    Raises:
        WriteError: The file cannot be written. It is an OSError too, with its ``errno``.
    """
    part = None
    try:
        if file.exists() and not (file.is_file() or file.is_dir()):
            yield file
            return
        place = file.resolve()
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f".{uuid4().hex}.part")  # short: the file's own name may be long
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())  # a crash must not leave an empty file there
        if place.is_file():
            shutil.copymode(place, part)
        part.replace(place)
    except WriteError:  # of another file that is written inside the block: it has its name
        raise
    except OSError as error:
        problem = f"{file} cannot be written: {error.strerror or error}."
        failure = WriteError(path, problem)
        failure.errno = error.errno
        raise failure from error
    finally:
        if part is not None:
            with suppress(OSError):
                part.unlink(missing_ok=True)
