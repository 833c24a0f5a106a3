"""What a file says, as far as that can be known without executing it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brickbook.errors import ConfigError
from brickbook.migrate.reader import Config, Evaluation
from brickbook.migrate.source.values import Unread

__all__ = ["PartialEvaluation", "Problem", "bound_names"]

COMPUTED = (ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.JoinedStr, ast.Subscript,
            ast.UnaryOp)  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """A piece of code that is not evaluated: its node, and why."""

    node: ast.AST
    problem: str


class PartialEvaluation(Evaluation):
    """An evaluation that leaves out what it cannot know, and says so in ``problems``.

    An entry of a dict or a list that cannot be known becomes `Unread`; a statement that cannot is
    left out, with the names that it may change.
    """

    def __init__(self, path: Path, base: Config) -> None:
        super().__init__(path, base)
        self.problems: list[Problem] = []
        self.unknown: set[str] = set()
        self.seen = 0  # unread values met so far
        self.executed: list[ast.stmt] = []

    def statement(self, node: ast.stmt) -> None:
        """Evaluate a statement, or leave it out."""
        if not isinstance(node, ast.If):
            self.executed.append(node)
        try:
            super().statement(node)
        except ConfigError as error:
            self.leave_out(node, error)

    def leave_out(self, node: ast.stmt, error: ConfigError) -> None:
        """Keep in mind that a statement was not evaluated."""
        self.problems.append(Problem(node, error.problem))
        for name in bound_names(node):
            self.names.pop(name, None)
            self.unknown.add(name)

    def assign(self, target: ast.expr, value: Any) -> None:
        """Give a value to a name, which is known then."""
        super().assign(target, value)
        if isinstance(target, ast.Name):
            self.unknown.discard(target.id)

    def value(self, node: ast.expr) -> Any:
        """Evaluate an expression; nothing is computed from what nobody knows."""
        before = self.seen
        found = super().value(node)
        if isinstance(found, Unread):
            self.seen += 1
        calls = isinstance(node, ast.Call) and not is_dict(node)
        if self.seen > before and (calls or isinstance(node, COMPUTED)):
            raise self.refuse(node, "a part of it cannot be evaluated.")
        return found

    def value_of_name(self, node: ast.Name) -> Any:
        """Names of the file."""
        if node.id in self.unknown and node.id not in self.names:
            raise self.refuse(node, f"what gives {node.id!r} its value is not evaluated.")
        return super().value_of_name(node)

    def part(self, node: ast.expr) -> Any:
        """Evaluate an entry of a dict or a list."""
        try:
            return self.value(node)
        except ConfigError as error:
            self.problems.append(Problem(node, error.problem))
            self.seen += 1
            return Unread(ast.unparse(node))

    def entries(self, nodes: Iterable[ast.expr]) -> Iterator[Any]:
        """Yield the entries of a list."""
        for node in nodes:
            if isinstance(node, ast.Starred):
                yield from super().entries([node])
            else:
                yield self.part(node)

    def value_of_dict(self, node: ast.Dict) -> Any:
        """``{a: b, **c}``."""
        found: Config = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                found.update(self.guard(node, lambda value=value: dict(self.value(value))))
            else:
                name = self.value(key)
                entry = self.part(value)
                self.guard(key, lambda name=name, entry=entry: found.update({name: entry}))
        return found

    def value_of_call(self, node: ast.Call) -> Any:
        """Calls; the entries of ``dict(…)`` are evaluated one by one."""
        if not is_dict(node) or "dict" in self.names:
            return super().value_of_call(node)
        found: Config = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                found.update(self.guard(node, lambda k=keyword: dict(self.value(k.value))))
            else:
                found[keyword.arg] = self.part(keyword.value)
        return found


def is_dict(node: ast.expr) -> bool:
    """Whether an expression is ``dict(…)`` with names only."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "dict"
        and not node.args
    )


def bound_names(node: ast.AST) -> set[str]:
    """Return the names that a statement may give a value, or whose value it may change."""
    names: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, (ast.Store, ast.Del)):
            names.add(part.id)
        elif isinstance(part, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            names.add(part.name)
        elif isinstance(part, (ast.Subscript, ast.Attribute)) and not isinstance(
            part.ctx, ast.Load
        ):
            names.add(root_name(part))
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            names.add(root_name(part.func))  # x.extend(…)
        elif isinstance(part, ast.alias):
            names.add(part.asname or part.name.partition(".")[0])
    return names - {""}


def root_name(node: ast.expr) -> str:
    """Return the name that ``a.b[c]`` begins with, "" if none."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
