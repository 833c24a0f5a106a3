"""Texts that name something of the old packages: types, modules to import, scopes."""

from __future__ import annotations

import re

import libcst as cst

from brickbook.migrate.code.bindings import dotted
from brickbook.migrate.code.moves import Fate, Moves
from brickbook.migrate.code.remarks import Remarks
from brickbook.migrate.code.source import Edits, SourceFile

__all__ = ["rewrite_strings"]

DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
SCOPES = ("default_scope", "scope")
IMPORTING = ("import_module", "__import__", "import_modules_from_strings", "patch", "setattr")
OLD = ("mmcls", "mmselfsup")


def rewrite_strings(file: SourceFile, moves: Moves, edits: Edits, remarks: Remarks) -> None:
    """Rewrite texts whose place says what they name, and note the others."""
    finder = TextFinder()
    file.module.visit(finder)
    for node in finder.found:
        text = node.evaluated_value
        if not isinstance(text, str) or not DOTTED.fullmatch(text):
            continue
        root, _, name = text.partition(".")
        if root not in OLD or root not in moves.roots:
            continue
        key = key_of(file, node)
        new = ""
        if not name:
            new = "mmpretrain" if key in SCOPES else ""
        elif key == "type" and "." not in name:
            new = new_type(moves, root, name)
        elif key == "imports" or calls(file, node):
            move = moves.name(text)
            new = move.new if move.fate is Fate.MOVED else ""
        if new:
            start, end = file.span(node)
            before = len(node.prefix) + len(node.quote)
            edits.replace((start + before, end - len(node.quote)), new)
            remarks.note("code.moved", node, text, old=text, new=new)
        elif name or key in SCOPES:
            remarks.note("code.text", node, text, old=text)


def new_type(moves: Moves, root: str, name: str) -> str:
    """Return the name of a registered class in 1.x, "" for one that is gone.

    A class that no table knows was registered by the project, in the same scope.
    """
    for key in moves.keys(root, name):
        if key in moves.moved:
            module, _, new = moves.moved[key].partition(":")
            return "" if "." in new else f"{module.partition('.')[0]}.{new}"
        if key in moves.removed:
            return ""
    return f"mmpretrain.{name}"


def key_of(file: SourceFile, node: cst.CSTNode) -> str:
    """Return the keyword or key that a text is the value of, alone or in a list."""
    for parent in file.above(node):
        if isinstance(parent, (cst.Element, cst.List, cst.Tuple)):
            continue
        if isinstance(parent, cst.Arg):
            return parent.keyword.value if parent.keyword else ""
        if isinstance(parent, cst.DictElement) and isinstance(parent.key, cst.SimpleString):
            return str(parent.key.evaluated_value) if parent.key is not node else ""
        if isinstance(parent, cst.Assign):
            return dotted(parent.targets[0].target)
        return ""
    return ""


def calls(file: SourceFile, node: cst.CSTNode) -> bool:
    """Return whether a text is the first argument of a function that imports what it names."""
    arg, call, *_ = [*file.above(node), None, None]
    return (
        isinstance(arg, cst.Arg)
        and isinstance(call, cst.Call)
        and call.args[0] is arg
        and dotted(call.func).rpartition(".")[2] in IMPORTING
    )


class TextFinder(cst.CSTVisitor):
    """Collects the plain texts."""

    def __init__(self) -> None:
        self.found: list[cst.SimpleString] = []

    def visit_SimpleString(self, node: cst.SimpleString) -> None:
        self.found.append(node)
