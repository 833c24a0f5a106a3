"""The histogram of one tensor as a figure: before, after and the law it follows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from brickbook.html import escape
from brickbook.i18n import Texts
from brickbook.measure.snapshot import TensorChange, TensorStats, compare_stats
from brickbook.views.data.law_curves import density_curve, is_constant, mass_interval
from brickbook.views.plotly.panels import AXIS, GREY, TRANSPARENT

if TYPE_CHECKING:
    from brickbook.init.laws import Law

__all__ = ["histogram"]

# The grid's colours: Okabe and Ito's vermillion, a blue between the two of theirs, grey for the
# law. A figure does not know the page's theme: each has contrast 3 on white and on near black.
BEFORE, AFTER, LAW = "#2B8AC6", "#D55E00", GREY
LOG_FLOOR = 0.5  # where a logarithmic axis starts: half an element


def histogram(
    before: TensorStats | None,
    after: TensorStats | None,
    law: Law | None = None,
    *,
    log: bool = False,
    title: str | None = None,
    language: str | None = None,
) -> go.Figure:
    """Draw a tensor before (outline) and after (fill) over the same bins, and the law it follows.

    The heights of either side sum to the elements counted. The law is its density scaled to
    elements per bin, over four standard deviations, or the density alone where nothing has been
    counted; point masses are vertical lines. There are always the three traces after, before,
    law, in this order and possibly empty, so that one figure can be updated to another.

    Args:
        before: The numbers before; None for none.
        after: The numbers after; None for none.
        law: The law that the tensor follows.
        log: Whether the y axis is logarithmic.
        title: What stands above the figure.
        language: "en" or "zh", None for the reader's.
    """
    texts = Texts(language)
    bins = max([64, *(len(stats.counts) for stats in (before, after) if stats)])
    item = compare_stats(
        before, after, bins, include=mass_interval(law, 3.0) if law is not None else None
    )
    sides = (item.counts_before if before else (), item.counts_after if after else ())
    most = max(map(max, filter(None, sides)), default=1)
    line = law_line(item, law, most, log, texts)
    traces = (after_bars(item, after, texts), before_outline(item, before, log, texts), line)
    highest = max((most, *(value or 0 for value in line.y or ())))
    return go.Figure(data=traces, layout=layout(item, log, highest, title, texts))


def after_bars(item: TensorChange, after: TensorStats | None, texts: Texts) -> go.Bar:
    counts = list(item.counts_after) if after else []
    ends = list(zip(item.edges, item.edges[1:], strict=False))
    name = texts["grid.after"]
    return go.Bar(
        name=name,
        x=[low + item.width / 2 for low, _ in ends] if counts else [],
        y=counts,
        width=item.width,
        customdata=ends if counts else [],
        hovertemplate="[%{customdata[0]:.4g}, %{customdata[1]:.4g}): %{y:,}"
        f"<extra>{name}</extra>",
        marker={"color": AFTER, "opacity": 0.6, "line": {"width": 0}},
        visible=bool(counts),
    )


def before_outline(
    item: TensorChange, before: TensorStats | None, log: bool, texts: Texts
) -> go.Scatter:
    """Steps that start and end on the base line."""
    name = texts["grid.before"]
    label = texts("figure.from", low="%{x:.4g}", count="%{customdata:,}")
    counts = [0, *item.counts_before, 0] if before and item.counts_before else []
    return go.Scatter(
        name=name,
        x=[item.edges[0], *item.edges] if counts else [],
        y=[max(count, LOG_FLOOR) for count in counts] if log else counts,
        mode="lines",
        line={"shape": "hv", "color": BEFORE, "width": 2},
        customdata=counts,
        hovertemplate=f"{label}<extra>{name}</extra>",
        visible=bool(counts),
    )


def law_line(
    item: TensorChange, law: Law | None, highest: int, log: bool, texts: Texts
) -> go.Scatter:
    """The density as elements per bin, and a vertical line at every atom.

    An atom is as high as its elements, at most as the highest bin; a constant always that high.
    """
    x: list[float | None] = []
    y: list[float | None] = []
    if law is not None:
        total = sum(item.counts_after) or sum(item.counts_before)
        xs, ys = density_curve(law, item.width * total if total else 1.0)
        top = float(highest) if total else max(ys, default=1.0)
        x, y = [*xs], [max(value, LOG_FLOOR) for value in ys] if log and item.edges else [*ys]
        for value, share in law.atoms:
            high = top if is_constant(law) else min(top, share * (total or top))
            gap = [None] if x else []
            x, y = [*x, *gap, value, value], [*y, *gap, LOG_FLOOR if log else 0.0, high]
    return go.Scatter(
        name=escape(str(law)) if law is not None else texts["grid.law"],
        x=x,
        y=y,
        mode="lines",
        line={"color": LAW, "width": 2},
        hoverinfo="skip",
        visible=bool(x),
    )


def layout(
    item: TensorChange, log: bool, highest: float, title: str | None, texts: Texts
) -> dict[str, Any]:
    """Transparent and grey, for a light and a dark page."""
    axis = {**AXIS, "zerolinecolor": GREY}
    # A constant has one bin: leave room beside it.
    room = 8 * item.width if len(item.edges) == 2 else item.width
    span = [item.edges[0] - room, item.edges[-1] + room] if item.edges else None
    what = texts["figure.elements" if item.edges else "figure.density"]
    counts = {"title": {"text": what}, "rangemode": "tozero", "separatethousands": True}
    counts["exponentformat"] = "none"
    if log and item.edges:
        ends = [math.log10(LOG_FLOOR), math.log10(2 * highest)]
        counts = {**counts, "type": "log", "dtick": 1, "range": ends}
    return {
        **TRANSPARENT,
        "title": {"text": escape(title)} if title else None,
        "bargap": 0,
        "showlegend": True,
        "height": 320,
        "margin": {"l": 64, "r": 16, "t": 64 if title else 32, "b": 48},
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        "xaxis": {**axis, "title": {"text": texts["figure.value"]}, "range": span},
        "yaxis": {**axis, **counts},
    }
