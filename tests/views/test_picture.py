"""Still pictures of histograms: what they draw, what they escape, and that they are valid XML."""

import base64
import xml.etree.ElementTree as ET

import pytest
import torch
from torch import nn

from brickbook import compare, initialize, snapshot
from brickbook.views.picture import comparison_picture

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
    ET.fromstring(comparison_picture(comparison).svg)


def test_an_unknown_name():
    comparison, _ = compared()
    with pytest.raises(ValueError) as caught:
        comparison_picture(comparison, names=["1.wieght"])
    assert str(caught.value) == "names: there is no tensor '1.wieght'. Did you mean '1.weight'?"
