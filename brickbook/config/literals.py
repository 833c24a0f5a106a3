"""Python literals as users type them: plain words, numbers, ``dict(...)``, shapes."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from typing import Any

from brickbook.errors import BadValueError, Sentence

__all__ = [
    "is_plain_word",
    "is_python",
    "parse_literal",
    "parse_shape",
    "to_literal",
    "to_quoted_literal",
]


def to_literal(value: Any) -> str:
    """Write a value so that it is read back: a plain word as it is, else a Python literal.

    >>> to_literal("same"), to_literal("3"), to_literal((3, 3)), to_literal({"type": "BN"})
    ('same', "'3'", '(3, 3)', "dict(type='BN')")
    """
    if isinstance(value, Mapping) and all(isinstance(k, str) and k.isidentifier() for k in value):
        return f"dict({', '.join(f'{k}={to_quoted_literal(v)}' for k, v in value.items())})"
    if isinstance(value, str):
        return value if is_plain_word(value) else repr(value)
    if isinstance(value, type):
        return value.__name__
    return repr(value)


def to_quoted_literal(value: Any) -> str:
    """Write a value that stands in a dict or a list, where words need their quotes.

    >>> to_quoted_literal([1, dict(type="BN")]), to_quoted_literal(float("inf"))
    ("[1, dict(type='BN')]", "float('inf')")
    """
    if isinstance(value, str):
        return repr(value)
    if type(value) in (list, tuple):
        parts = ", ".join(to_quoted_literal(part) for part in value)
        comma = "," if type(value) is tuple and len(value) == 1 else ""
        return f"[{parts}]" if type(value) is list else f"({parts}{comma})"
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    return to_literal(value)


def is_python(text: str) -> bool:
    """Return whether a text is an expression of Python: reprs in angle brackets are none."""
    try:
        ast.parse(text.strip())
    except SyntaxError:
        return False
    return True


def is_plain_word(text: str) -> bool:
    """Return whether ``text`` means itself when typed: no literal, nothing like code."""
    if not re.fullmatch(r"[^\s'\"()\[\]{},=]+", text):
        return False
    try:
        parse_literal(text)
    except (ValueError, SyntaxError):
        return True
    return False


def parse_literal(text: str) -> Any:
    """Read a Python literal; ``dict(type='BN')`` is one too, and ``float('nan')``.

    Raises:
        ValueError: For a name or a call.
        SyntaxError: For what is no Python.
    """
    tree = ast.parse(text.strip(), mode="eval")
    return ast.literal_eval(DictCallTransformer().visit(tree))


class DictCallTransformer(ast.NodeTransformer):
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


def parse_shape(text: str, path: str = "input_shape") -> tuple[int, ...]:
    """Read a shape as typed: ``"3, 32, 32"``, ``"(3, 32, 32)"``, ``"3x32x32"`` or ``"64"``.

    Raises:
        BadValueError: If it is none, at ``path``.

    >>> parse_shape("3 × 32 × 32"), parse_shape("64")
    ((3, 32, 32), (64,))
    """
    try:
        found = parse_literal(text.replace("×", ",").replace("x", ","))
    except (ValueError, SyntaxError):
        found = None
    sizes = found if isinstance(found, (tuple, list)) else (found,)
    whole = tuple(size for size in sizes if type(size) is int and size > 0)
    if not whole or len(whole) != len(sizes):
        problem = "expected whole numbers such as 3, 32, 32, got {text}."
        raise BadValueError(path, Sentence(problem, text=repr(text)))
    return whole
