"""A picture that is drawn for the width that there is."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets

from brickbook.lab.widgets.base import close_tree

__all__ = ["DEFAULT_WIDTH", "Picture"]

DEFAULT_WIDTH = 800
CSS = """
.bb-drawing {
  --bb-page-soft: var(--jp-ui-font-color2, #767676);
  overflow: auto hidden;
  font: 11px/1.4 var(--jp-ui-font-family, system-ui, sans-serif);
}
.bb-drawing [data-layer] { cursor: pointer; }
.bb-drawing [data-layer]:hover { fill: #8882; }
"""


class Picture(anywidget.AnyWidget):
    """An SVG. The page says its ``width`` in pixels, 0 before that; `draw_width` to draw for.

    ``chosen`` is the ``data-layer`` of what was clicked last. What stands in ``svg`` comes from our
    own drawing functions, which escape every name.
    """

    _esm = (Path(__file__).parent / "picture.js").read_text()
    _css = CSS

    svg = traitlets.Unicode().tag(sync=True)
    width = traitlets.Int().tag(sync=True)
    chosen = traitlets.Unicode().tag(sync=True)

    @property
    def draw_width(self) -> int:
        """The width to draw for."""
        return self.width or DEFAULT_WIDTH

    def close(self) -> None:
        """Close the widget and its layout."""
        if self.comm is not None:
            close_tree(self)
