"""Import statements: what they bring now, in the layout that they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import libcst as cst

from brickbook.migrate.code.bindings import ImportStatement, dotted
from brickbook.migrate.code.plan import Item
from brickbook.migrate.code.source import Edits, SourceFile

__all__ = ["rewrite_imports"]

WIDTH = 79  # of a line that is written anew


def rewrite_imports(
    file: SourceFile, items: Mapping[cst.ImportAlias, Sequence[Item]], edits: Edits
) -> None:
    """Edit the import statements of a file.

    What a block imports already is not imported again.

    Args:
        file: the file.
        items: what takes the place of the old entries.
        edits: takes the edits.
    """
    brought: dict[cst.CSTNode, set[Item]] = {}
    left: dict[cst.CSTNode, int] = {}
    for statement in import_statements(file):
        block = next(
            node for node in file.above(statement) if isinstance(node, (cst.BaseSuite, cst.Module))
        )
        known = brought.setdefault(block, set())
        if isinstance(statement.names, cst.ImportStar):
            continue
        entries: list[tuple[cst.ImportAlias, list[Item]]] = []
        changed = False
        for alias in statement.names:
            if alias not in items:
                known.add(written_item(statement, alias))
                entries.append((alias, [Item("", alias=alias)]))
                continue
            changed = True
            new = [item for item in items[alias] if item.alias or item not in known]
            known.update(item for item in new if not item.value)
            entries.append((alias, new))
        if changed:
            writer = StatementWriter(file, statement, entries)
            if not writer.in_place(edits):
                lines = writer.statements()
                if not lines and left.get(block, len(block.body)) <= 1:  # type: ignore[attr-defined]
                    lines = ["pass"]
                if not lines:
                    left[block] = left.get(block, len(block.body)) - 1  # type: ignore[attr-defined]
                writer.replace(lines, edits)


def import_statements(file: SourceFile) -> list[ImportStatement]:
    """Return the import statements in the order of the text."""
    found = [node for node in file.positions if isinstance(node, (cst.Import, cst.ImportFrom))]
    return sorted(found, key=file.span)


def written_item(statement: ImportStatement, alias: cst.ImportAlias) -> Item:
    """Return what an entry brings that stays as it is."""
    given = alias.evaluated_alias or ""
    if isinstance(statement, cst.Import):
        return Item(alias.evaluated_name, local=given)
    dots = "." * len(statement.relative)
    return Item(f"{dots}{dotted(statement.module)}", alias.evaluated_name, given)


class StatementWriter:
    """Writes what takes the place of one statement.

    Args:
        file: the file.
        statement: the old statement.
        entries: its entries, each with what takes its place.
    """

    def __init__(
        self,
        file: SourceFile,
        statement: ImportStatement,
        entries: Sequence[tuple[cst.ImportAlias, list[Item]]],
    ) -> None:
        self.file = file
        self.statement = statement
        self.entries = entries
        self.span = file.span(statement)
        line = file.parents[statement]
        self.alone = isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1
        self.indent = file.indentation(statement)

    def in_place(self, edits: Edits) -> bool:
        """Edit the names alone, where the statement keeps its form; return whether it does."""
        new = [items[0] for _, items in self.entries if len(items) == 1]
        if len(new) < len(self.entries) or any(item.value for item in new):
            return False
        if isinstance(self.statement, cst.Import):
            if any(item.name for item in new):
                return False
        else:
            modules = {self.module_of(item) for item in new}
            if len(modules) != 1 or any(not item.name and not item.alias for item in new):
                return False
            if self.statement.module and new[0].alias is None:
                edits.replace(self.file.span(self.statement.module), modules.pop())
        for (alias, _), item in zip(self.entries, new, strict=True):
            if item.alias is None:
                self.edit_entry(alias, item, edits)
        return True

    def edit_entry(self, alias: cst.ImportAlias, item: Item, edits: Edits) -> None:
        """Edit an entry; its ``as`` stays where it is if it stays."""
        if alias.asname and alias.evaluated_alias == item.local:
            edits.replace(self.file.span(alias.name), item.name or item.module)
        else:
            edits.replace(self.file.span(alias), item.entry)

    def module_of(self, item: Item) -> str:
        """Return the module that an item of a ``from`` statement is imported from."""
        if item.alias is not None:
            return dotted(self.statement.module)  # type: ignore[union-attr]
        return item.module

    def statements(self) -> list[str]:
        """Return the new statements."""
        remarks = self.remarks()
        from_module: dict[str, list[tuple[str, list[str]]]] = {}
        whole = isinstance(self.statement, cst.Import)
        imports: list[str] = []
        values: list[str] = []
        for at, (alias, items) in enumerate(self.entries):
            said = remarks[at]
            for item in items:
                entry = self.file.of(alias) if item.alias else item.entry
                if item.value:
                    values.append(f"{item.local} = {item.value}")
                elif not item.name and (not item.alias or whole):
                    imports.append(entry)
                else:
                    from_module.setdefault(self.module_of(item), []).append((entry, said))
                    said = []
        self.lost = [text for remark in remarks for text in remark]
        lines = [self.from_line(module, found) for module, found in from_module.items()]
        if imports and not self.alone:
            lines.append(f"import {', '.join(imports)}")
        else:
            lines += [f"import {entry}" for entry in imports]
        written = "\n".join(lines)
        self.lost = [text for text in self.lost if text not in written]
        return [*lines, *values]

    def from_line(self, module: str, entries: list[tuple[str, list[str]]]) -> str:
        """Return one ``from`` statement, over several lines where it is long or has comments."""
        line = f"from {module} import {', '.join(entry for entry, _ in entries)}"
        commented = any(remarks for _, remarks in entries)
        if not commented and (len(self.indent) + len(line) <= WIDTH or not self.alone):
            return line
        inner = f"{self.indent}    "
        lines = [f"from {module} import ("]
        if commented:
            for entry, remarks in entries:
                lines += [f"{inner}{remark}" for remark in remarks[:-1]]
                last = f"  {remarks[-1]}" if remarks else ""
                lines.append(f"{inner}{entry},{last}")
        else:
            row = inner
            for entry, _ in entries:
                if len(row) + len(entry) + 1 > WIDTH and row.strip():
                    lines.append(row.rstrip())
                    row = inner
                row += f"{entry}, "
            lines.append(row.rstrip())
        return self.file.newline.join([*lines, f"{self.indent})"])

    def remarks(self) -> list[list[str]]:
        """Return the comments within the statement, by the entry that they belong to.

        A comment behind an entry is of that entry; one on a line of its own of the next.
        """
        found: list[list[str]] = [[] for _ in self.entries]
        ends = [self.file.span(alias)[1] for alias, _ in self.entries]
        for place, comment in self.file.comments(*self.span):
            line = max(start for start in self.line_starts() if start <= place)
            own_line = not self.file.text[line:place].strip()
            before = [at for at, end in enumerate(ends) if end <= place]
            at = len(before) if own_line else len(before) - 1
            found[min(max(at, 0), len(found) - 1)].append(comment)
        return found

    def line_starts(self) -> Iterator[int]:
        """Yield where the lines of the file begin."""
        return (self.file.skipped + start for start in self.file.starts)

    def replace(self, lines: list[str], edits: Edits) -> None:
        """Put new statements in the place of the old one, or take its line away."""
        start, end = self.span
        if self.alone:
            lines = [*self.lost, *lines]
        if lines:
            between = f"{self.file.newline}{self.indent}" if self.alone else "; "
            edits.replace(self.span, between.join(lines))
            return
        text = self.file.text
        if not self.alone:
            edits.replace(self.span, "pass")
            return
        rest = len(text[end:]) - len(text[end:].lstrip(" \t"))
        if text[end + rest : end + rest + 1] == "#":
            edits.replace((start, end + rest), "")
            return
        after = end + rest
        after += 2 if text[after : after + 2] == "\r\n" else 1
        edits.replace((start - len(self.indent), min(after, len(text))), "")
