"""Signals through depth as a figure: the std of every layer's output and gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from brickbook.html import escape, format_2g
from brickbook.i18n import Texts
from brickbook.measure.probe import Signals
from brickbook.views.data.depth_curves import (
    COLOURS,
    DepthCurve,
    Quantity,
    depth_axis,
    depth_curves,
    inactive_title,
    shown_quantities,
)
from brickbook.views.plotly.panels import GREY, axis_name, stacked_layout

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["depth_figure"]

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon")
PATTERNS = ("", "/", ".", "x", "-", "+")
# How high the panels are, beside each other.
PANEL_HEIGHTS: dict[Quantity, float] = {"std": 3.0, "grad": 2.0, "inactive": 1.2}


def depth_figure(
    signals: Signals | Mapping[str, Signals],
    *,
    gradients: bool = True,
    title: str | None = None,
    language: str | None = None,
) -> go.Figure:
    """Draw the std of layers' outputs through depth, below it that of the gradients by them.

    Of several records, by label, each has a line: its colour, its dash and its marker. Both axes
    are logarithmic; the outputs have a guide at 1. A 0 is a cross at the lower edge. Where units
    are dead or outputs saturated in the activation after a layer, bars below say how many. The
    background is transparent, the grey reads on a light and on a dark page.

    Args:
        signals: What `brickbook.probe` found; of several models by label.
        gradients: Whether the gradients have a panel, where there are any.
        title: What stands above the figure.
        language: "en" or "zh", None for the reader's.
    """
    import plotly.graph_objects as go  # an optional package: only this function needs it

    curves, texts = depth_curves(signals), Texts(language)
    shown = shown_quantities(curves, gradients)
    longest = max((curve.points for curve in curves), key=len, default=())
    traces: list[Any] = []
    for number, key in enumerate(shown):
        axis = axis_name(number)
        if key == "inactive":
            traces += [inactive_bars(curve, at, axis, texts) for at, curve in enumerate(curves)]
            continue
        floor = depth_axis(curves, key).floor
        traces += [
            curve_line(curve, at, axis, key, floor, texts) for at, curve in enumerate(curves)
        ]
        if key == "std":
            traces.append(guide_at_one(len(longest)))
    layout = stacked_layout(
        [point.label for point in longest],
        [
            (PANEL_HEIGHTS[key], share_axis(curves, texts) if key == "inactive" else
             decade_axis(curves, key, texts))
            for key in shown
        ],
        order=texts["depth.order"],
        title=title,
        top=40,
    )  # fmt: skip
    layout |= {
        "height": 180 + 120 * len(shown),
        "showlegend": len(curves) > 1,
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        "barmode": "group",
        "bargap": 0.4,
    }
    return go.Figure(data=traces, layout=layout)


def legend_name(curve: DepthCurve, texts: Texts) -> str:
    """Return what the legend calls a curve."""
    return escape(curve.label or texts["depth.signals"])


def curve_line(
    curve: DepthCurve, at: int, axis: str, key: Quantity, floor: float, texts: Texts
) -> dict[str, Any]:
    """Return the line of one record in one panel; a 0 is a cross at its lower edge."""
    values = curve.values(key)
    colour, mark = COLOURS[at % len(COLOURS)], MARKERS[at % len(MARKERS)]
    what = texts["detail.std" if key == "std" else "depth.grad"]
    name = legend_name(curve, texts)
    return {
        "type": "scatter",
        "name": name,
        "legendgroup": str(at),
        "showlegend": key == "std",
        "mode": "lines+markers",
        "yaxis": axis,
        "x": list(range(1, len(values) + 1)),
        "y": [floor if value == 0 else value for value in values],
        "customdata": [
            [escape(point.label), "–" if value is None else format_2g(value)]
            for point, value in zip(curve.points, values, strict=True)
        ],
        "hovertemplate": f"%{{customdata[0]}}: {what} %{{customdata[1]}}<extra>{name}</extra>",
        "line": {"color": colour, "dash": DASHES[at % len(DASHES)], "width": 2},
        "marker": {
            "color": colour,
            "size": 7,
            "symbol": ["x" if value == 0 else mark for value in values],
        },
    }


def guide_at_one(count: int) -> dict[str, Any]:
    """Return the line at 1, where a signal keeps its size."""
    return {
        "type": "scatter",
        "name": "1",
        "showlegend": False,
        "hoverinfo": "skip",
        "mode": "lines",
        "x": [0.5, count + 0.5],
        "y": [1, 1],
        "line": {"color": GREY, "dash": "dot", "width": 1},
    }


def inactive_bars(curve: DepthCurve, at: int, axis: str, texts: Texts) -> dict[str, Any]:
    """Return the shares that are inactive after each layer."""
    shares, name = curve.values("inactive"), legend_name(curve, texts)
    values = {"layer": "%{customdata[0]}", "share": "%{y:.0%}", "reason": "%{customdata[1]}"}
    return {
        "type": "bar",
        "name": name,
        "legendgroup": str(at),
        "showlegend": False,
        "yaxis": axis,
        "x": list(range(1, len(shares) + 1)),
        "y": shares,
        "customdata": [
            [
                escape(point.label),
                texts[f"depth.{point.inactive_reason}"] if point.inactive_reason else "",
            ]
            for point in curve.points
        ],
        "hovertemplate": f"{texts('depth.after', **values)}<extra>{name}</extra>",
        "marker": {
            "color": COLOURS[at % len(COLOURS)],
            "opacity": 0.75,
            "line": {"width": 0},
            "pattern": {"shape": PATTERNS[at % len(PATTERNS)], "fillmode": "overlay"},
        },
    }


def decade_axis(curves: Sequence[DepthCurve], key: Quantity, texts: Texts) -> dict[str, Any]:
    """Return a logarithmic axis over whole decades, and a little beyond for the markers."""
    axis = depth_axis(curves, key)
    ticks, room = axis.ticks(6), 0.05 * (axis.high - axis.low)
    return {
        "type": "log",
        "range": [axis.low - room, axis.high + room],
        "tickvals": [value for value, _ in ticks],
        "ticktext": [label for _, label in ticks],
        "title": texts[f"depth.{key}"],
    }


def share_axis(curves: Sequence[DepthCurve], texts: Texts) -> dict[str, Any]:
    """Return an axis from nothing to all."""
    return {
        "range": [0, 1],
        "tickvals": [0, 0.5, 1],
        "ticktext": ["0 %", "50 %", "100 %"],
        "title": inactive_title(curves, texts, f"{texts['depth.or'].rstrip()}<br>"),
    }
