"""Every sentence that is shown to a reader, in one place and in several languages.

A folder a language, a file a part: `en` and `zh` hold tables of the same keys. A text may hold
``{names}``; where a key has a second one that ends in ``.one``, that one is for ``n=1``. A further
language is a further folder with the same keys. What an error of a config says, names, types and
formulas are English everywhere.
"""

from brickbook.texts.speaking import LANGUAGES, TABLES, Texts, language_of

__all__ = ["LANGUAGES", "TABLES", "Texts", "language_of"]
