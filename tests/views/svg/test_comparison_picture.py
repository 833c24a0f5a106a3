"""Still pictures of histograms: what they draw, what they escape, and that they are valid XML."""

import base64
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
import torch
from torch import nn

from brickbook import compare, initialize, snapshot
from brickbook.init.laws import Constant, Normal
from brickbook.init.planning import PlanRow
from brickbook.views.svg.histograms import comparison_picture

SVG = "{http://www.w3.org/2000/svg}"


def compared(cfg=None):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 32), nn.Linear(32, 4))
    before = snapshot(model)
    cfg = cfg or dict(type="Kaiming", layer="Linear", override=dict(name="0"))
    return compare(before, (report := initialize(model, cfg), snapshot(model))[1]), report.plan


def test_every_parameter_is_a_cell_with_its_numbers():
    comparison, plan = compared()
    picture = comparison_picture(comparison, plan)
    root = ET.fromstring(picture.svg)
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert {"0.weight", "0.bias", "1.weight", "1.bias"} <= set(words)
    assert f"32 × 64  {plan['0.weight'].law}" in words
    assert any(word.startswith("std 0.2") and "expected 0.25" in word for word in words)
    assert repr(picture) == "Picture(4 histograms, before and after)"


def test_the_html_is_an_image_that_survives_an_untrusted_notebook():
    comparison, plan = compared()
    picture = comparison_picture(comparison, plan, names=["1.weight"], columns=3)
    html = picture._repr_html_()
    assert html.startswith(
        '<img alt="1 histogram, before and after" src="data:image/svg+xml;base64,'
    )
    data = html.split("base64,")[1].split('"')[0]
    assert base64.b64decode(data).decode() == picture.svg
    assert len(html) < 10_000


def test_the_fill_is_as_high_as_its_counts():
    comparison, plan = compared()
    pair = comparison["1.weight"]
    svg = comparison_picture(comparison, plan, names=["1.weight"]).svg
    fill = next(p for p in ET.fromstring(svg).iter(f"{SVG}path") if p.get("fill") == "#D55E00")
    heights = [136 - float(part.split("H")[0]) for part in fill.get("d").split("V")[1:-1]]
    total = sum(pair.counts_after)
    assert [round(h / sum(heights) * total) for h in heights] == list(pair.counts_after)


def one(before, after, law=None, language="en"):
    """The words of one tensor's picture, and its paths by their attributes."""
    comparison = compare(snapshot({"w": before}), snapshot({"w": after}))
    plan = {"w": PlanRow("w", "parameter", "Linear", (), "float32", law=law, rule="r", source="s")}
    svg = comparison_picture(comparison, plan if law else None, language=language).svg  # pyright: ignore
    root = ET.fromstring(svg)
    return [text.text for text in root.iter(f"{SVG}text")], list(root.iter(f"{SVG}path"))


ONES, SPREAD = torch.ones(9), torch.linspace(-1, 1, 9)


@pytest.mark.parametrize(
    ("before", "after", "law", "messages"),
    [
        (ONES, ONES, None, "std 0, untouched"),
        (ONES, ONES, Constant(1.0), "mean 1, expected 1"),
        (SPREAD, ONES, Constant(1.0), "mean 1, expected 1"),
        (SPREAD, SPREAD * 3, None, "std 1.94, was 0.645"),
        (SPREAD, SPREAD, Normal(0.0, 2.0), "std 0.645, expected 2"),
        (torch.zeros(0), torch.zeros(0), Constant(1.0), "no values, expected 1"),
    ],
)
def test_the_numbers_that_the_grid_says_too(before, after, law, messages):
    assert messages in one(before, after, law)[0]


@pytest.mark.parametrize(("language", "messages"), [("en", "all 1"), ("zh", "全部为 1")])
@pytest.mark.parametrize("law", [None, Constant(1.0)])
def test_a_constant_is_a_narrow_bar_in_the_middle(law, language, messages):
    words, paths = one(ONES, ONES, law, language)
    assert messages in words and words[-1] == messages
    [fill] = [path.get("d") for path in paths if path.get("fill") == "#808080"]
    xs = [float(x) for x in re.findall(r"H([\d.]+)", fill)]
    assert fill.startswith("M8 136V136H") and xs[-1] == 272.0
    bar = [(left, right) for left, right in pairwise(xs) if f"V40H{right:.1f}" in fill]
    assert bar == [(125.3, 154.7)]  # a ninth of the axis
    pins = [path.get("d") for path in paths if path.get("stroke-dasharray")][1:]
    assert pins == (["M140 40v96"] if law else [])


def test_a_constant_beside_a_law_that_is_none_has_room_for_the_law():
    words, paths = one(ONES, ONES, Normal(0.0, 1.0))
    assert not any(word.startswith("all") for word in words) and "std 0, expected 1" in words
    curve = [path.get("d") for path in paths if path.get("stroke-dasharray")][1]
    xs = [float(x) for x in re.findall(r"[ML]([\d.]+)", curve)]
    assert max(xs) - min(xs) > 200


@pytest.mark.parametrize(
    ("after", "fill", "legend"), [(SPREAD, "#808080", True), (SPREAD + 1, "#D55E00", False)]
)
def test_what_is_untouched_is_grey_and_in_the_legend(after, fill, legend):
    words, paths = one(SPREAD, after)
    assert [path.get("fill") for path in paths if path.get("fill-opacity")] == [fill]
    assert ("untouched" in words) is legend


def test_names_are_escaped():
    values = {"<img src=x onerror=alert(1)>": torch.ones(3)}
    comparison = compare(snapshot(values), snapshot(values))
    svg = comparison_picture(comparison).svg
    assert "<img" not in svg and "&lt;img" in svg
    ET.fromstring(svg)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(0),
        torch.full((4,), 7.0),
        torch.tensor([float("nan")]),
        torch.empty(3, device="meta"),
    ],
)
def test_tensors_without_a_spread(tensor):
    comparison = compare(snapshot({"x": tensor}), snapshot({"x": tensor}))
    assert ET.fromstring(comparison_picture(comparison).svg).tag.endswith("svg")


def test_an_unknown_name():
    comparison, _ = compared()
    with pytest.raises(ValueError) as caught:
        comparison_picture(comparison, names=["1.wieght"])
    assert str(caught.value) == "names: there is no tensor '1.wieght'. Did you mean '1.weight'?"
