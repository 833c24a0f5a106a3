"""Every sentence that is shown to a reader, as data, and which language a reader gets.

A language is one JSON file of this folder and its plural function in `PLURALS`. All files have the
same keys. A text may hold ``{names}``; one that depends on a number ``n`` is an object with a text
for each form that the plural function names, ``"other"`` among them. Names, types and formulas are
the same everywhere.

What an error says is written where it is raised, in English. A language has it under that text, in
the object ``"sentences"`` of its file, and so it has what a docstring says of an argument; what is
not there stays English.
"""

from __future__ import annotations

import json
import locale
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from brickbook.errors import (
    BadValueError,
    ConfigError,
    Sentence,
    UnknownNameError,
    as_sentence,
    nearest,
    with_hint,
)

__all__ = ["LANGUAGES", "Texts", "language_of"]

# Which form of a text a number takes, in the words of Unicode's CLDR: one, few, many, other.
PLURALS: Mapping[str, Callable[[int], str]] = {
    "en": lambda n: "one" if n == 1 else "other",
    "zh": lambda _: "other",
}
LANGUAGES = tuple(PLURALS)

# The first that is set decides, as in POSIX; ours goes before those of the system.
LANGUAGE_VARIABLES = ("BRICKBOOK_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")

Text = str | Mapping[str, str]
SENTENCES = "sentences"


class Texts(Mapping[str, str]):
    """Every text in one language, by key; of a text with several forms the plural.

    Called, it fills names in: whole numbers get a comma after every three digits, other numbers are
    written with four digits, and ``n`` chooses the form.

    Args:
        language: "en" or "zh"; None for the reader's.

    Raises:
        BadValueError: there is no such language.
        UnknownNameError: by ``[key]`` or a call, for a key that is not there.

    >>> texts = Texts("en")
    >>> texts("grid.parameters", n=1), texts("grid.parameters", n=1200)
    ('1 parameter', '1,200 parameters')
    """

    def __init__(self, language: str | None = None) -> None:
        self.language = language_of(language)
        self.table = read_table(self.language)
        self.sentences = read_sentences(self.language)

    def __call__(self, key: str, /, **values: object) -> str:
        """Return the text of a key with its names filled in."""
        text, n = self.find(key), values.get("n")
        if not isinstance(text, str):
            form = PLURALS[self.language](n) if isinstance(n, int) else "other"
            text = text.get(form, text["other"])
        return text.format_map({name: format_value(value) for name, value in values.items()})

    def __getitem__(self, key: str) -> str:
        text = self.find(key)
        return text if isinstance(text, str) else text["other"]

    def find(self, key: str) -> Text:
        """Return what the file has under a key: a text, or its forms."""
        if key not in self.table:
            problem = f"there is no text {key!r}."
            raise UnknownNameError("key", problem, nearest(key, self.table))
        return self.table[key]

    def translate(self, text: str) -> str:
        """Return what an error says, in this language; as it is where the language has it not.

        >>> Texts("zh").translate("it contains itself.")
        '它包含自身。'
        """
        found = as_sentence(text)
        template = self.sentences.get(found.template, found.template)
        parts = {
            key: self.translate(part) if isinstance(part, Sentence) else part
            for key, part in found.fields.items()
        }
        return template.format_map(parts) if parts else template

    def explain(self, error: Exception) -> str:
        """Return what ``str(error)`` says, in this language as far as it is one of a config."""
        if not isinstance(error, ConfigError):
            return str(error)
        text = self.translate(with_hint(error.problem, error.hint))
        return self("init.line", place=error.path, text=text) if error.path else text

    def __contains__(self, key: object) -> bool:
        return key in self.table

    def __iter__(self) -> Iterator[str]:
        return iter(self.table)

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"Texts({self.language!r})"

    def section(self, name: str) -> dict[str, Text]:
        """Return the texts of one section, such as "grid", by the rest of their keys: for a page.

        A browser knows the plural forms of every language itself (``Intl.PluralRules``).
        """
        prefix = f"{name}."
        return {
            key.removeprefix(prefix): text
            for key, text in self.table.items()
            if key.startswith(prefix)
        }


@cache
def read_file(language: str) -> Mapping[str, Any]:
    """Read the file of a language."""
    return json.loads(Path(__file__).with_name(f"{language}.json").read_text(encoding="utf-8"))


@cache
def read_table(language: str) -> Mapping[str, Text]:
    """Return the texts of a language by key."""
    return {key: text for key, text in read_file(language).items() if key != SENTENCES}


def read_sentences(language: str) -> Mapping[str, str]:
    """Return what errors say in a language, by the English of it."""
    return read_file(language).get(SENTENCES, {})


def language_of(language: str | None = None) -> str:
    """Return the language to write in: the given one, or the reader's; English if we lack it.

    Raises:
        BadValueError: there is no such language.
    """
    if language is None:
        return system_language()
    if language not in LANGUAGES:
        problem = f"unknown language {language!r}."
        raise BadValueError("language", problem, nearest(language, LANGUAGES))
    return language


def system_language() -> str:
    """Return the reader's language, as far as the environment tells."""
    names = (*map(os.environ.get, LANGUAGE_VARIABLES), locale.getlocale()[0])
    found = next(filter(None, names), "").lower()
    # Windows has no codes: it says "Chinese (Simplified)_China".
    codes = {code: (code, Texts(code)["language.name"].lower()) for code in LANGUAGES}
    return next((code for code, names in codes.items() if found.startswith(names)), "en")


def format_value(value: object) -> str:
    """Write what goes into a text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
