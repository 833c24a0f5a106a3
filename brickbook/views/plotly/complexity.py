"""What the modules of a model cost, as bars: multiply-adds, parameters, activation memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from brickbook.html import escape, format_bytes, format_count
from brickbook.i18n import Texts
from brickbook.measure.cost import Complexity, Cost
from brickbook.measure.diagnosis import layer_label
from brickbook.views.data.depth_curves import COLOURS
from brickbook.views.plotly.panels import axis_name, stacked_layout

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["complexity_figure"]

COSTS = ("macs", "params", "activations")


def complexity_figure(
    found: Complexity, *, title: str | None = None, language: str | None = None
) -> go.Figure:
    """Draw what each module costs itself: one bar a module, one panel a kind of cost.

    Modules that cost nothing themselves, such as containers, are left out. The background is
    transparent, the grey reads on a light and on a dark page.

    Args:
        found: What `brickbook.complexity` returned.
        title: What stands above the figure.
        language: "en" or "zh", None for the reader's.
    """
    import plotly.graph_objects as go  # an optional package: only this function needs it

    rows, texts = found.modules_with_cost, Texts(language)
    bars = [cost_bars(rows, at, key, texts) for at, key in enumerate(COSTS)]
    axis = {"rangemode": "tozero", "nticks": 5, "tickformat": "~s"}
    layout = stacked_layout(
        [layer_label(row.name, row.kind) for row in rows],
        [(1.0, {**axis, "title": texts[f"cost.{key}"]}) for key in COSTS],
        order=texts["cost.order"],
        title=title,
        top=24,
    )
    return go.Figure(
        data=bars, layout={**layout, "height": 480, "showlegend": False, "bargap": 0.25}
    )


def cost_bars(rows: Sequence[Cost], at: int, key: str, texts: Texts) -> dict[str, Any]:
    """Return the bars of one kind of cost, module by module."""
    values = [getattr(row, f"own_{key}") for row in rows]
    total, write = sum(values), format_bytes if key == "activations" else format_count
    labels = [
        texts(
            "cost.bar",
            name=layer_label(row.name, row.kind),
            kind=row.kind,
            count=write(value),
            share=f"{value / total:.1%}" if total else "–",
        )
        for row, value in zip(rows, values, strict=True)
    ]
    return {
        "type": "bar",
        "name": texts[f"cost.{key}"],
        "yaxis": axis_name(at),
        "x": list(range(1, len(rows) + 1)),
        "y": values,
        "customdata": [escape(line) for line in labels],
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {"color": COLOURS[at], "line": {"width": 0}},
    }
