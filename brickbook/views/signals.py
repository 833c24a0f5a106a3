"""Signals through depth: the std of every layer's output and gradient, as a figure and as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from brickbook.measure.findings import short
from brickbook.measure.signals import Signals
from brickbook.texts import Texts
from brickbook.views.depth import COLOURS, Curve, curves
from brickbook.views.depth_axes import Scale, domains, layer_ticks, scale_of
from brickbook.views.depth_svg import picture

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["depth_figure", "depth_svg"]

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon")
PATTERNS = ("", "/", ".", "x", "-", "+")
GREY, GRID = "#7a7a7a", "rgba(122,122,122,0.3)"
PANELS = {"std": 3.0, "grad": 2.0, "lost": 1.2}  # how high each is, beside the others


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
    background is transparent, the grey reads on a light and on a dark page. ``language`` is "en" or
    "zh", None for the reader's.
    """
    import plotly.graph_objects as go  # an optional package: only this function wants it

    found, texts = curves(signals), Texts(language)
    keys = [
        key
        for key in PANELS
        if key == "std" or ((gradients or key != "grad") and any(c.has(key) for c in found))
    ]
    traces: list[Any] = []
    for number, key in enumerate(keys):
        axis = axis_of(number)
        if key == "lost":
            traces += [bars(curve, at, axis, texts) for at, curve in enumerate(found)]
            continue
        floor = scale(found, key).floor
        traces += [line(curve, at, axis, key, floor, texts) for at, curve in enumerate(found)]
        if key == "std":
            traces.append(guide(max((len(curve.points) for curve in found), default=0)))
    return go.Figure(data=traces, layout=layout(found, keys, title, texts))


def name_of(curve: Curve, texts: Texts) -> str:
    """What the legend says; plotly takes texts for markup."""
    return escape(curve.label or texts["depth.signals"])


def line(curve: Curve, at: int, axis: str, key: str, floor: float, texts: Texts) -> dict[str, Any]:
    """The line of one record in one panel."""
    values = [getattr(point, key) for point in curve.points]
    colour, mark = COLOURS[at % len(COLOURS)], MARKERS[at % len(MARKERS)]
    what = texts["detail.std" if key == "std" else "depth.grad"]
    name = name_of(curve, texts)
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
            [escape(point.label), "–" if value is None else short(value)]
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


def guide(count: int) -> dict[str, Any]:
    """The line at 1, where a signal keeps its size."""
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


def bars(curve: Curve, at: int, axis: str, texts: Texts) -> dict[str, Any]:
    """The shares that are lost after each layer."""
    lost, name = [point.lost for point in curve.points], name_of(curve, texts)
    places = {"layer": "%{customdata[0]}", "share": "%{y:.0%}", "why": "%{customdata[1]}"}
    return {
        "type": "bar",
        "name": name,
        "legendgroup": str(at),
        "showlegend": False,
        "yaxis": axis,
        "x": list(range(1, len(lost) + 1)),
        "y": lost,
        "customdata": [
            [escape(point.label), texts[f"depth.{point.why}"] if point.why else ""]
            for point in curve.points
        ],
        "hovertemplate": f"{texts('depth.after', **places)}<extra>{name}</extra>",
        "marker": {
            "color": COLOURS[at % len(COLOURS)],
            "opacity": 0.75,
            "line": {"width": 0},
            "pattern": {"shape": PATTERNS[at % len(PATTERNS)], "fillmode": "overlay"},
        },
    }


def layout(
    found: Sequence[Curve], keys: Sequence[str], title: str | None, texts: Texts
) -> dict[str, Any]:
    """Transparent and grey, one panel below the other over the same layers."""
    longest = max((curve.points for curve in found), key=len, default=())
    axis = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": GREY, "tickcolor": GREY}
    ticks = layer_ticks(longest, texts)
    made: dict[str, Any] = {
        "template": "none",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": GREY},
        "title": {"text": escape(title), "x": 0, "xref": "paper"} if title else None,
        "height": 180 + 120 * len(keys),
        "margin": {
            "l": 72,
            "r": 16,
            "t": 72 if title else 40,
            "b": 96 if "ticktext" in ticks else 48,
        },
        "showlegend": len(found) > 1,
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        "barmode": "group",
        "bargap": 0.4,
        "xaxis": {
            **axis,
            "anchor": axis_of(len(keys) - 1),
            "range": [0.5, max(1, len(longest)) + 0.5],
            "showgrid": False,
            **ticks,
        },
    }
    places = domains([PANELS[key] for key in keys])
    for at, (key, domain) in enumerate(zip(keys, places, strict=True)):
        own = shares(found, texts) if key == "lost" else powers(found, key, texts)
        own["title"] |= {"standoff": 8}
        place = {"domain": domain, "anchor": "x", "automargin": True}
        made[f"yaxis{at + 1 if at else ''}"] = {**axis, **place, **own}
    return made


def axis_of(at: int) -> str:
    """What a trace calls the axis of a panel."""
    return f"y{at + 1}" if at else "y"


def scale(found: Sequence[Curve], key: str) -> Scale:
    """The axis for one of the numbers, over all curves."""
    return scale_of([getattr(p, key) for curve in found for p in curve.points], key == "std")


def powers(found: Sequence[Curve], key: str, texts: Texts) -> dict[str, Any]:
    """A logarithmic axis over whole decades, and a little beyond for the markers."""
    axis = scale(found, key)
    ticks, room = axis.ticks(6), 0.05 * (axis.high - axis.low)
    return {
        "type": "log",
        "range": [axis.low - room, axis.high + room],
        "tickvals": [value for value, _ in ticks],
        "ticktext": [word for _, word in ticks],
        "title": {"text": texts[f"depth.{key}"]},
    }


def shares(found: Sequence[Curve], texts: Texts) -> dict[str, Any]:
    """An axis from nothing to all."""
    lost = (point.why for curve in found for point in curve.points if point.lost)
    kinds = dict.fromkeys(texts[f"depth.{why}"] for why in lost)
    return {
        "range": [0, 1],
        "tickvals": [0, 0.5, 1],
        "ticktext": ["0 %", "50 %", "100 %"],
        "title": {"text": f"{texts['depth.or'].rstrip()}<br>".join(kinds)},
    }


def depth_svg(
    signals: Signals | Mapping[str, Signals],
    *,
    gradients: bool = False,
    width: int = 360,
    title: str = "",
    language: str | None = None,
) -> str:
    """Draw the same as a small SVG that needs no script, for static views and beside other things.

    Its background is transparent; its texts take ``--bb-page-soft`` where a page has it. Of the
    names on the axis there are the first and the last; the words for those who do not see it say
    where it begins and ends. ``language`` is as in `depth_figure`.
    """
    found = curves(signals)
    keys = [key for key in PANELS if key == "std" or (key == "lost" or gradients)]
    keys = [key for key in keys if key == "std" or any(curve.has(key) for curve in found)]
    return picture(found, keys, width, title, Texts(language))
