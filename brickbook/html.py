"""How numbers, shapes and long names are written, and HTML tables of them.

The tables have inline styles only, so that they look right in any notebook: an untrusted one drops
``<style>`` and scripts and keeps ``style=``. Every text is escaped: names come from configs and
checkpoints.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from brickbook.printable import escape_controls

__all__ = [
    "collapsible",
    "escape",
    "format_2g",
    "format_bytes",
    "format_count",
    "format_factor",
    "format_number",
    "format_percent",
    "format_shape",
    "html_table",
    "shorten",
    "shorten_middle",
]

MAX_ROWS = 200
MORE_TEMPLATE, SUMMARY = "and {n} more", "Show as table"
TEXT_STYLE = "padding:2px 8px;text-align:left"
NUMBER_STYLE = "padding:2px 8px;text-align:right"


def escape(text: str, quote: bool = True) -> str:
    r"""Return a text for HTML or XML; control signs, which these forbid, as Python's escapes.

    >>> print(escape("<a>\x1b"))
    &lt;a&gt;\x1b
    """
    import html  # its table of all entities takes longer than this module

    return html.escape(escape_controls(text, kept="\n\t"), quote)


def format_shape(sizes: Sequence[int], scalar: str = "scalar", separator: str = "×") -> str:
    """Write a shape, or ``scalar`` if it has no sizes.

    >>> format_shape((64, 3, 7, 7)), format_shape((64, 3), separator=" × "), format_shape(())
    ('64×3×7×7', '64 × 3', 'scalar')
    """
    return separator.join(map(str, sizes)) or scalar


def format_count(count: int) -> str:
    """Write a large number short, a small one whole.

    >>> format_count(442368), format_count(4_089_184_256), format_count(1280)
    ('442 k', '4.09 G', '1,280')
    """
    if count < 10_000:
        return f"{count:,}"
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size * 0.9995:
            return f"{count / size:.3g} {unit}"
    return str(count)


def format_bytes(count: int) -> str:
    """Write a number of bytes short.

    >>> format_bytes(3211264), format_bytes(896)
    ('3.21 MB', '896 B')
    """
    text = format_count(count)
    return f"{text}B" if text[-1].isalpha() else f"{text} B"


def format_number(value: float | None, digits: int = 4, missing: str = "–") -> str:
    """Write a number with so many significant digits, ``missing`` for none.

    >>> format_number(3.14159), format_number(0.00012345, 2), format_number(None)
    ('3.142', '0.00012', '–')
    """
    return missing if value is None else f"{value:.{digits}g}"


def format_2g(value: float) -> str:
    """Write a number with two digits.

    >>> [format_2g(x) for x in (0.03123, 12.4, 1234567.0, 0.0)]
    ['0.031', '12', '1.2e+06', '0']
    """
    if value and math.isfinite(value) and not 1e-3 <= abs(value) < 1e4:
        return f"{value:.1e}"
    return f"{float(f'{value:.2g}'):g}"


def format_factor(factor: float) -> str:
    """Write how many times: two digits, and thousands with commas.

    >>> [format_factor(x) for x in (16.23, 12345.0, 3.1e9)]
    ['16', '12,000', '3.1e+09']
    """
    if not math.isfinite(factor):
        return "∞"
    return f"{float(f'{factor:.2g}'):,g}" if factor < 1e6 else f"{factor:.1e}"


def format_percent(share: float) -> str:
    """Write a share in per cent without decimals; not 100 unless it is all.

    >>> [format_percent(x) for x in (0.62, 0.999, 1.0)]
    ['62 %', '99 %', '100 %']
    """
    return f"{100 if share == 1 else min(99, round(100 * share))} %"


def shorten(text: str, length: int, keep_end: bool = True) -> str:
    """Cut a text that is too long: of a layer's name the end says most, of a label the beginning.

    >>> shorten("layer4.1.conv2", 8), shorten("Kaiming, uniform", 8, keep_end=False)
    ('…1.conv2', 'Kaiming…')
    """
    if len(text) <= length:
        return text
    return f"…{text[len(text) - length + 1 :]}" if keep_end else f"{text[: length - 1]}…"


def shorten_middle(text: str, length: int) -> str:
    """Cut the middle out of a text that is too long: beginning and end say most of a title.

    >>> shorten_middle("backbone.layer4.1.conv2.weight", 16)
    'backb…nv2.weight'
    """
    if len(text) <= length:
        return text
    begin = length // 3
    return f"{text[:begin]}…{text[-(length - begin - 1) :]}"


def collapsible(title: str, warnings: Iterable[str], body: str, summary: str = SUMMARY) -> str:
    """Return a line of text, warnings below it, and HTML that unfolds at ``summary``."""
    return (
        f"<div><div>{escape(title)}</div>{warning_lines(warnings)}"
        f'<details><summary style="cursor:pointer">{escape(summary)}</summary>'
        f'<div style="max-height:24em;overflow:auto">{body}</div></details></div>'
    )


def warning_lines(warnings: Iterable[str]) -> str:
    """Return a line of HTML for each warning."""
    return "".join(f'<div style="margin:2px 0">⚠ {escape(text)}</div>' for text in warnings)


def html_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right_aligned: Iterable[int] = (),
    max_rows: int = MAX_ROWS,
    more_template: str = MORE_TEMPLATE,
) -> str:
    """Return an HTML table of escaped texts.

    Args:
        headings: What stands above the columns.
        rows: A text for each column.
        right_aligned: The places of the columns of numbers.
        max_rows: How many rows are shown.
        more_template: What stands below where there are more; ``{n}`` is how many.
    """
    styles = [NUMBER_STYLE if at in right_aligned else TEXT_STYLE for at in range(len(headings))]
    head = html_row("th", headings, styles)
    body = "".join(html_row("td", row, styles) for row in rows[:max_rows])
    more = len(rows) - max_rows
    below = escape(more_template.format(n=f"{more:,}"))
    foot = f'<div style="{TEXT_STYLE}">{below}</div>' if more > 0 else ""
    table = f"<thead>{head}</thead><tbody>{body}</tbody></table>"
    return f'<table style="border-collapse:collapse">{table}{foot}'


def html_row(tag: str, texts: Sequence[str], styles: Sequence[str]) -> str:
    """Return one row of a table."""
    cells = (
        f'<{tag} style="{style}">{escape(text)}</{tag}>'
        for text, style in zip(texts, styles, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"
