"""The errors of brickbook: where in the config, what is wrong, and the nearest known word."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

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
    "nearest",
]

MAX_LISTED = 12


class ConfigError(Exception):
    """A config that cannot be used.

    ``path`` is the offending key (``init_cfg[1].override.name``), ``problem`` the fact and
    ``hint`` the nearest known word, if any.
    """

    def __init__(self, path: str, problem: str, hint: str = "") -> None:
        super().__init__(path, problem, hint)
        self.path, self.problem, self.hint = path, problem, hint

    def rebase(self, path: str) -> None:
        """Put ``path`` before this error's own path: what was ``std`` is ``cfg.std`` now."""
        self.path = f"{path}.{self.path}"
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


def nearest(word: object, known: Iterable[str], listed: Iterable[str] | None = None) -> str:
    """Hint at the closest known word, else list what is known (or of it only ``listed``).

    >>> nearest("relu", ["ReLU", "GELU"])
    "Did you mean 'ReLU'?"
    >>> nearest("Foo", ["BN", "GN"])
    'Known: BN, GN.'
    """
    names = {name.casefold(): name for name in known}
    close = get_close_matches(str(word).casefold(), names, n=1)
    if close:
        return f"Did you mean {names[close[0]]!r}?"
    if listed is not None:
        names = {name.casefold(): name for name in listed}
    if not names:
        return ""
    shown = sorted(names.values())
    more = f", and {len(shown) - MAX_LISTED} more" if len(shown) > MAX_LISTED else ""
    return f"Known: {', '.join(shown[:MAX_LISTED])}{more}."
