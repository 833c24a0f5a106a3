from __future__ import annotations

import base64
import json
import re

import torch
from torch import nn

from brickbook.init.execution import initialize
from brickbook.init.planning import plan
from brickbook.measure.snapshot import compare, snapshot
from brickbook.views.grid.payload import GRID_JS, grid_payload
from brickbook.views.page import page

EVIL = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
RULES = [{"type": "Normal", "std": 0.5, "layer": "Linear"}, {"type": "Normal", "layer": "Conv2D"}]


def evil() -> nn.Module:
    net = nn.Sequential(nn.Linear(8, 8), nn.Conv2d(1, 1, 1))
    net.register_parameter(EVIL, nn.Parameter(torch.zeros(3)))
    return net


def element(text: str, name: str) -> str:
    (found,) = re.findall(f'<script type="[^"]*" id="{name}">(.*?)</script>', text, re.DOTALL)
    return found


def test_a_page_holds_the_payload_the_script_and_the_plan():
    net = nn.Sequential(nn.Linear(8, 8))
    before = snapshot(net)
    report = initialize(net, RULES[0], seed=0)
    comparison = compare(before, snapshot(net))
    text = page("A & B", comparison, report=report)
    payload = grid_payload(comparison, report.plan, report)
    assert json.loads(element(text, "meta")) == payload.meta
    assert base64.b64decode(element(text, "counts")) == payload.buffer
    assert base64.b64encode(GRID_JS.read_bytes()).decode() in text
    assert "<title>A &amp; B</title>" in text and "<h1>A &amp; B</h1>" in text
    assert "2 parameters with 72 values, 2 changed." in text
    assert "InitReport: 2 parameters: 2 written by a law, seed 0" in text
    assert ">Normal(0, 0.5)</td>" in text


def test_every_name_is_escaped():
    net = evil()
    snap = snapshot(net)
    text = page(EVIL, compare(snap, snap), plan(net, RULES))
    assert "<img" not in text
    assert text.count("<script") == text.count("</script>") == 3
    assert json.loads(element(text, "meta"))["cells"][0]["name"] == EVIL


def test_what_had_no_effect_is_said():
    net = evil()
    snap = snapshot(net)
    text = page("t", compare(snap, snap), plan(net, RULES))
    assert (
        '<p class="warn">init_cfg[1].layer: Conv2D matches nothing. '
        "Did you mean &#x27;Conv2d&#x27;?</p>" in text
    )


def test_nothing_is_fetched():
    snap = snapshot(nn.Linear(2, 2))
    text = page("t", compare(snap, snap))
    assert "default-src 'none'" in text
    assert not re.search(r"(src|href)=", text)
    # The one address is the name of SVG, which is inside the module.
    assert "http:" not in text and "https:" not in text


def test_without_a_plan_there_is_no_plan():
    snap = snapshot(nn.Linear(2, 2))
    assert '<details id="plan">' not in page("t", compare(snap, snap))
