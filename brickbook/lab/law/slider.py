"""A number with a slider and a field, and where sliders begin and end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from brickbook.lab.widgets import close_tree
from brickbook.views.grid.bundle import ScriptBundle, StyleBundle

__all__ = ["SLIDER_CSS", "SLIDER_JS", "Slider", "reach"]

HERE = Path(__file__).parent
SLIDER_JS = ScriptBundle(("../../views/grid/grid_keys.js", "slider.js"), HERE)
SLIDER_CSS = StyleBundle(("slider.css",), HERE)

# By argument: the least and the largest value of a slider, and its step.
REACH: Mapping[str, tuple[float, float, float]] = {
    "gain": (0, 4, 0.05),
    "std": (0, 1, 0.005),
    "scale": (0, 4, 0.05),
    "sparsity": (0, 1, 0.01),
    "prior_prob": (0.001, 0.999, 0.001),
    "depth": (1, 96, 1),
    "per_block": (1, 8, 1),
    "groups": (1, 32, 1),
    "bias": (-2, 2, 0.05),
}


def reach(name: str, value: Any, is_whole: bool) -> tuple[float, float, float]:
    """Return where a slider begins and ends, and its step: wide enough for a value.

    >>> reach("gain", 1, False), reach("val", 30.0, False)
    ((0, 4, 0.05), (-60.0, 60.0, 0.6))
    """
    low, high, step = REACH.get(name, (-2, 2, 1 if is_whole else 0.02))
    number = float(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0
    if low <= number <= high:
        return low, high, step
    high = 2 * abs(number)
    return (-high if low < 0 or number < 0 else low), high, 1 if is_whole else high / 100


class Slider(anywidget.AnyWidget):
    """A number: ``text`` is what the slider or the field says, ``problem`` what is wrong with it.

    On a ``log`` slider ``low``, ``high`` and ``step`` are powers of 2.
    """

    _esm = SLIDER_JS.read_text()
    _css = SLIDER_CSS.read_text()

    label = traitlets.Unicode().tag(sync=True)
    tip = traitlets.Unicode().tag(sync=True)
    word = traitlets.Unicode("slider").tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    low = traitlets.Float().tag(sync=True)
    high = traitlets.Float(1.0).tag(sync=True)
    step = traitlets.Float(0.01).tag(sync=True)
    log = traitlets.Bool().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)

    def __init__(self, on_change: Callable[[], object], **traits: Any) -> None:
        super().__init__(**traits)
        self.observe(lambda _: on_change(), "text")

    def close(self) -> None:
        """Close the widget and its layout."""
        if self.comm is not None:
            close_tree(self)
