"""Weights, activations and gradients layer by layer, as plain numbers to draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from brickbook.errors import BadValueError
from brickbook.html import format_2g, format_percent
from brickbook.i18n import Texts
from brickbook.measure.triple import Distribution, Triple, TripleRow

__all__ = [
    "GradientsOf",
    "HistogramPanel",
    "TriplePanels",
    "choose_layers",
    "describe_triple",
    "triple_panels",
    "update_place",
]

GradientsOf = Literal["weights", "outputs"]
SINGLE_VALUE_SHARE = 1 / 9  # of a panel, where all numbers are one
UPDATE_DECADES = (-6, 0)  # the axis of ‖update‖ / ‖weight‖


@dataclass(frozen=True)
class HistogramPanel:
    """One histogram: the ends of its axis, and its bars.

    ``bars`` are their left and right ends, from 0 to 1 along the axis, and their heights beside the
    highest; none without numbers. ``std`` and the numbers that are not finite are those of
    ``values``, None where there are none.
    """

    values: Distribution | None
    low: float
    high: float
    bars: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class TriplePanels:
    """One row of the picture: a layer's weights, activations and gradients."""

    row: TripleRow
    panels: tuple[HistogramPanel, ...]


def choose_layers(found: Triple, limit: int) -> tuple[str, ...]:
    """Return the labels of at most ``limit`` layers, evenly apart, the first and the last too."""
    names, count = found.layers, len(found.layers)
    if count <= limit:
        return names
    return tuple(names[round(at * (count - 1) / max(1, limit - 1))] for at in range(limit))


def triple_panels(
    found: Triple,
    *,
    layers: Sequence[str] | None = None,
    gradients: GradientsOf = "weights",
    common_x: bool = False,
) -> tuple[TriplePanels, ...]:
    """Return the rows of a picture.

    Args:
        found: What `brickbook.triple` found.
        layers: Which are shown; None for all.
        gradients: Those by the "weights" or by the "outputs".
        common_x: Whether all rows of a column have the same axis.

    Raises:
        BadValueError: ``gradients`` is neither.
        UnknownNameError: A layer has not run.
    """
    if gradients not in ("weights", "outputs"):
        raise BadValueError("gradients", f"expected 'weights' or 'outputs', got {gradients!r}.")
    rows = list(found.rows) if layers is None else [found[name] for name in layers]
    columns: list[list[Distribution | None]] = [
        [row.weight for row in rows],
        [row.output for row in rows],
        [row.gradient if gradients == "weights" else row.output_gradient for row in rows],
    ]
    drawn = []
    for column in columns:
        spans = [value_span(values) for values in column]
        shared = common_span(column)
        drawn.append(
            [
                histogram_panel(values, shared if common_x else span)
                for values, span in zip(column, spans, strict=True)
            ]
        )
    triples = zip(*drawn, strict=True)
    return tuple(TriplePanels(row, panels) for row, panels in zip(rows, triples, strict=True))


def value_span(values: Distribution | None) -> tuple[float, float] | None:
    """Return where a histogram lies, with room beside a single value; None without numbers."""
    lies = values.histogram if values is not None else None
    if values is None or lies is None or not lies.counts:
        return None
    low, high = lies.edges[0], lies.edges[-1]
    if len(lies.counts) > 1:
        return low, high
    middle = values.mean if values.mean is not None else low
    room = abs(middle) or 1.0
    return middle - room, middle + room


def common_span(column: Sequence[Distribution | None]) -> tuple[float, float] | None:
    """Return where all histograms of a column lie; single values need no room beside others."""
    known = [
        (values, span) for values in column if values is not None and (span := value_span(values))
    ]
    wide = [span for values, span in known if values.histogram and len(values.histogram.counts) > 1]
    if not wide:
        wide = [span for _, span in known]
    points = [values.mean for values, _ in known if values.mean is not None]
    if not wide:
        return None
    return min(points + [low for low, _ in wide]), max(points + [high for _, high in wide])


def histogram_panel(
    values: Distribution | None, span: tuple[float, float] | None
) -> HistogramPanel:
    """Return the panel of some numbers over an axis."""
    lies = values.histogram if values is not None else None
    if values is None or lies is None or span is None or not lies.counts:
        return HistogramPanel(values, *(span or (0.0, 0.0)), ())
    low, high = span
    tallest = max(lies.counts)
    if len(lies.counts) == 1:
        middle = values.mean if values.mean is not None else lies.low
        place = (middle - low) / (high - low)
        half = SINGLE_VALUE_SHARE / 2
        return HistogramPanel(values, low, high, ((place - half, place + half, 1.0),))
    bars = tuple(
        ((left - low) / (high - low), (right - low) / (high - low), count / tallest)
        for (left, right), count in zip(pairwise(lies.edges), lies.counts, strict=True)
        if count
    )
    return HistogramPanel(values, low, high, bars)


def update_place(ratio: float) -> float:
    """Return where ‖update‖ / ‖weight‖ stands on its logarithmic axis, from 0 to 1.

    >>> update_place(1e-3), update_place(1e-9), update_place(10.0)
    (0.5, 0.0, 1.0)
    """
    low, high = UPDATE_DECADES
    power = math.log10(ratio) if ratio > 0 else low
    return min(1.0, max(0.0, (power - low) / (high - low)))


def describe_triple(found: Triple, texts: Texts) -> str:
    """Say what a picture shows to those who do not see it."""
    said: list[str] = []
    for row in found.rows:
        sides = (row.weight, row.output, row.gradient)
        stds = [side.std if side is not None else None for side in sides]
        weight, output, gradient = (format_2g(std) if std is not None else "–" for std in stds)
        words = texts("triple.stds", weight=weight, output=output, gradient=gradient)
        if row.inactive:
            share, reason = format_percent(row.inactive), texts[f"depth.{row.inactive_reason}"]
            words = texts("triple.inactive", text=words, share=share, reason=reason)
        said.append(texts("init.line", place=row.label, text=words))
    return texts("triple.summary", layers=texts["depth.semicolon"].join(said))
