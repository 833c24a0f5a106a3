"""Where a file writes a value: from a path in the config to an expression."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from brickbook.migrate.source.reading import bound_names
from brickbook.migrate.source.text import Display, Source, Span
from brickbook.migrate.source.values import Path

__all__ = ["Definition", "Locator", "Site", "find_definitions"]


@dataclass
class Definition:
    """Where a name gets its value.

    Attributes:
        statement: the assignment.
        node: what is assigned.
        more: entries that are put behind a list afterwards.
        clean: whether nothing else changes it.
    """

    statement: ast.stmt
    node: ast.expr
    more: list[ast.expr] = field(default_factory=list)
    clean: bool = True


@dataclass(frozen=True)
class Site:
    """Where the old file writes a value: the expression, and its place with its parentheses."""

    node: ast.expr
    span: Span


class Locator:
    """Finds values in a file by their path in the config."""

    def __init__(self, source: Source, definitions: dict[str, Definition]) -> None:
        self.source, self.definitions = source, definitions
        self.more = {id(found.node): found.more for found in definitions.values()}

    def site(self, path: Path | None) -> Site | None:
        """Return where the old file writes the value of a path."""
        if not path:
            return None
        here = self.definition(path[0])
        for step in path[1:]:
            here = self.step(here, step) if here else None
        return here

    def definition(self, name: Any) -> Site | None:
        """Return what a name is assigned."""
        found = self.definitions.get(name)
        if found is None or not found.clean:
            return None
        return Site(found.node, self.assigned(found))

    def assigned(self, found: Definition) -> Span:
        """Return the place of what is assigned, with its parentheses."""
        start, end = self.source.start(found.node), self.source.end(found.node)
        whole = self.source.text[end : self.source.end(found.statement)]
        before = self.source.text[self.source.start(found.statement) : start]
        opened = before[before.rindex("=") + 1 :] if "=" in before else ""
        if ")" in whole and "(" in opened:
            return Span(start - len(opened.lstrip()), end + whole.rindex(")") + 1)
        return Span(start, end)

    def step(self, site: Site, key: Any) -> Site | None:
        """Go one key down."""
        node = site.node
        for _ in range(10):  # a name of a name of …
            if not isinstance(node, ast.Name):
                break
            found = self.definitions.get(node.id)
            if found is None or not found.clean:
                return None
            node = found.node
        else:
            return None
        display, more = self.source.display(node), self.more.get(id(node), [])
        if display is None:
            return None
        if display.kind in ("call", "dict"):
            return self.step_in_dict(display, key)
        if not isinstance(key, int) or display.spreads:
            return None
        if key < len(display.items):
            item = display.items[key]
            return Site(item.node, item.value)
        behind = key - len(display.items)
        if behind < len(more):
            part = more[behind]
            return Site(part, Span(self.source.start(part), self.source.end(part)))
        return None

    def step_in_dict(self, display: Display, key: Any) -> Site | None:
        """Find a key in a dict that is written out, or in a ``**x`` of it."""
        for item in reversed(display.items):
            if item.key == key and not item.spread:
                return Site(item.node, item.value)
            if item.spread:
                within = self.step(Site(item.node, item.value), key)
                if within is not None:
                    return within
        return None

    def path_at(self, name: str, place: int) -> Path:
        """Return the path of the entry of a name's value that a place in the text belongs to."""
        path: Path = (name,)
        node = self.definitions[name].node
        while display := self.source.display(node):
            found = None
            for i, item in enumerate(display.items):
                if item.whole.start - len(item.lead) <= place < item.whole.end + len(item.trail):
                    found = i, item
            if found is None or found[1].spread:
                break
            path = (*path, found[0] if found[1].key is None else found[1].key)
            node = found[1].node
        return path


def find_definitions(executed: Iterable[ast.stmt]) -> dict[str, Definition]:
    """Return the names of a file from the statements that were evaluated, in their order."""
    found: dict[str, Definition] = {}
    for statement in executed:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            if isinstance(target, ast.Name):
                again = target.id in found
                found[target.id] = Definition(statement, statement.value, clean=not again)
                continue
        name, parts = extension(statement)
        if name in found and parts is not None:
            found[name].more += parts
            continue
        for changed in bound_names(statement):
            if changed in found:
                found[changed].clean = False
    return found


def extension(statement: ast.stmt) -> tuple[str, list[ast.expr] | None]:
    """Return the list that ``x.extend([…])``, ``x.append(…)`` or ``x += […]`` puts behind x."""
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
        target, value = statement.target, statement.value
        if isinstance(target, ast.Name) and isinstance(value, ast.List):
            return target.id, value.elts
    call = statement.value if isinstance(statement, ast.Expr) else None
    if (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and len(call.args) == 1
    ):
        name, given = call.func.value.id, call.args[0]
        if call.func.attr == "extend" and isinstance(given, ast.List):
            return name, given.elts
        if call.func.attr == "append":
            return name, [given]
    return "", None
