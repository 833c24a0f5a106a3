"""Decorators of half precision, which have nothing to do any more."""

from __future__ import annotations

import libcst as cst

from brickbook.migrate.code.bindings import Variable
from brickbook.migrate.code.moves import Fate, Moves
from brickbook.migrate.code.remarks import Remarks
from brickbook.migrate.code.source import Edits, SourceFile

__all__ = ["drop_decorators"]

DROPPED = ("mmcv.auto_fp16", "mmcv.force_fp32")


def drop_decorators(
    file: SourceFile, moves: Moves, variables: list[Variable], edits: Edits, remarks: Remarks
) -> set[cst.CSTNode]:
    """Take ``@auto_fp16()`` and ``@force_fp32()`` away; return the nodes that went."""
    dropped: set[cst.CSTNode] = set()
    for variable in variables:
        for use in variable.uses:
            move = moves.name(".".join([variable.bindings[0].old, *use.parts[1:]]))
            if use.quoted or move.fate is not Fate.REMOVED or move.key not in DROPPED:
                continue
            around = list(file.above(use.node))[:2]
            found = next((node for node in around if isinstance(node, cst.Decorator)), None)
            is_call = isinstance(around[0], cst.Call) and around[0].func is use.node
            if found is None or (around[0] is not found and not is_call):
                continue
            start, end = file.span(found)
            text = file.text
            start -= len(text[:start]) - len(text[:start].rstrip(" \t"))
            rest = len(text[end:]) - len(text[end:].lstrip(" \t"))
            after = end + rest
            if text[after] == "#":
                edits.replace((file.span(found)[0], after), "")
            else:
                after += 2 if text[after : after + 2] == "\r\n" else 1
                edits.replace((start, after), "")
            dropped.add(use.node)
            remarks.note("code.decorator", found, move.old, old=move.old, new=move.instead)
    return dropped
