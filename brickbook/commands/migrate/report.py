"""What ``migrate`` says: the notes file by file, a summary, and both as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from brickbook.commands.migrate.files import Sources
from brickbook.errors import join_limited
from brickbook.i18n import Texts

if TYPE_CHECKING:
    from brickbook.migrate import Note, SourceMigration

__all__ = ["NOTE_CHOICES", "exit_code", "is_already_new", "notes_text", "report_dict", "summary"]

SEVERITIES = ("by_hand", "training", "cosmetic")
NOTE_CHOICES = ("all", "serious", "none")
COMPLETE, NEEDS_A_HAND, REFUSED = 0, 1, 2


def exit_code(migrations: Mapping[str, SourceMigration]) -> int:
    """Return the exit status: complete, needs a hand, or refused."""
    if is_already_new(migrations):
        return REFUSED
    complete = all(each.complete for each in migrations.values())
    return COMPLETE if complete else NEEDS_A_HAND


def is_already_new(migrations: Mapping[str, SourceMigration]) -> bool:
    """Whether nothing of this is of the old form, and some of it of the new one."""
    every = migrations.values()
    return any(each.already for each in every) and not any(map(has_changed, every))


def has_changed(migration: SourceMigration) -> bool:
    """Whether a file has another text or name afterwards."""
    return (migration.text, migration.new_path) != (migration.old, migration.path)


def notes_text(
    migration: SourceMigration, path: str, target: str, texts: Texts, choice: str = "all"
) -> str:
    """Return the notes of a file below its name, one a line; "" if there are none.

    Args:
        migration: the file's.
        path: what to call the file.
        target: where its new text is written, "" for nowhere.
        texts: in the reader's language.
        choice: "all", "serious" (no cosmetic ones) or "none".
    """
    from brickbook.migrate import sorted_notes  # help does without

    shown = [note for note in sorted_notes(migration.notes) if is_chosen(note, choice)]
    if not shown:
        return ""
    rows = [(place(note), texts[f"migrator.{severity(note)}"]) for note in shown]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{path} → {target}" if target and target != path else path]
    for (where, word), note in zip(rows, shown, strict=True):
        sentence = f"{note.text(texts.language)} [{source(note, texts)}]"
        lines.append(f"  {where:<{widths[0]}}  {word:<{widths[1]}}  {sentence}")
    return "\n".join(lines)


def is_chosen(note: Note, choice: str) -> bool:
    """Whether a note is one of those to be shown."""
    return choice == "all" or (choice == "serious" and severity(note) != "cosmetic")


def severity(note: Note) -> str:
    """Return the word for a note's severity in the keys of texts."""
    return note.severity.name.lower()


def place(note: Note) -> str:
    """Return line and column of a note, "-" where it has none."""
    if note.line is None:
        return "-"
    return str(note.line) if note.column is None else f"{note.line}:{note.column}"


def source(note: Note, texts: Texts) -> str:
    """Return the rule of a note, and the section of the guide that says it."""
    section = texts[f"migrator.section.{note.section}"] if note.section else ""
    return texts("migrator.source", rule=note.rule, section=section) if section else note.rule


def summary(
    migrations: Mapping[str, SourceMigration], sources: Sources, written: str, texts: Texts
) -> str:
    """Return one line: how many files, how many notes of what kind, what became of the files.

    Args:
        migrations: of all files.
        sources: what was read.
        written: what became of the new texts, as a sentence.
        texts: in the reader's language.
    """
    comma, gap = texts["grid.comma"], texts["migrator.gap"]
    parts = [comma.join(file_counts(migrations, texts)), comma.join(note_counts(migrations, texts))]
    sentences = [texts("migrator.sentence", text=part) for part in parts if part]
    for key, names in (("left_out", sources.left_out), ("bases", list(sources.bases))):
        if names:
            listed = join_limited(names)
            sentences.append(texts(f"migrator.{key}", n=len(names), names=listed))
    return gap.join([*sentences, *([written] if written else [])])


def file_counts(migrations: Mapping[str, SourceMigration], texts: Texts) -> Iterator[str]:
    """Yield how many files are migrated, need no change, and are of 1.x already."""
    every = migrations.values()
    changed = sum(map(has_changed, every))
    already = sum(each.already for each in every if not has_changed(each))
    counts = {"migrated": changed, "unchanged": len(every) - changed - already, "already": already}
    yield from (texts(f"migrator.files.{word}", n=n) for word, n in counts.items() if n)


def note_counts(migrations: Mapping[str, SourceMigration], texts: Texts) -> Iterator[str]:
    """Yield how many notes there are of each severity."""
    from brickbook.migrate import sorted_notes  # help does without

    told = (sorted_notes(each.notes) for each in migrations.values() if not each.already)
    notes = [note for each in told for note in each]
    for word in SEVERITIES:
        n = sum(severity(note) == word for note in notes)
        if n:
            yield texts(f"migrator.notes.{word}", n=n)


def report_dict(
    migrations: Mapping[str, SourceMigration],
    targets: Mapping[str, str],
    left_out: Sequence[str],
    texts: Texts,
) -> dict[str, Any]:
    """Return everything as plain values, for JSON; new texts only where no file has them."""
    return {
        "exit_code": exit_code(migrations),
        "files": [
            file_dict(migration, targets.get(name), texts) for name, migration in migrations.items()
        ],
        "left_out": list(left_out),
    }


def file_dict(migration: SourceMigration, target: str | None, texts: Texts) -> dict[str, Any]:
    """Return a file as plain values."""
    found = migration.to_dict(texts.language)
    del found["old"]
    if target is not None:
        del found["text"]
    return {
        "target": target,
        "changed": has_changed(migration),
        "already": migration.already,
    } | found
