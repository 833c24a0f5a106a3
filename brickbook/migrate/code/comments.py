"""Comments above the places that are left to be edited by hand."""

from __future__ import annotations

import libcst as cst

from brickbook.migrate.code.remarks import Remarks
from brickbook.migrate.code.source import Edits, SourceFile
from brickbook.migrate.notes import Severity

__all__ = ["write_comments"]

PREFIX = "# migrate: "


def write_comments(file: SourceFile, edits: Edits, remarks: Remarks) -> None:
    """Write the sentence of every such note above its statement, unless it stands there."""
    lines: dict[int, list[str]] = {}
    for node, note in remarks.made:
        if note.severity is not Severity.BY_HAND:
            continue
        statement = next(
            parent
            for parent in [node, *file.above(node)]
            if isinstance(parent, (cst.SimpleStatementLine, cst.BaseCompoundStatement))
        )
        line = file.positions[statement].start.line
        comment = f"{PREFIX}{note.text('en')}"
        written = lines.setdefault(line, [])
        if comment not in written and comment not in comments_above(file, line):
            written.append(comment)
    for line, written in lines.items():
        start = file.skipped + file.starts[line - 1]
        rest = file.text[start:]
        indent = rest[: len(rest) - len(rest.lstrip(" \t\f"))]
        text = "".join(f"{indent}{comment}{file.newline}" for comment in written)
        if text:
            edits.replace((start, start), text)


def comments_above(file: SourceFile, line: int) -> list[str]:
    """Return the comments in the lines right above a line."""
    found = []
    for start, end in reversed(
        list(zip(file.starts[: line - 1], file.starts[1:line], strict=True))
    ):
        text = file.text[file.skipped + start : file.skipped + end].strip()
        if not text.startswith("#"):
            break
        found.append(text)
    return found
