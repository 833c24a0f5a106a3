"""The list of bricks on the page, as a tree."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from brickbook.blueprint import ARGUMENT_AXES, format_shape
from brickbook.html import format_count
from brickbook.lab.builder.preview import BrickRow
from brickbook.lab.builder.words import builder_text
from brickbook.views.grid.bundle import ScriptBundle, StyleBundle

__all__ = ["BRICKS_CSS", "BRICKS_JS", "BrickList", "can_make_auto", "page_texts", "row_dict"]

HERE = Path(__file__).parent

BRICKS_JS = ScriptBundle(
    (
        "brick_list_tree.js",
        "brick_list_row.js",
        "brick_list_drag.js",
        "../../views/grid/grid_keys.js",
        "brick_list.js",
    ),
    HERE,
)

BRICKS_CSS = StyleBundle(("brick_list.css",), HERE)


class BrickList(anywidget.AnyWidget):
    """A tree of bricks, unfolded as far as ``rows`` go.

    ``selected`` is the index of the selected row or -1, ``marked`` are those of its neighbours that
    are selected too. The page sends ``{"do": edit, "path": …}`` for what is done by key or by drag.
    """

    _esm = BRICKS_JS.read_text()
    _css = BRICKS_CSS.read_text()
    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    selected = traitlets.Int(-1).tag(sync=True)
    marked = traitlets.List(traitlets.Int()).tag(sync=True)
    words = traitlets.Dict().tag(sync=True)


def page_texts() -> dict[str, str]:
    """Return the texts that the page shows itself."""
    keys = ("list", "no bricks", "head.brick", "head.output", "head.params", "head.macs", "keys")
    return {key: builder_text(key) for key in keys}


def can_make_auto(row: BrickRow) -> bool:
    """Whether the error of a row is about a size that its input tells."""
    return bool(row.error) and row.key in ARGUMENT_AXES and row.input is not None


def row_dict(row: BrickRow, folded: bool = False, errors: Collection[str] = ()) -> dict[str, Any]:
    """Return a row as the page shows it; ``errors`` are those of the bricks that it hides."""
    counted = row.is_brick and row.counted
    return {
        "path": list(row.path),
        "number": row.number if row.is_brick else "",
        "level": row.level,
        "brick": row.is_brick,
        "open": not folded if row.is_container and row.is_brick else None,
        "kind": row.kind,
        "arguments": row.arguments,
        "output": format_shape(row.output),
        "params": f"{row.params:,}" if counted else "",
        "macs": format_count(row.macs) if counted and row.output is not None else "",
        "fix": builder_text("make auto") if can_make_auto(row) else "",
        "error": row.error or (builder_text("inside") if folded and errors else ""),
    }
