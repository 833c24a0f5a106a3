"""Names come from configs and checkpoints of others, and may hold signs that a terminal obeys."""

from __future__ import annotations

import re

__all__ = ["escape_controls"]

# Control signs of both sets, line separators, signs that turn the direction of reading, halves of
# surrogate pairs, and what no XML may hold.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def escape_controls(text: str, kept: str = "") -> str:
    r"""Write signs that command a terminal or that no file can hold as Python writes them.

    Args:
        text: What is shown.
        kept: The control signs that stay: the line ends of a text that has lines.

    >>> print(escape_controls("a\x1b[2Jb\n"))
    a\x1b[2Jb\n
    """
    return UNPRINTABLE.sub(
        lambda found: (
            found[0] if found[0] in kept else found[0].encode("unicode_escape").decode("ascii")
        ),
        text,
    )
