"""The pictures in Chinese: their axes, their legends, and their words for those who do not look."""
# ruff: noqa: RUF001 - the commas, colons and brackets of Chinese are wide ones.

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from brickbook.measure.probe import probe
from brickbook.measure.snapshot import compare, snapshot
from brickbook.views.plotly.depth import depth_figure
from brickbook.views.plotly.histogram import histogram
from brickbook.views.svg.depth import depth_svg
from brickbook.views.svg.histograms import comparison_picture


@pytest.fixture(scope="module")
def signals():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))
    nn.init.constant_(model[0].bias, -100.0)  # no unit lives
    return probe(model, input_shape=(32, 4))


def test_signals_through_depth(signals):
    figure = depth_figure({"A": signals, "B": signals}, language="zh").to_plotly_json()
    titles = [figure["layout"][axis]["title"]["text"] for axis in ("yaxis", "yaxis2", "yaxis3")]
    assert titles == ["输出的标准差", "梯度的标准差", "死亡"]
    hovers = {trace["hovertemplate"] for trace in figure["data"] if "hovertemplate" in trace}
    assert "%{customdata[0]} 之后：%{y:.0%} %{customdata[1]}<extra>A</extra>" in hovers
    drawn = depth_svg(signals, language="zh")
    [messages] = set(re.findall(r'aria-label="([^"]*)"', drawn))
    assert messages.startswith("各层的信号：Linear 0 处标准差为 ") and "（2 层）" in messages
    assert messages.endswith("Linear 0 之后最多有 100 % 死亡")


def test_one_tensor():
    model = nn.Linear(3, 3)
    before = snapshot(model)
    nn.init.zeros_(model.weight)
    after = snapshot(model)
    figure = histogram(before["weight"], after["weight"], language="zh").to_plotly_json()
    assert [trace["name"] for trace in figure["data"]] == ["之后", "之前", "分布"]
    axes = (figure["layout"][axis]["title"]["text"] for axis in ("xaxis", "yaxis"))
    assert list(axes) == ["值", "每个区间的元素数"]
    picture = comparison_picture(compare(before, after), language="zh")
    assert repr(picture) == "Picture(2 个直方图，之前与之后)"
    assert re.findall(r"[A-Za-z]+", re.sub(r"<[^>]*>", " ", picture.svg)) == ["weight", "bias"]
