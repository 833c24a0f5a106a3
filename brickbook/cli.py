"""``brickbook VERB`` in a shell: the commands of the magic, without a notebook."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

from brickbook import __version__
from brickbook.commands import CommandUsageError, Message, ShellFrontend, run
from brickbook.errors import ConfigError
from brickbook.printable import escape_controls
from brickbook.views.text import text

__all__ = ["main"]

VERSION = ("--version", "-V")
HELP = ("--help", "-h")
LINES = "\n\t"  # of an answer


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; a ConfigError is one line on stderr and exit code 2."""
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
    except CommandUsageError as error:
        verb = f" {words[0]}" if error.usage else ""
        print_error(f"{error} (brickbook{verb} --help)" if error.usage else error)
    except ConfigError as error:
        print_error(error)
    except BrokenPipeError:  # who reads has enough: `brickbook plan … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print_error(f"{error.filename}: {error.strerror}." if error.filename else error)
    except ImportError as error:
        print_error(error)
    finally:
        sys.path.remove("")
    return 2


def show_result(result: object) -> int:
    """Print what a command returned: a record as a table; return the exit code."""
    if isinstance(result, Message):
        print_line(result.text)
        return result.exit_code
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


if __name__ == "__main__":
    sys.exit(main())
