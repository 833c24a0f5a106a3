"""A race as a figure: the loss and each metric of every variant over the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brickbook.html import escape
from brickbook.i18n import Texts
from brickbook.measure.race import Curve, Race
from brickbook.views.data.depth_curves import COLOURS
from brickbook.views.data.race_curves import LogarithmicAxis, RacePanel, race_panels, tails
from brickbook.views.plotly.depth import DASHES
from brickbook.views.plotly.panels import AXIS, GREY, TRANSPARENT, axis_name, panel_domains

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["race_figure"]

HEIGHTS = {"loss": 2.0}  # of a panel beside that of a metric


def race_figure(race: Race, *, title: str | None = None, language: str | None = None) -> go.Figure:
    """Draw what `brickbook.views.svg.race.race_svg` draws, with zoom and the numbers of each step.

    A line is the mean over the seeds, its band from the least to the largest; where a seed has
    stopped the mean ends, and those that go on are faint lines. The loss of a model that knows
    nothing, ln(classes), is a dotted line. The background is transparent.

    Args:
        race: What `brickbook.race` found.
        title: What stands above the figure.
        language: "en" or "zh", None for the reader's.
    """
    import plotly.graph_objects as go  # an optional package: only this function needs it

    texts, panels = Texts(language), race_panels(race)
    domains = panel_domains([HEIGHTS.get(panel.metric, 1.0) for panel in panels])
    traces: list[Any] = []
    layout: dict[str, Any] = {
        **TRANSPARENT,
        "title": {"text": escape(title), "x": 0, "xref": "paper"} if title else None,
        "margin": {"l": 72, "r": 16, "t": 72 if title else 40, "b": 48},
        "height": 240 + 120 * len(panels),
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        "xaxis": {
            **AXIS,
            "anchor": axis_name(len(panels) - 1),
            "title": {"text": texts["race.step"]},
        },
    }
    for at, panel in enumerate(panels):
        axis = axis_name(at)
        for number, curve in enumerate(panel.curves):
            traces += curve_traces(race, panel, curve, number, axis)
        if panel.expected is not None:
            traces.append(chance_line(panel.expected, race.steps, axis, texts))
        log = isinstance(panel.axis, LogarithmicAxis)
        name = texts["race.loss"] if panel.metric == "loss" else panel.metric
        layout[f"yaxis{axis[1:]}"] = {
            **AXIS,
            "domain": domains[at],
            "anchor": "x",
            "automargin": True,
            "type": "log" if log else "linear",
            "title": {"text": escape(name), "standoff": 8},
        }
    return go.Figure(data=traces, layout=layout)


def curve_traces(
    race: Race, panel: RacePanel, curve: Curve, at: int, axis: str
) -> list[dict[str, Any]]:
    """Return the band, the mean, and the seeds that go on where the mean has ended."""
    colour, steps = COLOURS[at % len(COLOURS)], list(range(len(curve.mean)))
    shared = {
        "type": "scatter", "mode": "lines", "yaxis": axis, "legendgroup": str(at),
        "showlegend": False,
    }  # fmt: skip
    found: list[dict[str, Any]] = []
    if curve.low != curve.high:
        edge = {**shared, "x": steps, "hoverinfo": "skip", "line": {"width": 0}}
        found += [
            {**edge, "y": list(curve.low)},
            {**edge, "y": list(curve.high), "fill": "tonexty", "fillcolor": faint(colour)},
        ]
    name = escape(curve.name)
    found.append({
        **shared,
        "name": name,
        "showlegend": panel.metric == "loss",
        "x": steps,
        "y": list(curve.mean),
        "hovertemplate": f"%{{x}}: %{{y:.4g}}<extra>{name}</extra>",
        "line": {"color": colour, "dash": DASHES[at // len(COLOURS) % len(DASHES)], "width": 2},
    })  # fmt: skip
    if panel.metric == "loss":
        for run, begin in tails(race, curve):
            label = escape(run.label)
            found.append({
                **shared,
                "x": list(range(begin, len(run.losses))),
                "y": list(run.losses[begin:]),
                "opacity": 0.45,
                "hovertemplate": f"%{{x}}: %{{y:.4g}}<extra>{label}</extra>",
                "line": {"color": colour, "width": 1},
            })  # fmt: skip
    return found


def faint(colour: str) -> str:
    """Return a colour that lets what is behind it through.

    >>> faint("#0072B2")
    'rgba(0,114,178,0.18)'
    """
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return f"rgba({red},{green},{blue},0.18)"


def chance_line(expected: float, steps: int, axis: str, texts: Texts) -> dict[str, Any]:
    """Return the line at the loss of a model that knows nothing."""
    return {
        "type": "scatter",
        "name": texts["race.chance"],
        "mode": "lines",
        "yaxis": axis,
        "x": [0, max(1, steps - 1)],
        "y": [expected, expected],
        "hovertemplate": f"{texts['race.chance']}: %{{y:.3f}}<extra></extra>",
        "line": {"color": GREY, "dash": "dot", "width": 1},
    }
