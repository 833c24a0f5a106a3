"""Values as a user types them: Python literals, ``dict(...)``, and plain words."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["is_plain_word", "is_python", "literal", "spell"]


def spell(value: Any) -> str:
    """Write a value so that it is read back: a plain word as it is, else a Python literal.

    >>> spell("same"), spell("3"), spell((3, 3)), spell({"type": "BN"})
    ('same', "'3'", '(3, 3)', "dict(type='BN')")
    """
    if isinstance(value, Mapping) and all(isinstance(k, str) and k.isidentifier() for k in value):
        return f"dict({', '.join(f'{k}={quote(v)}' for k, v in value.items())})"
    if isinstance(value, str):
        return value if is_plain_word(value) else repr(value)
    if isinstance(value, type):
        return value.__name__
    return repr(value)


def quote(value: Any) -> str:
    """Spell a value inside a dict, where words need their quotes.

    >>> quote([1, dict(type="BN")]), quote((int,)), quote(float("inf"))
    ("[1, dict(type='BN')]", '(int,)', "float('inf')")
    """
    if isinstance(value, str):
        return repr(value)
    if type(value) in (list, tuple):
        parts = ", ".join(quote(part) for part in value)
        comma = "," if type(value) is tuple and len(value) == 1 else ""
        return f"[{parts}]" if type(value) is list else f"({parts}{comma})"
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    return spell(value)


def is_python(text: str) -> bool:
    """Whether a text can be run: reprs in angle brackets cannot."""
    try:
        ast.parse(text.strip())
    except SyntaxError:
        return False
    return True


def is_plain_word(text: str) -> bool:
    """True if ``text`` means itself when typed: no literal, nothing that looks like code."""
    if not re.fullmatch(r"[^\s'\"()\[\]{},=]+", text):
        return False
    try:
        literal(text)
    except (ValueError, SyntaxError):
        return True
    return False


def literal(text: str) -> Any:
    """Read a Python literal; ``dict(type='BN')`` is one too, and ``float('nan')``.

    Raises ValueError or SyntaxError.
    """
    tree = ast.parse(text.strip(), mode="eval")
    return ast.literal_eval(DictCalls().visit(tree))


class DictCalls(ast.NodeTransformer):
    """``dict(a=1)`` becomes ``{'a': 1}``."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Replace a call of dict with keywords only; any other call stays, and is refused."""
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "float" and not node.keywords:
            word = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else 0
            return ast.Constant(float(word)) if isinstance(word, str) else node
        named = all(word.arg is not None for word in node.keywords)
        if not (isinstance(node.func, ast.Name) and node.func.id == "dict" and named) or node.args:
            return node
        keys: list[ast.expr | None] = [ast.Constant(word.arg) for word in node.keywords]
        return ast.Dict(keys=keys, values=[word.value for word in node.keywords])
