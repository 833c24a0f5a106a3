"""The text of a Python file: where its parts stand, its comments, and its displays.

A display is ``dict(…)``, ``{…}``, ``[…]`` or ``(…)``: what a config is written in. The places are
those of Python's own parser, from which the values come too; so one parse serves both.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from brickbook.migrate.reader import parse

__all__ = ["COMMENT", "HELD", "Display", "Item", "Source", "Span", "shift"]

# Line ends within texts of several lines stand as this sign while lines are moved.
HELD = "\ue000"
COMMENT = re.compile(r"#[^\n]*")


@dataclass(frozen=True)
class Span:
    """A piece of the text; parentheses around an expression are in it."""

    start: int
    end: int


@dataclass(frozen=True, eq=False)
class Item:
    """An entry of a display.

    Attributes:
        key: the key, None in a list and for ``**x`` and ``*x``.
        node: the value, or the ``x`` of ``**x``.
        spread: whether this is ``**x`` or ``*x``.
        whole: the entry with its key.
        value: the value alone.
        lead: what stands before it, from the comma or bracket before: spaces, comments.
        trail: the comment behind its comma, on the same line; "" if there is none.
    """

    key: str | None
    node: ast.expr
    spread: bool
    whole: Span
    value: Span
    lead: str = ""
    trail: str = ""


@dataclass(frozen=True, eq=False)
class Display:
    """A dict, list or tuple that is written out.

    Attributes:
        node: its expression.
        kind: "call" for ``dict(…)``, "dict", "list" or "tuple".
        opened: the text up to its first entry's lead: ``dict(`` or a bracket.
        items: its entries.
        comma: whether one stands behind the last entry.
        tail: what stands behind that and its trail: spaces, comments.
    """

    node: ast.expr
    kind: str
    opened: str
    items: tuple[Item, ...]
    comma: bool
    tail: str

    @cached_property
    def spreads(self) -> bool:
        """Whether any of its entries is ``**x`` or ``*x``."""
        return any(item.spread for item in self.items)

    @property
    def closed(self) -> str:
        """The bracket at the end."""
        return {"call": ")", "dict": "}", "list": "]", "tuple": ")"}[self.kind]


@dataclass
class Source:
    """A Python file with line ends of one sign."""

    text: str
    path: Path
    displays: dict[int, Display | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.module = parse(self.text, self.path)
        self.lines = self.text.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)

    def offset(self, line: int, column: int) -> int:
        """Return the place of a line and a column, which Python counts in bytes."""
        text = self.lines[line - 1]
        if not text.isascii():
            column = len(text.encode()[:column].decode(errors="ignore"))
        return self.starts[line - 1] + column

    def start(self, node: ast.AST) -> int:
        """Return where a node begins."""
        return self.offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        """Return where a node ends."""
        return self.offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def line_of(self, place: int) -> int:
        """Return the number of a place's line."""
        low, high = 0, len(self.lines)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.starts[middle] <= place else (low, middle)
        return low + 1

    def column_of(self, place: int) -> int:
        """Return the number of a place's sign in its line, from 1."""
        return place - self.starts[self.line_of(place) - 1] + 1

    def indent(self, place: int) -> str:
        """Return the spaces at the beginning of a place's line."""
        line = self.lines[self.line_of(place) - 1]
        return line[: len(line) - len(line.lstrip(" \t"))]

    @cached_property
    def comments(self) -> list[tuple[int, str]]:
        """The comments, and where they stand."""
        if "#" not in self.text:
            return []
        found = []
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                place = self.starts[token.start[0] - 1] + token.start[1]
                found.append((place, token.string.rstrip()))
        return found

    @cached_property
    def multiline_texts(self) -> list[Span]:
        """The texts of several lines."""
        if not ('"""' in self.text or "'''" in self.text or "\\n" in self.text):
            return []
        return [
            Span(self.start(node), self.end(node))
            for node in ast.walk(self.module)
            if isinstance(node, (ast.Constant, ast.JoinedStr))
            and isinstance(getattr(node, "value", ""), (str, bytes))
            and node.end_lineno != node.lineno
            and "\n" in self.text[self.start(node) : self.end(node)]
        ]

    def piece(self, span: Span) -> str:
        """Return a piece of the text, with the line ends within texts held."""
        text = self.text[span.start : span.end]
        if "\n" not in text:
            return text
        for one in reversed(self.multiline_texts):
            if span.start <= one.start and one.end <= span.end:
                start, end = one.start - span.start, one.end - span.start
                text = text[:start] + text[start:end].replace("\n", HELD) + text[end:]
        return text

    def display(self, node: ast.expr) -> Display | None:
        """Return an expression as a display, None if it is none."""
        if id(node) not in self.displays:
            self.displays[id(node)] = self.new_display(node)
        return self.displays[id(node)]

    def new_display(self, node: ast.expr) -> Display | None:
        """Look at an expression's entries and at what stands between them."""
        start, end = self.start(node), self.end(node)
        entries: list[tuple[str | None, ast.expr, bool, int]] = []
        if isinstance(node, ast.Call):
            named = isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args
            if not named:
                return None
            kind, opened = "call", self.text.index("(", self.end(node.func)) + 1
            for keyword in node.keywords:
                entries.append(
                    (keyword.arg, keyword.value, keyword.arg is None, self.start(keyword))
                )
        elif isinstance(node, ast.Dict):
            kind, opened = "dict", start + 1
            for key, value in zip(node.keys, node.values, strict=True):
                if key is None:
                    before = self.text.rindex("**", 0, self.start(value))
                    entries.append((None, value, True, before))
                elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                    entries.append((key.value, value, False, self.start(key)))
                else:
                    return None
        elif isinstance(node, (ast.List, ast.Tuple)) and self.text[start] in "([":
            kind, opened = "list" if isinstance(node, ast.List) else "tuple", start + 1
            for value in node.elts:
                starred = isinstance(value, ast.Starred)
                inner = value.value if isinstance(value, ast.Starred) else value
                entries.append((None, inner, starred, self.start(value)))
        else:
            return None
        return self.split(node, kind, opened, end - 1, entries)

    def split(
        self,
        node: ast.expr,
        kind: str,
        opened: int,
        closed: int,
        entries: list[tuple[str | None, ast.expr, bool, int]],
    ) -> Display | None:
        """Cut a display into entries, leads and trails."""
        items: list[Item] = []
        here = opened  # where the text before the next entry begins
        commas = False
        for i, (key, value, spread, start) in enumerate(entries):
            lead = self.text[here:start]
            brackets = COMMENT.sub(lambda match: " " * len(match[0]), lead).find("(")
            if brackets >= 0:  # (a + b), in a list
                start, lead = here + brackets, lead[:brackets]
            end = self.end(value)
            following = entries[i + 1][3] if i + 1 < len(entries) else closed
            gap = self.text[end:following]
            blank = COMMENT.sub(lambda match: " " * len(match[0]), gap)
            comma = blank.find(",")
            last = blank.rfind(")", 0, comma if comma >= 0 else len(blank))
            end += last + 1
            if key is None or kind == "list":
                inner = start if not spread else self.start(value)
            else:
                mark = "=" if kind == "call" else ":"
                key_end = start + len(key) if kind == "call" else start
                between = self.text[key_end : self.start(value)]
                inner = key_end + between.rindex(mark) + 1 if mark in between else self.start(value)
                inner += len(self.text[inner:]) - len(self.text[inner:].lstrip(" \t\n"))
            after = gap[comma + 1 :] if comma >= 0 else gap[last + 1 :]
            found = re.match(r"[ \t]*#[^\n]*", after)
            trail = found[0] if found else ""
            before = gap[last + 1 : comma].rstrip() if comma >= 0 else ""  # # a comment, a comma
            here = following - len(after) + len(trail)
            places = Span(start, end), Span(inner, end)
            items.append(Item(key, value, spread, *places, lead, before + trail))
            commas = comma >= 0
        bracket = self.start(node)
        tail = self.text[here:closed]
        return Display(node, kind, self.text[bracket:opened], tuple(items), commas, tail)


def shift(text: str, before: str, after: str) -> str:
    r"""Move the lines of a piece of code, but the first, from an indentation to another.

    >>> shift("dict(\n    a=1)", "", "    ")
    'dict(\n        a=1)'
    """
    if before == after or "\n" not in text:
        return text
    first, *rest = text.split("\n")
    moved = []
    for line in rest:
        if not line.strip():
            moved.append(line)
        elif line.startswith(before):
            moved.append(after + line[len(before) :])
        else:
            moved.append(after + line.lstrip(" \t"))
    return "\n".join([first, *moved])
