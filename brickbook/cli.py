"""``brickbook VERB`` in a shell: the commands of the magic, without a notebook."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress

from brickbook import __version__
from brickbook.commands import CommandUsageError, Message, ShellFrontend, run
from brickbook.commands.user_code.user_traceback import describe_failure, is_in_user_file
from brickbook.errors import ConfigError
from brickbook.printable import escape_controls

__all__ = ["main"]

VERSION = ("--version", "-V")
HELP = ("--help", "-h")
LINES = "\n\t"  # of an answer


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return the exit code.

    0 is done; 1 of ``build``: the input does not go through; 2: it cannot be done, one line on
    stderr says why, and where a file of the user's fails, the lines below it where; 130: Ctrl-C.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in VERSION:
        print_line(f"brickbook {__version__}")
        return 0
    if words and words[0] in HELP:
        words = ["help"]
    sys.path.insert(0, "")  # `package.module` of the folder one stands in, as with python -m
    try:
        with warnings.catch_warnings():
            warnings.showwarning = print_warning
            return show_result(run(ShellFrontend(), words))
    except KeyboardInterrupt:
        print_error("interrupted.")
        return 130  # as a shell says it: 128 and the number of the signal
    except (Exception, SystemExit) as error:
        return report_failure(error, words)
    finally:
        with suppress(ValueError):  # a file of the user's may have taken it out
            sys.path.remove("")


def report_failure(error: BaseException, words: Sequence[str]) -> int:
    """Say what went wrong and return the exit code; a fault of our own is raised."""
    cause = error.__cause__
    if cause is not None and is_in_user_file(cause):  # a model that fails while it runs
        print_error(describe_failure(cause))
    elif is_in_user_file(error):
        print_error(describe_failure(error))
    elif isinstance(error, CommandUsageError):
        verb = f" {words[0]}" if error.usage else ""
        print_error(f"{error} (brickbook{verb} --help)" if error.usage else error)
    elif isinstance(error, BrokenPipeError):  # who reads has enough: `brickbook plan … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    elif isinstance(error, OSError) and not isinstance(error, ConfigError):
        print_error(f"{error.filename}: {error.strerror}." if error.filename else error)
    elif isinstance(error, (ConfigError, ImportError)):
        print_error(error)
    else:
        raise error
    return 2


def show_result(result: object) -> int:
    """Print what a command returned: a record as a table; return the exit code."""
    if isinstance(result, Message):
        if result.exact:
            print_file(result.text)
        else:
            print_line(result.text)
        if result.notes:
            sys.stderr.write(f"{escape_controls(result.notes, kept=LINES)}\n")
        return result.exit_code
    from brickbook.views.text import text  # loads torch, which a message does not need

    print_line(text(result))
    return 0


def print_error(message: object) -> None:
    """Write one line to stderr."""
    sys.stderr.write(f"brickbook: {escape_controls(str(message), kept=LINES)}\n")


def print_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Show a warning as one line, without the place in the launcher."""
    print_error(f"warning: {message}")


def print_line(line: str) -> None:
    """Write a line to stdout: the answer of a command."""
    line = escape_controls(line, kept=LINES)
    try:
        sys.stdout.write(f"{line}\n")
    except UnicodeEncodeError:  # a console of some code page
        encoding = sys.stdout.encoding
        sys.stdout.write(f"{line}\n".encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


def print_file(content: str) -> None:
    """Write the text of a file to stdout: unchanged, in UTF-8, unless a terminal would obey it."""
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None or sys.stdout.isatty():
        if content:
            print_line(content.removesuffix("\n"))
        return
    sys.stdout.flush()
    buffer.write(content.encode("utf-8", "backslashreplace"))
    buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
