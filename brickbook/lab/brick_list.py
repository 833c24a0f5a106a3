"""The list of bricks on the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from brickbook.lab.preview import BrickRow, shape_text

__all__ = ["BrickList", "row_dict"]

HERE = Path(__file__).parent


class BrickList(anywidget.AnyWidget):
    """A listbox of bricks; ``rows`` are what it shows, ``selected`` is the chosen index or -1."""

    _esm = HERE / "brick_list.js"
    _css = HERE / "brick_list.css"
    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    selected = traitlets.Int(-1).tag(sync=True)


def row_dict(row: BrickRow) -> dict[str, Any]:
    """Write a row as the page shows it."""
    return {
        "kind": row.kind,
        "arguments": row.arguments,
        "output": shape_text(row.output),
        "params": f"{row.params:,}",
        "error": row.error,
    }
