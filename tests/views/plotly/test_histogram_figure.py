from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
import torch

from brickbook.init.laws import Constant, Normal, Uniform
from brickbook.measure.snapshot import TensorStats, snapshot
from brickbook.views.plotly.histogram import histogram

GOLDEN = Path(__file__).parents[1] / "golden"


def one(*values: float, bins: int = 8) -> TensorStats:
    return snapshot({"w": torch.tensor(values)}, bins)["w"]


CASES = {
    "both": (one(0.0, 0.1, 0.2), one(-0.5, 0.5, 0.6), Uniform(-1.0, 1.0), {}),
    "constant": (one(0.5, -0.5), one(0.0, 0.0), Constant(0.0), {"title": "a <b> & c"}),
    "log": (one(0.0, 0.0, 1.0), one(0.0, 1.0, 1.0), None, {"log": True}),
    "law_alone": (None, None, Normal(0.0, 2.0), {}),
}


def rounded(value: Any) -> Any:
    """The value with six digits: the last ones of a density are not promised."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list | tuple) else value


def stored(figure: go.Figure) -> Any:
    """What is compared: all but the template "none", which plotly spells out."""
    value = rounded(figure.to_plotly_json())
    value["layout"].pop("template")
    return value


@pytest.mark.parametrize("name", CASES)
def test_figures_are_the_stored_ones(name):
    before, after, law, options = CASES[name]
    figure = histogram(before, after, law, **options)
    assert stored(figure) == json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.mark.parametrize("bins", [8, 64, 200])
def test_heights_sum_to_the_counts(bins):
    before, after = (torch.randn(1000) * std for std in (1.0, 0.1))
    sides = [snapshot({"w": side}, bins)["w"] for side in (before, after)]
    bars, steps, _ = histogram(*sides, Normal(0.0, 0.1)).data
    assert sum(bars.y) == sum(steps.y) == 1000
    assert len(bars.y) <= max(bins, 64)


def test_the_curve_is_the_density_in_elements_per_bin():
    stats = snapshot({"w": torch.randn(10_000)})["w"]
    bars, _, law = histogram(None, stats, Normal(0.0, 1.0)).data
    assert max(law.y) == pytest.approx(10_000 * bars.width / math.sqrt(2 * math.pi), rel=1e-6)
    assert law.name == "Normal(0, 1)"
    assert max(abs(x) for x in law.x) == 4.0


def test_a_uniform_law_comes_down_to_zero_at_both_ends():
    law = histogram(one(0.0, 1.0), None, Uniform(-1.0, 3.0)).data[2]
    assert (law.x[0], law.y[0], law.x[-1], law.y[-1]) == (-1.0, 0.0, 3.0, 0.0)
    assert set(law.y) == {0.0, law.y[1]}


@pytest.mark.parametrize(
    ("before", "after", "law", "visible"),
    [
        (one(1.0), None, None, [False, True, False]),
        (None, one(1.0), None, [True, False, False]),
        (one(math.nan), one(1.0), Constant(1.0), [True, True, True]),
        (None, None, None, [False, False, False]),
        (None, one(math.nan), None, [False, False, False]),
    ],
)
def test_there_are_always_three_traces(before, after, law, visible):
    figure = histogram(before, after, law)
    assert [trace.type for trace in figure.data] == ["bar", "scatter", "scatter"]
    assert [trace.visible for trace in figure.data] == visible


def test_names_are_no_markup():
    figure = histogram(one(1.0), one(2.0), title="<a href='x'>w</a>")
    assert figure.layout.title.text == "&lt;a href=&#x27;x&#x27;&gt;w&lt;/a&gt;"


def test_a_figure_is_transparent_and_has_no_template():
    layout = histogram(one(1.0), one(2.0)).layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert not layout.template.layout.to_plotly_json()


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, as WCAG 2 has it."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
def test_every_line_can_be_seen_in_both_themes(page):
    after, before, law = histogram(one(1.0), one(2.0), Constant(1.0)).data
    for colour in (after.marker.color, before.line.color, law.line.color):
        low, high = sorted([luminance(page), luminance(colour)])
        assert (high + 0.05) / (low + 0.05) >= 3
    assert law.line.color == "#7a7a7a"  # neutral, as in the grid


def write_golden() -> None:
    """Write the stored figures anew, to be looked at before they are committed."""
    for name, (before, after, law, options) in CASES.items():
        figure = stored(histogram(before, after, law, **options))
        (GOLDEN / f"{name}.json").write_text(json.dumps(figure, indent=1) + "\n")


@pytest.mark.parametrize("log", [False, True])
def test_the_line_of_a_narrow_law_is_never_cut(log):
    wide = snapshot({"w": torch.linspace(-1, 1, 1000)})["w"]
    figure = histogram(wide, wide, Normal(0.0, 0.005), log=log)
    counts, line = figure.data[0].y, figure.data[2].y
    assert max(line) > 5 * max(counts)
    top = figure.layout.yaxis.range
    assert top is None if not log else 10 ** top[1] > max(line)
