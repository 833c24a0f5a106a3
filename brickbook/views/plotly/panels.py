"""What figures share: grey on a transparent ground, and panels below each other.

Colours are plain: a figure does not know the page's theme, and grey reads on a light and on a dark
one. Plotly takes texts for markup, so names are escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brickbook.html import escape, shorten

__all__ = ["AXIS", "GREY", "GRID_COLOUR", "TRANSPARENT", "axis_name", "stacked_layout"]

GREY, GRID_COLOUR = "#7a7a7a", "rgba(122,122,122,0.3)"
AXIS = {
    "gridcolor": GRID_COLOUR,
    "zerolinecolor": GRID_COLOUR,
    "linecolor": GREY,
    "tickcolor": GREY,
}
TRANSPARENT = {
    "template": "none",
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"color": GREY},
}
MAX_NAMED = 16  # layers or modules whose names an axis has; more are numbered
MAX_LABEL = 18  # letters of a name there
PANEL_GAP = 0.06  # of the height


def axis_name(at: int) -> str:
    """Return what a trace calls the y axis of a panel."""
    return f"y{at + 1}" if at else "y"


def stacked_layout(
    labels: Sequence[str],
    panels: Sequence[tuple[float, Mapping[str, Any]]],
    *,
    order: str,
    title: str | None,
    top: int,
) -> dict[str, Any]:
    """Return the layout of panels over one axis of names.

    Args:
        labels: What stands at 1, 2, … of the axis.
        panels: From the top: how high each is beside the others, and its y axis.
        order: The title of the axis where there are too many names.
        title: The title of the figure.
        top: Pixels above the panels where there is no title.
    """
    ticks = name_ticks(labels, order)
    made: dict[str, Any] = {
        **TRANSPARENT,
        "title": {"text": escape(title), "x": 0, "xref": "paper"} if title else None,
        "margin": {
            "l": 72,
            "r": 16,
            "t": 72 if title else top,
            "b": 96 if "ticktext" in ticks else 48,
        },
        "xaxis": {
            **AXIS,
            "anchor": axis_name(len(panels) - 1),
            "range": [0.5, max(1, len(labels)) + 0.5],
            "showgrid": False,
            **ticks,
        },
    }
    domains = panel_domains([height for height, _ in panels])
    for at, ((_, axis), domain) in enumerate(zip(panels, domains, strict=True)):
        place = {"domain": domain, "anchor": "x", "automargin": True}
        made[f"yaxis{axis_name(at)[1:]}"] = {
            **AXIS,
            **place,
            **axis,
            "title": {"text": axis["title"], "standoff": 8},
        }
    return made


def name_ticks(labels: Sequence[str], order: str) -> dict[str, Any]:
    """Return the ticks of an axis of names: the names if they are few, else numbers."""
    if not labels or len(labels) > MAX_NAMED:
        return {"title": {"text": order}}
    return {
        "tickvals": list(range(1, len(labels) + 1)),
        "ticktext": [escape(shorten(label, MAX_LABEL)) for label in labels],
        "tickangle": -35 if any(len(label) > 4 for label in labels) else 0,
    }


def panel_domains(heights: Sequence[float]) -> list[tuple[float, float]]:
    """Return where panels lie, from the first at the top, by their heights.

    >>> panel_domains([1.0]), panel_domains([3.0, 1.0])
    ([(0.0, 1.0)], [(0.295, 1.0), (0.0, 0.235)])
    """
    room = 1 - PANEL_GAP * (len(heights) - 1)
    found: list[tuple[float, float]] = []
    top = 1.0
    for height in heights:
        low = max(0.0, top - room * height / sum(heights))
        found.append((round(low, 6), round(top, 6)))
        top = low - PANEL_GAP
    return found
