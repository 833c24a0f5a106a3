"""A migrated file line by line: old beside new, and which notes a line carries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import groupby, zip_longest

from brickbook.migrate import SourceMigration, sorted_notes

__all__ = ["DiffRow", "diff_rows", "near_changes"]

# With more lines than this, lines that occur often are not looked up: it would take minutes.
MOST_LINES = 5_000


@dataclass(frozen=True)
class DiffRow:
    """A line of the old file, of the new one, or of both.

    Attributes:
        old_number: from 1, None where the new line has no counterpart.
        old: the line.
        new_number: from 1, None where the old line has no counterpart.
        new: the line.
        notes: places in `sorted_notes` of what speaks of this very line.
        rules: places of what explains the change: those notes, or the nearest of the same change.
    """

    old_number: int | None
    old: str
    new_number: int | None
    new: str
    notes: tuple[int, ...] = ()
    rules: tuple[int, ...] = ()

    @property
    def sign(self) -> str:
        """What happens to the line: "" nothing, "~" it changes, "-" it goes, "+" it comes."""
        if self.old_number is None:
            return "+"
        if self.new_number is None:
            return "-"
        return "" if self.old == self.new else "~"


def diff_rows(migration: SourceMigration) -> list[DiffRow]:
    """Return all lines of both files, each beside its counterpart."""
    notes = sorted_notes(migration.notes)
    pairs = {(note.line, note.new_line) for note in notes}
    anchors = sorted((a - 1, b - 1) for a, b in pairs if a is not None and b is not None)
    rows = aligned(lines_of(migration.old), lines_of(migration.text), anchors)
    by_old = {row.old_number: at for at, row in enumerate(rows) if row.old_number is not None}
    by_new = {row.new_number: at for at, row in enumerate(rows) if row.new_number is not None}
    found: dict[int, list[int]] = {}
    for number, note in enumerate(notes):
        at = by_old.get(note.line or 0, by_new.get(note.new_line or 0))
        if at is not None:
            found.setdefault(at, []).append(number)
    marked = [replace(row, notes=tuple(found.get(at, ()))) for at, row in enumerate(rows)]
    groups = (list(group) for _, group in groupby(marked, lambda row: not row.sign))
    return [row for group in groups for row in with_rules(group)]


def lines_of(text: str) -> list[str]:
    """Return the lines of a text without their ends; a form feed ends no line."""
    lines = text.removesuffix("\n").split("\n") if text else []
    return [line.removesuffix("\r") for line in lines]


def aligned(
    old: Sequence[str], new: Sequence[str], anchors: Sequence[tuple[int, int]] = ()
) -> list[DiffRow]:
    """Put lines beside each other; of those that differ, ``anchors`` say which belong together."""
    rows = []
    matcher = SequenceMatcher(None, old, new, autojunk=max(len(old), len(new)) > MOST_LINES)
    for _, i, i_end, j, j_end in matcher.get_opcodes():
        for a, b in pairs_between((i, i_end), (j, j_end), anchors):
            rows.append(
                DiffRow(
                    None if a is None else a + 1, "" if a is None else old[a],
                    None if b is None else b + 1, "" if b is None else new[b],
                )
            )  # fmt: skip
    return rows


def pairs_between(
    old: tuple[int, int], new: tuple[int, int], anchors: Sequence[tuple[int, int]]
) -> Iterator[tuple[int | None, int | None]]:
    """Yield the lines of two stretches in pairs, None for a line without a counterpart."""
    (i, i_end), (j, j_end) = old, new
    for a, b in [*anchors, (i_end, j_end)]:
        if i <= a <= i_end and j <= b <= j_end:
            yield from zip_longest(range(i, a), range(j, b))
            i, j = a, b
    yield from zip_longest(range(i, i_end), range(j, j_end))


def with_rules(group: Sequence[DiffRow]) -> Iterator[DiffRow]:
    """Yield rows that change together; one without a note has the rules of the one above it.

    What stands above the first note has the rules of that.
    """
    if not group[0].sign:
        yield from (replace(row, rules=row.notes) for row in group)
        return
    last = next((row.notes for row in group if row.notes), ())
    for row in group:
        last = row.notes or last
        yield replace(row, rules=last)


def near_changes(rows: Sequence[DiffRow], context: int) -> list[bool]:
    """Return for each row whether it, or one at most so far away, changes or carries a note."""
    shown = [False] * len(rows)
    for at, row in enumerate(rows):
        if row.sign or row.notes:
            for near in range(max(at - context, 0), min(at + context + 1, len(rows))):
                shown[near] = True
    return shown
