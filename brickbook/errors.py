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
    "MissingPackageError",
    "NameTakenError",
    "NoSuchModuleError",
    "Sentence",
    "UnknownNameError",
    "UnmatchedRuleError",
    "UnmatchedRuleWarning",
    "WriteError",
    "as_sentence",
    "first_line",
    "format_value",
    "join_limited",
    "missing_arguments",
    "nearest",
    "one_of",
    "reason_of",
    "shorten",
    "with_hint",
    "wrong_type",
    "wrong_value",
]

MAX_LISTED = 12
MAX_SHOWN = 400  # characters of a value in a message
MAX_PART = 4000  # characters of any part of a message
LOG10_OF_2 = log10(2)


class Sentence(str):
    """A sentence in English that knows what it is made of: `brickbook.i18n` has it in others.

    Args:
        template: The sentence with ``{names}`` in it; other languages have theirs under this text.
        **fields: What the names stand for; one that is a `Sentence` has its own words in others.

    >>> Sentence("expected {wanted}, got {value}.", wanted="an int", value=1.5)
    'expected an int, got 1.5.'
    """

    template: str
    fields: Mapping[str, str]

    def __new__(cls, template: str, /, **fields: object) -> Sentence:
        """Write the sentence."""
        texts = {key: each if isinstance(each, str) else str(each) for key, each in fields.items()}
        made = super().__new__(cls, template.format_map(texts) if texts else template)
        made.template, made.fields = template, texts
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, str]]:
        """Return what a copy is made of."""
        return (self.template,), dict(self.fields)


class ConfigError(Exception):
    """A config that cannot be used.

    Args:
        path: The offending key (``init_cfg[1].override.name``).
        problem: The fact.
        hint: The nearest known word, if any.
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


class MissingPackageError(ConfigError, ImportError):
    """Something that needs an optional package, which cannot be imported."""


class UnmatchedRuleWarning(UserWarning):
    """A rule of an ``init_cfg`` that matches nothing in the model."""


def with_hint(problem: str, hint: str) -> str:
    """Return what is wrong, and a hint if there is one."""
    if not hint:
        return problem
    return Sentence("{problem} {hint}", problem=as_sentence(problem), hint=as_sentence(hint))


def as_sentence(text: str) -> Sentence:
    """Return a text as a sentence: it is no name."""
    return text if isinstance(text, Sentence) else Sentence(text)


def missing_arguments(name: str, arguments: Iterable[str]) -> str:
    """Say which arguments a call still needs."""
    return Sentence("{name} also needs {arguments}.", name=name, arguments=", ".join(arguments))


def wrong_type(wanted: str, value: object) -> str:
    """Say what was expected in place of a value, and of what type it is."""
    return Sentence(
        "expected {wanted}, got {value} ({type}).",
        wanted=as_sentence(wanted),
        value=format_value(value),
        type=type(value).__name__,
    )


def wrong_value(wanted: str, value: object) -> str:
    """Say what was expected in place of a value."""
    shown = format_value(value)
    return Sentence("expected {wanted}, got {value}.", wanted=as_sentence(wanted), value=shown)


def first_line(error: object) -> str:
    """Return the first line of an error's text, or its class.

    >>> first_line(ValueError("too large")), first_line(KeyError())
    ('too large', 'KeyError')
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def reason_of(error: object) -> Sentence:
    """Return what an error says, for the middle of a sentence: without a full stop.

    >>> reason_of(ValueError("too large.")), reason_of(OSError(Sentence("{n} are left", n=3)))
    ('too large', '3 are left')
    """
    said = next(iter(getattr(error, "args", ())), None)
    if isinstance(said, Sentence):
        return said
    return Sentence((first_line(error) or type(error).__name__).rstrip(".:"))


def shorten(text: str, most: int = MAX_SHOWN) -> str:
    """Return a text, or the two ends of a long one and its length.

    >>> shorten("a name"), shorten("x" * 1000, most=8)
    ('a name', 'xxxxxx … xx (1,000 characters)')
    """
    if len(text) <= most:
        return text
    end = most // 4
    shown = f"{text[: most - end]} … {text[-end:]}"
    return Sentence("{text} ({n} characters)", text=shown, n=f"{len(text):,}")


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
        digits = int(x.bit_length() * LOG10_OF_2) + 1
        return Sentence("a number of about {n} digits", n=f"{digits:,}")

    def repr_str(self, x: str, level: int) -> str:
        """Write a text."""
        if len(x) <= MAX_SHOWN:
            return repr(x)
        return Sentence("{text} ({n} characters)", text=f"{x[:200]!r}…", n=f"{len(x):,}")

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
        return Sentence("Did you mean {word}?", word=repr(names[close[0]]))
    if listed is not None:
        names = {name.casefold(): name for name in listed}
    if not names:
        return ""
    shown = sorted(names.values())
    words, more = ", ".join(shown[:MAX_LISTED]), len(shown) - MAX_LISTED
    if more > 0:
        return Sentence("Known: {words}, and {more} more.", words=words, more=more)
    return Sentence("Known: {words}.", words=words)


def join_limited(words: Iterable[object], most: int = MAX_LISTED) -> str:
    """Write words in a row, and how many more there are.

    >>> join_limited("abcd", most=2)
    'a, b and 2 more'
    """
    found = [escape_controls(str(word)) for word in words]
    shown, more = ", ".join(found[:most]), len(found) - most
    return Sentence("{words} and {more} more", words=shown, more=more) if more > 0 else shown


def one_of(words: Iterable[str]) -> str:
    """Write of which words one is expected; "" for none.

    >>> one_of(["int", "float", "None"])
    'int or float or None'
    """
    text = ""
    for word in words:
        text = Sentence("{one} or {other}", one=text, other=word) if text else word
    return text
