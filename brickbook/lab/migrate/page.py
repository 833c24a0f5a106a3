"""The panel on the page: menus, curves, notes, and both files line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

import anywidget
import traitlets

from brickbook.i18n import LANGUAGES, Texts
from brickbook.lab.widgets import close_tree
from brickbook.migrate import LearningRates, SourceMigration, sorted_notes
from brickbook.printable import escape_controls
from brickbook.views.data.migration_rows import DiffRow, diff_rows, near_changes
from brickbook.views.grid.bundle import ScriptBundle, StyleBundle
from brickbook.views.migration import headline, note_place, note_rule, severity_word, shown
from brickbook.views.svg.learning_rate import describe_rates, learning_rate_svg

__all__ = ["MIGRATION_CSS", "MIGRATION_JS", "MigrationPage", "page_content"]

HERE = Path(__file__).parent
MIGRATION_JS = ScriptBundle(
    (
        "migration_parts.js",
        "migration_notes.js",
        "migration_lines.js",
        "../../views/grid/grid_keys.js",
        "migration.js",
    ),
    HERE,
)
MIGRATION_CSS = StyleBundle(("migration.css",), HERE)

CONTEXT = 3  # lines around a change
LEAST_FOLDED = 4  # lines that are worth a fold
SCHEDULES = ("guide", "faithful")
SHOWN = ("all", "serious", "by_hand")
LANGUAGE_NAMES = {"en": "English", "zh": "中文"}
HEADS = ("old", "new")
SIGNS = ("removed", "added", "changed")
PLAIN_WORDS = (
    "schedule", "show", "language", "all_lines", "copy", "copied", "not_copied", "keys",
    "no_notes", "side_by_side", "to_note",
)  # fmt: skip


class MigrationPage(anywidget.AnyWidget):
    """A migration as the page draws it.

    ``content`` is that of `page_content`, and ``text`` the new file, to be copied. All other
    traits are what the reader has chosen: the ``schedule``, the ``language``, which notes are
    ``shown``, the place of the ``selected`` one among all or -1, and whether ``all_lines`` are
    there.
    """

    _esm = MIGRATION_JS.read_text()
    _css = MIGRATION_CSS.read_text()

    content = traitlets.Dict().tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    schedule = traitlets.Enum(SCHEDULES, "guide").tag(sync=True)
    language = traitlets.Enum(LANGUAGES, "en").tag(sync=True)
    shown = traitlets.Enum(SHOWN, "all").tag(sync=True)
    selected = traitlets.Int(-1).tag(sync=True)
    all_lines = traitlets.Bool().tag(sync=True)

    def close(self) -> None:
        """Close the widget and its layout."""
        if self.comm is not None:
            close_tree(self)


def page_content(
    migration: SourceMigration, rates: LearningRates | None, texts: Texts
) -> dict[str, Any]:
    """Return what the page shows of a migration."""
    rows, rules = diff_rows(migration), [note.rule for note in sorted_notes(migration.notes)]
    return {
        "title": shown(headline(migration, texts)),
        "file": file_name(migration),
        "notes": note_dicts(migration, rows, texts),
        "lines": list(line_dicts(rows, texts)),
        "rules": rules,
        "picture": "" if rates is None else learning_rate_svg(rates, language=texts.language),
        "curves": "" if rates is None else describe_rates(rates, texts),
        "words": page_words(migration, texts),
    }


def file_name(migration: SourceMigration) -> str:
    """Return what the new file is called, without its folder."""
    name = PurePosixPath(migration.new_path.replace("\\", "/")).name or "config.py"
    return escape_controls(name).replace("\\", "_")


def page_words(migration: SourceMigration, texts: Texts) -> dict[str, Any]:
    """Return the words that the page shows itself."""
    return {
        **{key: texts[f"migrator.{key}"] for key in PLAIN_WORDS},
        "download": texts("migrator.download", name=file_name(migration)),
        "notes": texts("migrator.note_count", n=len(sorted_notes(migration.notes))),
        "heads": [texts[f"migrator.head.{key}"] for key in HEADS],
        "signs": {key: texts[f"migrator.sign.{key}"] for key in SIGNS},
        "schedules": {key: texts[f"migrator.schedule.{key}"] for key in SCHEDULES},
        "shows": {key: texts[f"migrator.show.{key}"] for key in SHOWN},
        "languages": LANGUAGE_NAMES,
    }


def note_dicts(
    migration: SourceMigration, rows: Sequence[DiffRow], texts: Texts
) -> list[dict[str, Any]]:
    """Return the notes, each with the place of its line in the table, -1 for none."""
    places = {note: at for at, row in enumerate(rows) for note in row.notes}
    return [
        {
            "place": note_place(note),
            "severity": note.severity.name.lower(),
            "word": severity_word(note, texts),
            "text": escape_controls(note.text(texts.language)),
            "rule": note_rule(note, texts),
            "row": places.get(number, -1),
        }
        for number, note in enumerate(sorted_notes(migration.notes))
    ]


def line_dicts(rows: Sequence[DiffRow], texts: Texts) -> Iterator[dict[str, Any]]:
    """Yield the lines; of those that lie far from a change, the first says how many they are."""
    near = near_changes(rows, CONTEXT)
    for is_near, group in groupby(range(len(rows)), lambda at: near[at]):
        places = list(group)
        folded = not is_near and len(places) >= LEAST_FOLDED
        for at in places:
            row = rows[at]
            found: dict[str, Any] = {
                "old": row.old_number, "before": shown(row.old),
                "new": row.new_number, "after": shown(row.new),
                "sign": row.sign, "notes": list(row.notes),
                "old_rules": list(row.old_rules), "new_rules": list(row.new_rules),
            }  # fmt: skip
            if folded:
                first = at == places[0]
                found["fold"] = texts("migrator.fold", n=len(places)) if first else ""
            yield found
