"""The picture of a network on the page: its boxes can be chosen, by click and by key."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets

from brickbook.lab.widgets import close_tree
from brickbook.views.grid.bundle import ScriptBundle, StyleBundle

__all__ = ["NetworkView"]

HERE = Path(__file__).parent
DEFAULT_WIDTH = 900


class NetworkView(anywidget.AnyWidget):
    """An SVG of `network_svg`. The page says its ``width`` in pixels, 0 before that.

    ``hint`` tells which keys there are. The page sends ``{"node": place, "kind": kind}`` for what
    is chosen: kind is "group" for a frame, "repeat" for one that stands for several, "closed" for a
    group that is one box, else what the node is.
    """

    _esm = ScriptBundle(("../../views/grid/grid_keys.js", "view.js"), HERE).read_text()
    _css = StyleBundle(("view.css",), HERE).read_text()

    svg = traitlets.Unicode().tag(sync=True)
    hint = traitlets.Unicode().tag(sync=True)
    selected = traitlets.Int(-1).tag(sync=True)
    width = traitlets.Int().tag(sync=True)

    @property
    def draw_width(self) -> int:
        """The width to draw for."""
        return max(self.width, 300) if self.width else DEFAULT_WIDTH

    def close(self) -> None:
        """Close the widget and its layout."""
        if self.comm is not None:
            close_tree(self)
