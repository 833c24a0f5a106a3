"""Notes on a file of code, with their lines."""

from __future__ import annotations

from typing import Any

import libcst as cst

from brickbook.migrate.code.source import Edits, SourceFile
from brickbook.migrate.notes import Note

__all__ = ["Remarks"]


class Remarks:
    """Notes at nodes, which become notes at lines once the new text is there."""

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self.made: list[tuple[cst.CSTNode, Note]] = []

    def note(self, rule: str, node: cst.CSTNode, path: str, /, **values: Any) -> None:
        """Add a note at a node."""
        line, column = self.file.place(node)
        note = Note(rule, path, values, line, column)
        if all(note != known for _, known in self.made):
            self.made.append((node, note))

    def notes(self, edits: Edits) -> tuple[Note, ...]:
        """Return the notes in the order of the text, with their new lines."""
        made = sorted(self.made, key=lambda pair: (pair[1].line or 0, pair[1].column or 0))
        lines = edits.new_lines((self.file.span(node)[0], word_of(note)) for node, note in made)
        return tuple(
            Note(note.rule, note.path, note.values, note.line, note.column, new)
            for (_, note), new in zip(made, lines, strict=True)
        )


def word_of(note: Note) -> str:
    """Return the word that a note's place has in the new text."""
    word = str(note.values.get("new" if note.rule == "code.moved" else "old", ""))
    head = next((part for part in word.split(".") if part[:1].isupper()), "")
    return head or word.rpartition(".")[2]
