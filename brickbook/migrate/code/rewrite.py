"""Migrates one file of Python code."""

from __future__ import annotations

import libcst as cst

from brickbook.migrate.code.bindings import Names, dotted, find_variables
from brickbook.migrate.code.classes import rewrite_classes
from brickbook.migrate.code.comments import write_comments
from brickbook.migrate.code.decorators import drop_decorators
from brickbook.migrate.code.imports import import_statements, rewrite_imports
from brickbook.migrate.code.moves import Fate, Moves, Source, read_moves
from brickbook.migrate.code.plan import Planner
from brickbook.migrate.code.remarks import Remarks
from brickbook.migrate.code.source import Edits, SourceFile
from brickbook.migrate.code.strings import rewrite_strings
from brickbook.migrate.migration import SourceMigration
from brickbook.migrate.notes import Note

__all__ = ["rewrite"]

NEW = {"mmcls": ("mmengine", "mmpretrain"), "mmcv": ("brickbook",)}


def rewrite(text: str, path: str, source: Source, comments: bool) -> SourceMigration:
    """Migrate one file; see `brickbook.migrate.migrate_code`."""
    file = SourceFile(text, path)
    moves = read_moves(source)
    edits = Edits(text)
    remarks = Remarks(file)
    names = Names(file)
    variables = find_variables(file, moves)
    dropped = drop_decorators(file, moves, variables, edits, remarks)
    planner = Planner(file, moves, names, edits, remarks, dropped)
    rewrite_imports(file, planner.plan(variables), edits)
    rewrite_stars(file, moves, edits, remarks)
    if source == "mmcls":
        rewrite_classes(file, variables, edits, remarks)
        rewrite_strings(file, moves, edits, remarks)
    if comments:
        write_comments(file, edits, remarks)
    new = edits.apply()
    notes = remarks.notes(edits)
    if new == text and not notes and imports_new(file, source):
        notes = (Note("code.already", NEW[source][-1], {"field": NEW[source][-1]}),)
    return SourceMigration(new, notes, text, path, path)


def rewrite_stars(file: SourceFile, moves: Moves, edits: Edits, remarks: Remarks) -> None:
    """Change the modules of star imports; which names they bring is for a person to see."""
    for statement in import_statements(file):
        if not isinstance(statement.names, cst.ImportStar):
            continue
        module = statement.module if isinstance(statement, cst.ImportFrom) else None
        old = dotted(module)
        if module is None or not moves.is_old(old) or statement.relative:  # type: ignore[union-attr]
            continue
        move = moves.module(old)
        if move.fate is Fate.MOVED:
            edits.replace(file.span(module), move.module)
            remarks.note("code.star", statement, old, old=old, new=move.module)
        elif move.fate is not Fate.KEPT:
            remarks.note("code.unknown", statement, old, old=old)


def imports_new(file: SourceFile, source: Source) -> bool:
    """Return whether a file imports what a migrated one does."""
    for statement in import_statements(file):
        module = dotted(statement.module) if isinstance(statement, cst.ImportFrom) else ""
        written = [module]
        if isinstance(statement, cst.Import):
            written = [alias.evaluated_name for alias in statement.names]
        if any(name.partition(".")[0] in NEW[source] for name in written):
            return True
    return False
