"""What the page of a notebook still holds of widgets when they are closed, and how it lets go."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import anywidget
import ipywidgets as w
from IPython.core.getipython import get_ipython

__all__ = ["Sweeper", "sweep"]


class Sweeper(anywidget.AnyWidget):
    """Nothing to look at: it is told which widgets will be closed, one for a whole kernel.

    A page of JupyterLab 4.6 keeps every model that was ever connected, also a closed one, with
    its values and what it has drawn: about 4 kB each. With this one it keeps 0.4 kB.
    """

    _esm = Path(__file__).parent / "sweeper.js"


MADE: list[Sweeper] = []


def sweep(widgets: Iterable[w.Widget]) -> None:
    """Tell the page that these widgets are about to be closed. Without a notebook there is none.

    As Python ends, what is still open is closed too: nobody can be told then.
    """
    if sys.is_finalizing() or getattr(get_ipython(), "kernel", None) is None:
        return
    if not MADE or MADE[0].comm is None:  # somebody may have closed all widgets
        MADE[:] = [Sweeper()]
    closing = [widget.model_id for widget in widgets if widget.comm is not None]
    MADE[0].send({"closing": closing})
