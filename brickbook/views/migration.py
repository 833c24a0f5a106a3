"""A migration as fixed HTML: what changes side by side, why, and both learning-rate curves."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence

from brickbook.html import collapsible, escape, html_table
from brickbook.i18n import Texts
from brickbook.migrate import LearningRates, Note, SourceMigration, sorted_notes
from brickbook.printable import escape_controls
from brickbook.views.data.migration_rows import DiffRow, diff_rows, near_changes
from brickbook.views.page import StaticReport
from brickbook.views.svg.learning_rate import describe_rates, learning_rate_svg

__all__ = [
    "headline",
    "migration_report",
    "note_place",
    "note_rows",
    "note_rule",
    "severity_word",
    "shown",
]

CONTEXT = 2  # lines around a change
MAX_LINES, MAX_NOTES = 160, 60
CELL = "padding:0 6px;vertical-align:top;text-align:left;border:0;"
CODE = f"{CELL}font-family:monospace;white-space:pre-wrap;overflow-wrap:anywhere;width:50%;"
NUMBER = f"{CELL}text-align:right;opacity:.75;"
MARKS = {"-": ("−", ""), "+": ("", "+"), "~": ("−", "+"), "": ("", "")}
COLOURS = {"−": "background:rgba(213,94,0,.15);", "+": "background:rgba(0,114,178,.17);", "": ""}
SEVERITY_MARKS = {"by_hand": "⚠", "training": "△", "cosmetic": "·"}


def migration_report(
    migration: SourceMigration,
    rates: LearningRates | None = None,
    *,
    message: str = "",
    language: str | None = None,
) -> StaticReport:
    """Return a still view of a migration for a notebook that must look right without a kernel.

    Args:
        migration: of one file.
        rates: the learning rate before and after, if it is known.
        message: what stands below the first line.
        language: "en" or "zh", None for the reader's.
    """
    texts = Texts(language)
    words = headline(migration, texts)
    parts = [f"<div>{escape(words)}</div>"]
    if message:
        parts.append(f"<div>{escape(message)}</div>")
    if rates is not None:
        parts.append(f'<div style="margin:6px 0">{rates_image(rates, texts)}</div>')
    if migration.notes:
        rows = note_rows(migration, texts)
        heads = [texts[f"migrator.head.{key}"] for key in ("line", "severity", "note", "rule")]
        more = texts["migrator.more"]
        table = html_table(heads, rows, max_rows=MAX_NOTES, more_template=more)
        summary = texts("migrator.note_count", n=len(rows))
        parts.append(collapsible("", [], table, summary))
    parts.append(lines_table(diff_rows(migration), texts))
    return StaticReport(f"<div>{''.join(parts)}</div>", words)


def headline(migration: SourceMigration, texts: Texts) -> str:
    """Return the file's name and how many notes there are of each severity."""
    path, new = migration.path, migration.new_path
    name = path if path == new else f"{path} → {new}"
    counts = [note.severity.name.lower() for note in sorted_notes(migration.notes)]
    parts = [
        texts(f"migrator.notes.{key}", n=counts.count(key))
        for key in SEVERITY_MARKS
        if counts.count(key)
    ]
    if migration.text == migration.old:
        key = "already" if migration.already else "unchanged"
        parts = [texts(f"migrator.files.{key}", n=1)]
    text = texts["grid.comma"].join(parts)
    return texts("static.line", title=name, message=text) if text else name


def rates_image(rates: LearningRates, texts: Texts) -> str:
    """Return the picture of the curves as an image: an untrusted notebook drops an element."""
    drawn = base64.b64encode(learning_rate_svg(rates, language=texts.language).encode()).decode()
    alt = escape(describe_rates(rates, texts))
    return f'<img alt="{alt}" src="data:image/svg+xml;base64,{drawn}" style="max-width:100%">'


def note_rows(migration: SourceMigration, texts: Texts) -> list[list[str]]:
    """Return line, severity, sentence and rule of each note."""
    return [
        [
            note_place(note),
            severity_word(note, texts),
            note.text(texts.language),
            note_rule(note, texts),
        ]
        for note in sorted_notes(migration.notes)
    ]


def severity_word(note: Note, texts: Texts) -> str:
    """Return the severity of a note in words, with a sign for it."""
    key = note.severity.name.lower()
    return f"{SEVERITY_MARKS[key]} {texts[f'migrator.{key}']}"


def note_place(note: Note) -> str:
    """Return line and column of a note, "–" for none."""
    if note.line is None:
        return "–"
    return str(note.line) if note.column is None else f"{note.line}:{note.column}"


def note_rule(note: Note, texts: Texts) -> str:
    """Return the rule of a note, and the section of the guide that it belongs to."""
    if not note.section:
        return note.rule
    section = texts[f"migrator.section.{note.section}"]
    return texts("migrator.source", rule=note.rule, section=section)


def shown(line: str) -> str:
    """Return a line as it may be shown: signs that turn or hide text as their codes."""
    return escape_controls(line, kept="\t")


def lines_table(rows: Sequence[DiffRow], texts: Texts) -> str:
    """Return the lines that change, with some around them, side by side."""
    chosen = near_changes(rows, CONTEXT)
    if not any(row.sign for row in rows):
        return f"<div>{escape(texts['migrator.same'])}</div>"
    lines = list(line_rows(rows, chosen, texts))
    heads = "".join(
        f'<th colspan="2" style="{CELL}">{escape(texts[f"migrator.head.{key}"])}</th>'
        for key in ("old", "new")
    )
    more = len(lines) - MAX_LINES
    foot = f"<div>{escape(texts('migrator.more', n=more))}</div>" if more > 0 else ""
    body = "".join(lines[:MAX_LINES])
    style = "border-collapse:collapse;width:100%"
    return (
        f'<table style="{style}"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>{foot}'
    )


def line_rows(rows: Sequence[DiffRow], chosen: Sequence[bool], texts: Texts) -> Iterator[str]:
    """Yield the rows of the table; lines that are left out together are one row."""
    left_out = 0
    for row, is_chosen in zip(rows, chosen, strict=True):
        if not is_chosen:
            left_out += 1
            continue
        if left_out:
            yield fold_row(left_out, texts)
            left_out = 0
        before, after = MARKS[row.sign]
        sides = ((row.old_number, before, row.old), (row.new_number, after, row.new))
        yield f"<tr>{''.join(line_cells(*side) for side in sides)}</tr>"
    if left_out:
        yield fold_row(left_out, texts)


def fold_row(count: int, texts: Texts) -> str:
    """Return the row that stands for lines that do not change."""
    return f'<tr><td colspan="4" style="{CELL}">{escape(texts("migrator.fold", n=count))}</td></tr>'


def line_cells(number: int | None, mark: str, line: str) -> str:
    """Return a line of one side: its number, its mark and its text."""
    if number is None:
        return f'<td style="{NUMBER}"></td><td style="{CODE}"></td>'
    text = escape(f"{mark or ' '} {shown(line)}")
    colour = COLOURS[mark]
    return f'<td style="{NUMBER}">{number}</td><td style="{CODE}{colour}">{text}</td>'
