"""Where in files of the user's own an error came up: that is what they can mend."""

from __future__ import annotations

import os
import site
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from traceback import FrameSummary, TracebackException, extract_tb

import brickbook
from brickbook.html import shorten_middle

__all__ = ["describe_failure", "is_in_user_file"]

MAX_FRAMES, MAX_LENGTH = 3, 2_000

# What was installed is nobody's own file, and neither is this package.
INSTALLED = tuple(
    Path(folder).resolve()
    for folder in (
        *(sysconfig.get_path(key) for key in ("stdlib", "platstdlib", "purelib", "platlib")),
        *site.getsitepackages(),
        site.getusersitepackages(),
        Path(brickbook.__file__).parent,
    )
)


def is_in_user_file(error: BaseException) -> bool:
    """Whether an error came up in a file of the user's, or in what that called."""
    return bool(user_frames(error)) or syntax_error_file(error) is not None


def describe_failure(error: BaseException) -> str:
    """Return the file of the user's that fails, the error, and the last lines that led there."""
    told = TracebackException(type(error), error, None)
    told.__notes__ = None  # type: ignore[attr-defined]  # Python 3.11; our own
    message = "".join(told.format_exception_only()).rstrip()
    frames = user_frames(error)[-MAX_FRAMES:]
    below = [line for frame in frames for line in frame_lines(frame)]
    file = syntax_error_file(error)
    if file is not None:
        *place, message = message.splitlines()
        return "\n".join((f"{shown(file)} fails: {message}", *below, *place))
    message = shorten_middle(message, MAX_LENGTH)
    return "\n".join((f"{shown(frames[-1].filename)} fails: {message}", *below))


def user_frames(error: BaseException) -> list[FrameSummary]:
    """Return the lines of files of the user's that an error went through."""
    return [frame for frame in extract_tb(error.__traceback__) if is_user_file(frame.filename)]


def is_user_file(file: str) -> bool:
    """Whether a file is neither installed nor made up, as ``<string>`` is."""
    if file.startswith("<"):
        return False
    path = Path(file).resolve()
    return not any(path.is_relative_to(folder) for folder in INSTALLED)


def syntax_error_file(error: BaseException) -> str | None:
    """Return the file of the user's that is no Python."""
    file = error.filename if isinstance(error, SyntaxError) else None
    return file if file is not None and is_user_file(file) else None


def frame_lines(frame: FrameSummary) -> Iterator[str]:
    """Write one line of a file as Python does."""
    yield f'  File "{shown(frame.filename)}", line {frame.lineno}, in {frame.name}'
    if frame.line:
        yield f"    {frame.line}"


def shown(file: str) -> str:
    """Return a file's name as one types it where one stands."""
    path = Path(file).resolve()
    here = Path.cwd()
    return os.fspath(path.relative_to(here) if path.is_relative_to(here) else path)
