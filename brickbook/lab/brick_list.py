"""The tree of bricks on the page."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from brickbook.lab.builder_texts import say
from brickbook.lab.preview import BrickRow, shape_text
from brickbook.markup import count_text
from brickbook.views.scripts import Script, Style

__all__ = ["BRICKS_CSS", "BRICKS_JS", "BrickList", "row_dict", "words"]

HERE = Path(__file__).parent
BRICKS_JS = Script(
    (
        "brick_list_tree.js", "brick_list_row.js", "brick_list_drag.js", "../views/grid_keys.js",
        "brick_list.js",
    ),
    HERE,
)  # fmt: skip
BRICKS_CSS = Style(("brick_list.css",), HERE)


class BrickList(anywidget.AnyWidget):
    """A tree of bricks, unfolded as far as ``rows`` go.

    ``selected`` is the index of the chosen row or -1, ``marked`` are those of its neighbours that
    are chosen too. The page sends ``{"do": edit, "path": …}`` for what is done by key or by drag.
    """

    _esm = BRICKS_JS.read_text()
    _css = BRICKS_CSS.read_text()
    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    selected = traitlets.Int(-1).tag(sync=True)
    marked = traitlets.List(traitlets.Int()).tag(sync=True)
    words = traitlets.Dict().tag(sync=True)


def words() -> dict[str, str]:
    """Return the words that the page shows itself."""
    keys = ("list", "no bricks", "head.brick", "head.output", "head.params", "head.macs", "keys")
    return {key: say(key) for key in keys}


def row_dict(row: BrickRow, folded: bool = False, faults: Collection[str] = ()) -> dict[str, Any]:
    """Write a row as the page shows it; ``faults`` are those of the bricks that it hides."""
    counted = row.is_brick and row.counted
    return {
        "path": list(row.path),
        "number": row.number if row.is_brick else "",
        "level": row.level,
        "brick": row.is_brick,
        "open": not folded if row.holds and row.is_brick else None,
        "kind": row.kind,
        "arguments": row.arguments,
        "output": shape_text(row.output),
        "params": f"{row.params:,}" if counted else "",
        "macs": count_text(row.macs) if counted and row.output is not None else "",
        "error": row.error or (say("inside") if folded and faults else ""),
    }
