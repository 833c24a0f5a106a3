"""A Python file under migration: parsed, with places in the text, and edits of the text.

Edits are of the text, not of the tree: what no edit covers stays as it is, to the byte.
"""

from __future__ import annotations

import ast
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Any

import libcst as cst
from libcst.metadata import (
    MetadataWrapper,
    ParentNodeProvider,
    PositionProvider,
    Scope,
    ScopeProvider,
)

from brickbook.errors import BadArgumentError, BadValueError, format_value

__all__ = ["Edits", "SourceFile"]

LARGEST = 4 * 2**20  # characters
DEEPEST = 200  # nodes within each other; LibCST walks them by recursion
NEWLINE = re.compile(r"\r\n?|\n")
MARK = "\ufeff"  # byte order mark


class SourceFile:
    """A parsed file: its tree, its scopes, and where a node stands in the text.

    Args:
        text: Python 3 code.
        path: for messages.

    Raises:
        BadArgumentError: ``text`` is no text.
        BadValueError: text that is no Python, too long, or nested too deeply.
    """

    def __init__(self, text: str, path: str) -> None:
        if not isinstance(text, str):
            raise BadArgumentError("text", f"expected a text, got {format_value(text)}.")
        if len(text) > LARGEST:
            problem = f"{len(text):,} characters are too many for a file of code."
            raise BadValueError(path, problem)
        self.path = path
        self.text = text
        self.skipped = len(MARK) if text.startswith(MARK) else 0
        body = text[self.skipped :]
        check_syntax(body, path)
        self.starts = [0, *(match.end() for match in NEWLINE.finditer(body))]
        try:
            self.module = cst.parse_module(body)
            wrapper = MetadataWrapper(self.module, unsafe_skip_copy=True)
            found = wrapper.resolve_many([ScopeProvider, PositionProvider, ParentNodeProvider])
        except cst.ParserSyntaxError as error:
            place = f"{path}:{error.raw_line}:{error.raw_column + 1}"
            raise BadValueError(place, "LibCST cannot parse this.") from None
        except RecursionError:
            raise BadValueError(path, "it is nested too deeply.") from None
        self.positions: Any = found[PositionProvider]
        self.parents: Any = found[ParentNodeProvider]
        self.scope_of: Any = found[ScopeProvider]
        self.newline = self.module.default_newline

    def scopes(self) -> list[Scope]:
        """Return every scope of the file once."""
        return list(dict.fromkeys(scope for scope in self.scope_of.values() if scope is not None))

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        """Return where a node begins and ends in the text."""
        place = self.positions[node]
        return self.offset(place.start), self.offset(place.end)

    def offset(self, place: Any) -> int:
        """Turn line and column into a place in the text."""
        return self.skipped + self.starts[place.line - 1] + place.column

    def place(self, node: cst.CSTNode) -> tuple[int, int]:
        """Return the line and the column where a node begins, both from 1."""
        start = self.positions[node].start
        return start.line, start.column + 1

    def of(self, node: cst.CSTNode) -> str:
        """Return the text of a node."""
        start, end = self.span(node)
        return self.text[start:end]

    def above(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """Yield the nodes around a node, from the inside."""
        while (parent := self.parents.get(node)) is not None:
            yield parent
            node = parent

    def indentation(self, node: cst.CSTNode) -> str:
        """Return the blanks before the line that a node begins in."""
        line = self.skipped + self.starts[self.positions[node].start.line - 1]
        rest = self.text[line:]
        return rest[: len(rest) - len(rest.lstrip(" \t\f"))]

    def comments(self, start: int, end: int) -> list[tuple[int, str]]:
        """Return the comments between two places of the text, with their places."""
        found = []
        tokens = tokenize.generate_tokens(StringIO(self.text[start:end]).readline)
        lines = [start, *(start + m.end() for m in NEWLINE.finditer(self.text[start:end]))]
        try:
            for token in tokens:
                if token.type == tokenize.COMMENT:
                    row, column = token.start
                    found.append((lines[row - 1] + column, token.string.rstrip()))
        except (tokenize.TokenError, IndentationError):
            pass  # the end of a part of a file
        return found


def check_syntax(text: str, path: str) -> None:
    """Raise an error unless Python itself can parse a text, and LibCST can walk it."""
    try:
        tree = ast.parse(text, filename=path)
    except SyntaxError as error:
        place = f"{path}:{error.lineno or 1}:{error.offset or 1}"
        raise BadValueError(place, f"this is no Python: {error.msg}.") from None
    except (ValueError, MemoryError, RecursionError):
        raise BadValueError(path, "this is no Python, or nested too deeply.") from None
    level: list[ast.AST] = [tree]
    for _ in range(DEEPEST):
        level = [part for node in level for part in ast.iter_child_nodes(node)]
        if not level:
            return
    place = next((node for node in level if hasattr(node, "lineno")), None)
    line, column = getattr(place, "lineno", 1), getattr(place, "col_offset", 0)
    raise BadValueError(f"{path}:{line}:{column + 1}", "it is nested too deeply.")


class Edits:
    """Replacements in a text; one that is within another does nothing."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.made: dict[tuple[int, int], str] = {}

    def replace(self, span: tuple[int, int], new: str) -> None:
        """Put ``new`` where ``span`` is, unless it says so already."""
        if self.text[span[0] : span[1]] != new:
            self.made[span] = new

    def outermost(self) -> list[tuple[tuple[int, int], str]]:
        """Return the edits in the order of the text, without those within another."""
        found: list[tuple[tuple[int, int], str]] = []
        for span, new in sorted(self.made.items()):
            if not found or span[0] >= found[-1][0][1]:
                found.append((span, new))
        return found

    def apply(self) -> str:
        """Return the new text."""
        parts, at = [], 0
        for (start, end), new in self.outermost():
            parts += [self.text[at:start], new]
            at = end
        return "".join([*parts, self.text[at:]])

    def new_lines(self, places: Iterable[tuple[int, str]]) -> list[int]:
        """Return the lines, from 1, that places of the old text have in the new one.

        A place within an edit goes to the first line of the edit with a word of its own, or to
        where the edit begins.

        Args:
            places: each with that word.
        """
        new = self.apply()
        starts = [0, *(match.end() for match in NEWLINE.finditer(new))]
        made = self.outermost()
        lines = []
        for place, word in places:
            moved = 0
            for (start, end), text in made:
                if start > place:
                    break
                if end > place:
                    found = re.search(rf"\b{re.escape(word)}\b", text)
                    moved += start - place + (found.start() if found else 0)
                    break
                moved += len(text) - (end - start)
            lines.append(bisect_right(starts, place + moved))
        return lines
