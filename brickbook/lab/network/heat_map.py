"""A small weight as coloured cells that can be written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import anywidget
import numpy as np
import traitlets
from torch import Tensor

from brickbook.lab.widgets import close_tree
from brickbook.views.grid.bundle import ScriptBundle, StyleBundle

__all__ = ["MAX_CELLS", "HeatMap"]

HERE = Path(__file__).parent
MAX_CELLS = 4096


class HeatMap(anywidget.AnyWidget):
    """The cells of a weight: a row for each unit, the rest of its axes along.

    ``values`` are float32, row by row. The page sends ``{"row": r, "column": c, "value": x}`` for
    one cell, with ``"column": -1`` for a whole row.
    """

    _esm = ScriptBundle(("../../views/grid/grid_keys.js", "heat_map.js"), HERE).read_text()
    _css = StyleBundle(("heat_map.css",), HERE).read_text()

    name = traitlets.Unicode().tag(sync=True)
    rows = traitlets.Int().tag(sync=True)
    columns = traitlets.Int().tag(sync=True)
    values = traitlets.Bytes().tag(sync=True)
    words = traitlets.Dict().tag(sync=True)

    def show(self, name: str, weight: Tensor, words: Mapping[str, str]) -> None:
        """Show a weight."""
        rows = weight.shape[0] if weight.dim() else 1
        flat = weight.detach().reshape(rows, -1).float().cpu().numpy()
        with self.hold_sync():
            self.name, self.words = name, dict(words)
            self.rows, self.columns = flat.shape
            self.values = np.ascontiguousarray(flat, dtype="<f4").tobytes()

    def close(self) -> None:
        """Close the widget and its layout."""
        if self.comm is not None:
            close_tree(self)
