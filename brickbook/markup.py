"""Small fixed HTML: tables with inline styles only, so that they look right in any notebook.

An untrusted notebook drops ``<style>`` and scripts and keeps ``style=``. Every text is escaped:
names come from configs and checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["block", "bytes_text", "count_text", "shape", "table"]

SHOWN = 200
REST, FOLD = "and {n} more", "Show as table"
CELL = "padding:2px 8px;text-align:left"
NUMBER = "padding:2px 8px;text-align:right"


def shape(sizes: Sequence[int], none: str = "scalar") -> str:
    """A shape as "64×3×7×7", ``none`` if there are no sizes.

    >>> shape((64, 3, 7, 7)), shape(())
    ('64×3×7×7', 'scalar')
    """
    return "×".join(map(str, sizes)) or none


def count_text(count: int) -> str:
    """Write a large number short, a small one whole.

    >>> count_text(442368), count_text(4_089_184_256), count_text(1280)
    ('442 k', '4.09 G', '1,280')
    """
    if count < 10_000:
        return f"{count:,}"
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size * 0.9995:
            return f"{count / size:.3g} {unit}"
    return str(count)


def bytes_text(count: int) -> str:
    """Write a number of bytes short.

    >>> bytes_text(3211264), bytes_text(896)
    ('3.21 MB', '896 B')
    """
    text = count_text(count)
    return f"{text}B" if text[-1].isalpha() else f"{text} B"


def block(title: str, words: Iterable[str], body: str, fold: str = FOLD) -> str:
    """A line, warnings, and a table to unfold by ``fold``."""
    warned = "".join(f'<div style="margin:2px 0">⚠ {escape(text)}</div>' for text in words)
    return (
        f"<div><div>{escape(title)}</div>{warned}"
        f'<details><summary style="cursor:pointer">{escape(fold)}</summary>'
        f'<div style="max-height:24em;overflow:auto">{body}</div></details></div>'
    )


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Iterable[int] = (),
    shown: int = SHOWN,
    rest: str = REST,
) -> str:
    """An HTML table of escaped texts; the columns in ``right`` are aligned right.

    ``rest`` is the template of what stands below where there are more than ``shown`` rows.
    """
    styles = [NUMBER if at in right else CELL for at in range(len(heads))]
    head = line("th", heads, styles)
    body = "".join(line("td", row, styles) for row in rows[:shown])
    more = len(rows) - shown
    left = escape(rest.format(n=f"{more:,}"))
    foot = f'<div style="{CELL}">{left}</div>' if more > 0 else ""
    start = '<table style="border-collapse:collapse">'
    return f"{start}<thead>{head}</thead><tbody>{body}</tbody></table>{foot}"


def line(tag: str, texts: Sequence[str], styles: Sequence[str]) -> str:
    """One row of a table."""
    cells = (
        f'<{tag} style="{style}">{escape(text)}</{tag}>'
        for text, style in zip(texts, styles, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"
