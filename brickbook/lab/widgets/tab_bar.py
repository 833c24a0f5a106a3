"""A row of tabs that arrow keys walk through."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets

from brickbook.lab.widgets.base import close_tree

__all__ = ["TabBar"]

HERE = Path(__file__).parent


class TabBar(anywidget.AnyWidget):
    """A row of tabs: ``names`` in their order, the ``labels`` that are shown, ``selected``, a name.

    On a page the nearest box of the class ``bb-tabs`` around it has the box of the class
    ``bb-tab-content`` that belongs to the tabs. ``hint`` says to a screen reader what they are of.
    When the kernel is gone, the nearest box of the class ``bb-lab`` shows that alone, under the
    line ``gone``.
    """

    _esm = (HERE / "tab_bar.js").read_text()
    _css = (HERE / "tab_bar.css").read_text()

    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)
    hint = traitlets.Unicode().tag(sync=True)
    gone = traitlets.Unicode().tag(sync=True)

    def close(self) -> None:
        """Close the widget and its layout."""
        if self.comm is not None:
            close_tree(self)
