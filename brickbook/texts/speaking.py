"""Which language to speak, and the texts in it."""

from __future__ import annotations

import locale
import os
from collections.abc import Iterator, Mapping

from brickbook.errors import BadValueError, UnknownNameError, nearest
from brickbook.texts.en import ENGLISH
from brickbook.texts.zh import CHINESE

__all__ = ["LANGUAGES", "TABLES", "VARIABLES", "Texts", "language_of"]

TABLES: Mapping[str, Mapping[str, str]] = {"en": ENGLISH, "zh": CHINESE}
LANGUAGES = tuple(TABLES)
# The first that is set decides, as in POSIX; ours goes before those of the system.
VARIABLES = ("BRICKBOOK_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
# Windows sets none of them, and says "Chinese (Simplified)_China".
STARTS = {"zh": "zh", "chinese": "zh", "en": "en"}


def language_of(language: str | None = None) -> str:
    """Return the language to write in: the given one, or the reader's; English if we lack it.

    Raises ValueError for a given language that no table has.
    """
    if language is None:
        return spoken()
    if language not in TABLES:
        raise BadValueError(
            "language", f"unknown language {language!r}.", nearest(language, TABLES)
        )
    return language


def spoken() -> str:
    """Return the reader's language, as far as the environment tells."""
    found = next(filter(None, map(os.environ.get, VARIABLES)), None) or locale.getlocale()[0] or ""
    return next((code for start, code in STARTS.items() if found.lower().startswith(start)), "en")


class Texts(Mapping[str, str]):
    """Every text in one language, by key: the given language, or the reader's.

    Called, it fills names in: whole numbers get a comma after every three digits, others are
    written with four digits. Raises KeyError for a key that is not there.

    >>> texts = Texts("en")
    >>> texts("grid.parameters", n=1), texts("grid.parameters", n=1200)
    ('1 parameter', '1,200 parameters')
    """

    def __init__(self, language: str | None = None) -> None:
        self.language = language_of(language)
        self.table = TABLES[self.language]

    def __call__(self, key: str, **words: object) -> str:
        """Return the text of a key with its names filled in."""
        if words.get("n") == 1 and f"{key}.one" in self.table:
            key = f"{key}.one"
        return self[key].format_map({name: spelled(value) for name, value in words.items()})

    def __getitem__(self, key: str) -> str:
        if key not in self.table:
            problem = f"there is no text {key!r}."
            raise UnknownNameError("key", problem, nearest(key, self.table))
        return self.table[key]

    def __contains__(self, key: object) -> bool:
        return key in self.table

    def __iter__(self) -> Iterator[str]:
        return iter(self.table)

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"Texts({self.language!r})"

    def part(self, name: str) -> dict[str, str]:
        """Return the texts of one part, such as "grid", by the rest of their keys."""
        start = f"{name}."
        return {
            key.removeprefix(start): text
            for key, text in self.table.items()
            if key.startswith(start)
        }


def spelled(value: object) -> str:
    """Write what goes into a text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
