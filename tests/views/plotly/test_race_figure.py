"""The figure of a race: means, bands, what goes on alone, and chance."""

from __future__ import annotations

import math

import pytest

from brickbook.measure.race import Race, Run
from brickbook.views.plotly.race import race_figure

pytest.importorskip("plotly")

EVIL = "<img src=x onerror=alert(1)>"
RACE = Race(
    (
        Run(EVIL, 0, losses=(2.0, 1.0, 0.5), metrics={"acc": (0.1, 0.4, 0.8)},
            expected_loss=math.log(10)),
        Run(EVIL, 1, losses=(2.4, 1.4, 0.7), metrics={"acc": (0.1, 0.2, 0.6)},
            expected_loss=math.log(10)),
        Run("b", 0, "diverged", losses=(2.0, math.nan), metrics={"acc": (0.1, 0.1)},
            expected_loss=math.log(10)),
        Run("b", 1, losses=(3.0, 2.0, 1.0), metrics={"acc": (0.1, 0.2, 0.3)},
            expected_loss=math.log(10)),
    ),
    3,
)  # fmt: skip


def test_a_line_is_the_mean_and_the_band_reaches_from_the_least_to_the_largest():
    figure = race_figure(RACE, title="<b>")
    low, high, mean = figure.data[:3]
    assert list(mean.y) == pytest.approx([2.2, 1.2, 0.6])
    assert (list(low.y), list(high.y)) == ([2.0, 1.0, 0.5], [2.4, 1.4, 0.7])
    assert high.fill == "tonexty" and high.fillcolor == "rgba(43,138,198,0.18)"
    assert EVIL not in figure.to_json() and figure.layout.title.text == "&lt;b&gt;"
    assert [trace.name for trace in figure.data if trace.showlegend] == [
        "&lt;img src=x onerror=alert(1)&gt;", "b",
    ]  # fmt: skip


def test_a_seed_that_goes_on_alone_and_chance_are_lines_of_their_own():
    figure = race_figure(RACE)
    alone = [trace for trace in figure.data if trace.opacity == 0.45]
    assert [(list(trace.x), list(trace.y)) for trace in alone] == [([0, 1, 2], [3.0, 2.0, 1.0])]
    chance = [trace for trace in figure.data if trace.name == "chance"]
    assert [list(trace.y) for trace in chance] == [[math.log(10)] * 2]


def test_each_metric_has_a_panel():
    figure = race_figure(RACE, language="zh")
    assert {trace.yaxis for trace in figure.data} == {"y", "y2"}
    assert figure.layout.yaxis2.title.text == "acc"
