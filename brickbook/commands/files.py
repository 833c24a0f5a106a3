"""Files that commands read and write, and the arguments that name them; torch is not needed."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator, Sequence
from pathlib import Path

from brickbook.commands.command import Frontend, Parser
from brickbook.errors import BadValueError, MissingFileError
from brickbook.files import write_whole

__all__ = [
    "add_force",
    "add_json",
    "add_save",
    "check_target",
    "complete_files",
    "read_text",
    "write_text",
]

PIPE_SECONDS = 10.0
MAX_PIPE_BYTES = 2**24


def read_text(file: str) -> str:
    """Read a file as UTF-8; of a pipe, as ``<(…)`` makes one, or a terminal what comes in time."""
    path = Path(file).expanduser()
    try:
        waits = path.is_fifo() or path.is_char_device()
        return (read_pipe(path, file) if waits else path.read_bytes()).decode("utf-8")
    except UnicodeDecodeError:
        raise BadValueError(file, "is no text in UTF-8.") from None
    except OSError as error:
        raise MissingFileError(file, f"{error.strerror}.") from None


def read_pipe(path: Path, file: str) -> bytes:
    """Read a pipe to its end, but never wait long, and never without end."""
    found = b""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        while len(found) <= MAX_PIPE_BYTES:
            if not select.select([handle], [], [], PIPE_SECONDS)[0]:
                raise BadValueError(file, f"is a pipe that gives nothing for {PIPE_SECONDS:g} s.")
            block = os.read(handle, 2**16)
            if not block:
                return found
            found += block
    finally:
        os.close(handle)
    raise BadValueError(file, f"is a pipe that gives more than {MAX_PIPE_BYTES:,} bytes.")


def complete_files(frontend: Frontend, words: Sequence[str], typed: str) -> Iterator[str]:
    """Yield files and folders beside what is typed; hidden ones if a dot is."""
    head, slash, tail = typed.rpartition("/")
    folder = Path(f"{head}{slash}" or ".").expanduser()
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return
    for path in found:
        if path.name.startswith(".") <= tail.startswith("."):
            yield f"{head}{slash}{path.name}{'/' if path.is_dir() else ''}"


def add_json(parser: Parser, record: str) -> None:
    """Add ``--json FILE`` and ``--force``; `write_text` writes the file."""
    parser.add(
        "--json", metavar="FILE", complete=complete_files, help=f"write the {record} as JSON too"
    )
    add_force(parser)


def add_save(parser: Parser) -> None:
    """Add ``--save FILE``, for the state dict."""
    parser.add(
        "--save",
        metavar="FILE",
        complete=complete_files,
        help="save the state dict with torch.save",
    )


def add_force(parser: Parser) -> None:
    """Add ``--force``; `check_target` refuses a file that is there without it."""
    parser.add("--force", action="store_true", help="replace a file that is there")


def check_target(word: str, option: str, force: bool) -> Path:
    """Return the file to write to; ValueError if it is there already, or its folder is not."""
    path = Path(word).expanduser()
    if not path.resolve().parent.is_dir():
        raise BadValueError(option, f"the folder of {word} does not exist.")
    if path.exists() and not force:
        raise BadValueError(option, f"{word} is there already.", "Say --force to replace it.")
    return path


def write_text(text: str, word: str, option: str, force: bool) -> None:
    """Write a text to a file."""
    write_whole(check_target(word, option, force), text, option)
