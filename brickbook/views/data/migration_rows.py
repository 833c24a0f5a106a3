"""A migrated file line by line: old beside new, and which notes a line carries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
        old_rules: places of what explains that the old line goes: what speaks of it, or of the
            nearest line above it in the same change.
        new_rules: the same of the new line.
    """

    old_number: int | None
    old: str
    new_number: int | None
    new: str
    notes: tuple[int, ...] = ()
    old_rules: tuple[int, ...] = ()
    new_rules: tuple[int, ...] = ()

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
    old, new = by_line(note.line for note in notes), by_line(note.new_line for note in notes)
    there = {row.old_number for row in rows if row.old_number is not None}
    lost = by_line(None if note.line in there else note.new_line for note in notes)
    marked = [
        replace(row, notes=old.get(row.old_number or 0, ()) + lost.get(row.new_number or 0, ()))
        for row in rows
    ]
    groups = (list(group) for _, group in groupby(marked, lambda row: not row.sign))
    return [row for group in groups for row in with_rules(group, old, new)]


def by_line(lines: Iterable[int | None]) -> dict[int, tuple[int, ...]]:
    """Return the places of notes by their line."""
    found: dict[int, tuple[int, ...]] = {}
    for number, line in enumerate(lines):
        if line is not None:
            found[line] = (*found.get(line, ()), number)
    return found


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
    last = (-1, -1)
    for a, b in [*anchors, (i_end, j_end)]:
        if i <= a <= i_end and j <= b <= j_end and a > last[0] and b > last[1]:
            yield from zip_longest(range(i, a), range(j, b))
            i, j = last = a, b
    yield from zip_longest(range(i, i_end), range(j, j_end))


def with_rules(
    group: Sequence[DiffRow],
    old: Mapping[int, tuple[int, ...]],
    new: Mapping[int, tuple[int, ...]],
) -> Iterator[DiffRow]:
    """Yield rows that change together with what explains them; others as they are."""
    if not group[0].sign:
        yield from group
        return
    old_rules = carried([old.get(row.old_number or 0, ()) for row in group])
    new_rules = carried([new.get(row.new_number or 0, ()) for row in group])
    for row, of_old, of_new in zip(group, old_rules, new_rules, strict=True):
        yield replace(
            row,
            old_rules=() if row.old_number is None else of_old or of_new,
            new_rules=() if row.new_number is None else of_new or of_old,
        )


def carried(rules: Sequence[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    """Yield rules, in the place of none those before; what is above the first has the first."""
    last = next(filter(None, rules), ())
    for found in rules:
        last = found or last
        yield last


def near_changes(rows: Sequence[DiffRow], context: int) -> list[bool]:
    """Return for each row whether it, or one at most so far away, changes or carries a note."""
    shown = [False] * len(rows)
    for at, row in enumerate(rows):
        if row.sign or row.notes:
            for near in range(max(at - context, 0), min(at + context + 1, len(rows))):
                shown[near] = True
    return shown
