"""``brickbook VERB`` in a shell: the verbs of the magic, without a notebook."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

from brickbook import __version__
from brickbook.errors import ConfigError
from brickbook.verbs import Answer, Command, WrongLineError, run
from brickbook.views.text import text

__all__ = ["main"]

VERSION = ("--version", "-V")
HELP = ("--help", "-h")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; a ConfigError is one line on stderr and exit code 2."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in VERSION:
        say(f"brickbook {__version__}")
        return 0
    if words and words[0] in HELP:
        words = ["help"]
    sys.path.insert(0, "")  # `package.module` of the folder one stands in, as with python -m
    try:
        with warnings.catch_warnings():
            warnings.showwarning = warn
            return tell(run(Command(), words))
    except WrongLineError as error:
        verb = f" {words[0]}" if error.usage else ""
        complain(f"{error} (brickbook{verb} --help)" if error.usage else error)
    except ConfigError as error:
        complain(error)
    except BrokenPipeError:  # who reads has enough: `brickbook plan … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}." if error.filename else error)
    except ImportError as error:
        complain(error)
    finally:
        sys.path.remove("")
    return 2


def tell(answer: object) -> int:
    """Say what a verb returned: a record as a table."""
    if isinstance(answer, Answer):
        say(answer.text)
        return answer.code
    say(text(answer))
    return 0


def complain(what: object) -> None:
    """Write one line to stderr."""
    sys.stderr.write(f"brickbook: {what}\n")


def warn(message: Warning | str, *_: object, **__: object) -> None:
    """Show a warning as one line, without the place in the launcher."""
    complain(f"warning: {message}")


def say(told: str) -> None:
    """Write a line to stdout: the answer of a command."""
    try:
        sys.stdout.write(f"{told}\n")
    except UnicodeEncodeError:  # a console of some code page
        encoding = sys.stdout.encoding
        sys.stdout.write(f"{told}\n".encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
