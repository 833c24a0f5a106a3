"""What the modules of a model cost, as bars: multiply-adds, parameters, activation memory."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from brickbook.markup import bytes_text, count_text
from brickbook.measure.costs import Complexity, Cost
from brickbook.measure.findings import called
from brickbook.texts import Texts
from brickbook.views.depth import COLOURS
from brickbook.views.depth_axes import NAMED, clipped, domains

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["complexity_figure"]

GREY, GRID = "#7a7a7a", "rgba(122,122,122,0.3)"
PANELS = ("macs", "params", "activations")
LONGEST = 18  # letters of a name on the axis


def complexity_figure(
    found: Complexity, *, title: str | None = None, language: str | None = None
) -> go.Figure:
    """Draw what each module costs itself: one bar a module, one panel a kind of cost.

    Modules that cost nothing themselves, such as containers, are left out. The background is
    transparent, the grey reads on a light and on a dark page. ``language`` is "en" or "zh", None
    for the reader's.
    """
    import plotly.graph_objects as go  # an optional package: only this function wants it

    texts = Texts(language)
    traces = [bars(found.working, at, key, texts) for at, key in enumerate(PANELS)]
    return go.Figure(data=traces, layout=layout(found.working, title, texts))


def bars(rows: Sequence[Cost], at: int, key: str, texts: Texts) -> dict[str, Any]:
    """One kind of cost, module by module; plotly takes texts for markup."""
    values = [getattr(row, f"own_{key}") for row in rows]
    whole, spelled = sum(values), bytes_text if key == "activations" else count_text
    told = [
        texts(
            "cost.told",
            name=called(row.name, row.kind),
            kind=row.kind,
            count=spelled(value),
            share=f"{value / whole:.1%}" if whole else "–",
        )
        for row, value in zip(rows, values, strict=True)
    ]
    return {
        "type": "bar",
        "name": texts[f"cost.{key}"],
        "yaxis": f"y{at + 1}" if at else "y",
        "x": list(range(1, len(rows) + 1)),
        "y": values,
        "customdata": [escape(line) for line in told],
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {"color": COLOURS[at], "line": {"width": 0}},
    }


def layout(rows: Sequence[Cost], title: str | None, texts: Texts) -> dict[str, Any]:
    """Transparent and grey, one panel below the other over the same modules."""
    axis = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": GREY, "tickcolor": GREY}
    ticks = names(rows, texts)
    made: dict[str, Any] = {
        "template": "none",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": GREY},
        "title": {"text": escape(title), "x": 0, "xref": "paper"} if title else None,
        "height": 480,
        "margin": {
            "l": 72,
            "r": 16,
            "t": 72 if title else 24,
            "b": 96 if "ticktext" in ticks else 48,
        },
        "showlegend": False,
        "bargap": 0.25,
        "xaxis": {
            **axis,
            "anchor": f"y{len(PANELS)}",
            "range": [0.5, max(1, len(rows)) + 0.5],
            "showgrid": False,
            **ticks,
        },
    }
    for at, (key, domain) in enumerate(zip(PANELS, domains([1.0] * len(PANELS)), strict=True)):
        made[f"yaxis{at + 1 if at else ''}"] = {
            **axis,
            "domain": domain,
            "anchor": "x",
            "automargin": True,
            "rangemode": "tozero",
            "nticks": 5,
            "tickformat": "~s",
            "title": {"text": texts[f"cost.{key}"], "standoff": 8},
        }
    return made


def names(rows: Sequence[Cost], texts: Texts) -> dict[str, Any]:
    """Return the ticks of the axis of modules: names if they are few, else numbers."""
    if not rows or len(rows) > NAMED:
        return {"title": {"text": texts["cost.order"]}}
    labels = [called(row.name, row.kind) for row in rows]
    return {
        "tickvals": list(range(1, len(rows) + 1)),
        "ticktext": [escape(clipped(label, LONGEST)) for label in labels],
        "tickangle": -35 if any(len(label) > 4 for label in labels) else 0,
    }
