"""Every sentence that a page shows, in one place and in two languages.

A text may hold ``{names}``, which `text` fills in; where a key has a second one that ends in
``.one``, that one is for ``n=1``. A further language is a further table with the same keys.
"""

from __future__ import annotations

import locale
import os
from collections.abc import Mapping

from brickbook.errors import BadValueError, UnknownNameError, nearest
from brickbook.views.texts_en import ENGLISH
from brickbook.views.texts_zh import CHINESE

__all__ = ["TEXTS", "language_of", "text", "texts_of"]

TEXTS: dict[str, dict[str, str]] = {"en": ENGLISH, "zh": CHINESE}
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
    if language not in TEXTS:
        raise BadValueError("language", f"unknown language {language!r}.", nearest(language, TEXTS))
    return language


def spoken() -> str:
    """Return the reader's language, as far as the environment tells."""
    found = next(filter(None, map(os.environ.get, VARIABLES)), None) or locale.getlocale()[0] or ""
    return next((code for start, code in STARTS.items() if found.lower().startswith(start)), "en")


def text(key: str, language: str | None = None, **numbers: object) -> str:
    """Return the text of a key with its numbers filled in.

    Whole numbers get a comma after every three digits, others are written with four digits.
    Raises KeyError for an unknown key.

    >>> text("grid.parameters", "en", n=1), text("grid.parameters", "en", n=1200)
    ('1 parameter', '1,200 parameters')
    """
    table = TEXTS[language_of(language)]
    if key not in table:
        raise UnknownNameError("key", f"there is no text {key!r}.", nearest(key, table))
    if numbers.get("n") == 1:
        key = f"{key}.one" if f"{key}.one" in table else key
    return table[key].format_map({name: spelled(value) for name, value in numbers.items()})


def spelled(value: object) -> str:
    """Write what goes into a text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def texts_of(part: str, language: str | None = None) -> Mapping[str, str]:
    """Return the texts of one part, such as "grid", by the rest of their keys."""
    table = TEXTS[language_of(language)]
    return {
        key.removeprefix(f"{part}."): value
        for key, value in table.items()
        if key.startswith(f"{part}.")
    }
