"""Pictures of laws and of alternatives: what is drawn for which law."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
import torch
from torch import nn

from brickbook.init.planning import plan
from brickbook.measure.snapshot import alternatives
from brickbook.views.svg.histograms import alternatives_svg, plan_svg, size_of

LINE = 'fill="none" stroke="#0072B2"'


@pytest.mark.parametrize(
    ("cfg", "curves", "lines"),
    [
        (dict(type="Normal", std=0.1), 1, 0),
        (dict(type="Uniform", a=-1.0, b=1.0), 1, 0),
        (dict(type="Constant", val=3.0), 0, 1),
        (dict(type="Sparse", sparsity=0.5), 1, 1),
        (dict(type="Dirac"), 0, 2),
    ],
)
def test_a_law_is_a_curve_and_its_point_masses(cfg, curves, lines):
    layer = "Conv2d" if cfg["type"] == "Dirac" else "Linear"
    net = nn.Conv2d(4, 4, 3, bias=False) if layer == "Conv2d" else nn.Linear(8, 8, bias=False)
    svg = plan_svg(plan(net, cfg | {"layer": layer}))
    ET.fromstring(svg)
    drawn = re.findall(rf'<path d="([^"]*)" {LINE}', svg)
    assert (sum("L" in path for path in drawn), sum("v" in path for path in drawn)) == (
        curves,
        lines,
    )


def test_what_is_left_has_a_reason_and_no_curve():
    svg = plan_svg(plan(nn.Linear(8, 8), []))
    assert LINE not in svg and "left: no rule matches Linear" in svg


def test_configs_are_told_apart_by_dashes_too():
    cfgs = {f"c{at}": dict(type="Normal", std=0.1 + at, layer="Linear") for at in range(5)}
    svg = alternatives_svg(alternatives(nn.Linear(8, 8), cfgs), "many")
    ET.fromstring(svg)
    lines = set(
        re.findall(r'stroke="(#\w+)" stroke-width="1.5"(?: stroke-dasharray="([^"]*)")?', svg)
    )
    assert len({colour for colour, _ in lines}) == len({dash for _, dash in lines}) == 5


def test_a_constant_of_all_configs_is_a_line_at_its_value():
    cfgs = {name: dict(type="Constant", val=0.3, layer="Linear") for name in "ab"}
    svg = alternatives_svg(alternatives(nn.Linear(4, 4, bias=False), cfgs))
    assert ">4 × 4 · the same<" in svg
    assert ">all 0.3</text>" in svg and svg.count("v96") == 2


def test_a_model_without_values():
    with torch.device("meta"):
        net = nn.Linear(4, 4)
    svg = alternatives_svg(alternatives(net, {"a": dict(type="Ones", layer="Linear")}))
    assert ET.fromstring(svg).tag.endswith("svg")


@pytest.mark.parametrize("count", [1, 2, 7, 161])
def test_about_as_wide_as_high(count):
    net = nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(count)))
    svg = plan_svg(plan(net, dict(type="Ones", layer="Linear")), "title")
    width, height = size_of(svg)
    assert 0.4 < width / height < 3.5
    assert f'viewBox="0 0 {width} {height}"' in svg
