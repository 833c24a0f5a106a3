"""The errors of brickbook: where in the config, what is wrong, and the nearest known word."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import islice
from math import log10

from brickbook.printable import escape_controls

__all__ = [
    "BadArgumentError",
    "BadValueError",
    "CheckError",
    "ConfigError",
    "MissingFileError",
    "MissingKeyError",
    "MissingOperatorError",
    "NameTakenError",
    "NoSuchModuleError",
    "UnknownNameError",
    "UnmatchedRuleError",
    "UnmatchedRuleWarning",
    "WriteError",
    "first_line",
    "format_value",
    "join_limited",
    "nearest",
    "shorten",
]

MAX_LISTED = 12
MAX_SHOWN = 400  # characters of a value in a message
MAX_PART = 4000  # characters of any part of a message
LOG10_OF_2 = log10(2)


class ConfigError(Exception):
    """A config that cannot be used.

    ``path`` is the offending key (``init_cfg[1].override.name``), ``problem`` the fact and
    ``hint`` the nearest known word, if any.
    """

    def __init__(self, path: str, problem: str, hint: str = "") -> None:
        parts = shorten(path), shorten(problem, MAX_PART), shorten(hint, MAX_PART)
        super().__init__(*parts)
        self.path, self.problem, self.hint = parts

    def rebase(self, path: str) -> None:
        """Put ``path`` before this error's own path: what was ``std`` is ``cfg.std`` now."""
        self.path = shorten(f"{path}.{self.path}")
        self.args = (self.path, self.problem, self.hint)

    def __str__(self) -> str:
        return escape_controls(f"{self.path}: {self.problem} {self.hint}".rstrip(), kept="\n\t")


class UnknownNameError(ConfigError, KeyError):
    """A ``type`` that no registry lists."""


class MissingKeyError(ConfigError, KeyError):
    """A key that a config must have and has not."""


class NameTakenError(ConfigError, KeyError):
    """A name under which another object is registered already."""


class BadArgumentError(ConfigError, TypeError):
    """A key that is not accepted, one that is missing in a call, or a value of a wrong type."""


class BadValueError(ConfigError, ValueError):
    """A value of the right type that cannot be used."""


class CheckError(ConfigError, AssertionError):
    """A condition on an argument that mmcv states with ``assert``."""


class NoSuchModuleError(ConfigError, RuntimeError):
    """A module name that is not in the model."""


class UnmatchedRuleError(ConfigError, ValueError):
    """A rule that matches nothing in the model, where ``strict=True`` asked for an error."""


class MissingFileError(ConfigError, FileNotFoundError):
    """A file that is not where its name says."""


class WriteError(ConfigError, OSError):
    """A file that could not be written."""


class MissingOperatorError(ConfigError, ImportError):
    """A compiled operator of another library that is not installed."""


class UnmatchedRuleWarning(UserWarning):
    """A rule of an ``init_cfg`` that matches nothing in the model."""


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, or its class.

    >>> first_line(ValueError("too large")), first_line(KeyError())
    ('too large', 'KeyError')
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def join_limited(words: Iterable[object], most: int = MAX_LISTED) -> str:
    """Write words in a row, and how many more there are.

    >>> join_limited("abcd", most=2)
    'a, b and 2 more'
    """
    words = [escape_controls(str(word)) for word in words]
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def shorten(text: str, most: int = MAX_SHOWN) -> str:
    """Return a text, or the two ends of a long one and its length.

    >>> shorten("a name"), shorten("x" * 1000, most=8)
    ('a name', 'xxxxxx … xx (1,000 characters)')
    """
    if len(text) <= most:
        return text
    end = most // 4
    return f"{text[: most - end]} … {text[-end:]} ({len(text):,} characters)"


class ShortRepr(reprlib.Repr):
    """Writes the beginning of what is long or deep, and what Python refuses to write."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 20
        self.maxstring = self.maxlong = self.maxother = MAX_SHOWN

    def repr_int(self, x: int, level: int) -> str:
        """Write a whole number; Python refuses to write one of more than 4,300 digits."""
        if x.bit_length() < MAX_SHOWN * 3:
            return repr(x)
        return f"a number of about {int(x.bit_length() * LOG10_OF_2) + 1:,} digits"

    def repr_str(self, x: str, level: int) -> str:
        """Write a text."""
        return repr(x) if len(x) <= MAX_SHOWN else f"{x[:200]!r}… ({len(x):,} characters)"

    def repr_dict(self, x: Mapping[object, object], level: int) -> str:
        """Write a dict in its own order."""
        if x and level <= 0:
            return "{...}"
        pairs = [
            f"{self.repr1(key, level - 1)}: {self.repr1(value, level - 1)}"
            for key, value in islice(x.items(), self.maxdict)
        ]
        return f"{{{', '.join([*pairs, *['...'] * (len(x) > self.maxdict)])}}}"


def format_value(value: object) -> str:
    """Write a value into a message: its repr, if that is short and can be made.

    >>> format_value({"type": "BN"}), format_value(10**5000)
    ("{'type': 'BN'}", 'a number of about 5,001 digits')
    """
    try:
        return shorten(SHORT_REPR.repr(value))
    except Exception:  # a class whose repr fails
        return f"a {type(value).__name__}"


SHORT_REPR = ShortRepr()


def nearest(word: object, known: Iterable[str], listed: Iterable[str] | None = None) -> str:
    """Hint at the closest known word, else list what is known (or of it only ``listed``).

    >>> nearest("relu", ["ReLU", "GELU"])
    "Did you mean 'ReLU'?"
    >>> nearest("Foo", ["BN", "GN"])
    'Known: BN, GN.'
    """
    # Another thread may add to what is known.
    names = {name.casefold(): name for name in list(known)}
    text = word if isinstance(word, str) else format_value(word)
    close = get_close_matches(text[:MAX_SHOWN].casefold(), names, n=1)
    if close:
        return f"Did you mean {names[close[0]]!r}?"
    if listed is not None:
        names = {name.casefold(): name for name in listed}
    if not names:
        return ""
    shown = sorted(names.values())
    more = f", and {len(shown) - MAX_LISTED} more" if len(shown) > MAX_LISTED else ""
    return f"Known: {', '.join(shown[:MAX_LISTED])}{more}."
