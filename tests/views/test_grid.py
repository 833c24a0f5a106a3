from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from brickbook.init import initialize, plan
from brickbook.measure import compare, snapshot
from brickbook.views.grid import GRID_CSS, GRID_JS, GridPayload, grid_payload

RULES = [
    {"type": "Normal", "std": 0.5, "layer": "Linear", "bias": 0.25},
    {"type": "Uniform", "a": -1.0, "b": 1.0, "layer": "Conv2d"},
]


def model() -> nn.Module:
    net = nn.Sequential(nn.Conv2d(3, 40, 3), nn.BatchNorm2d(40), nn.Linear(300, 300))
    net[0].requires_grad_(False)
    return net


def started() -> tuple[nn.Module, Any, Any, Any]:
    net = model()
    before = snapshot(net)
    report = initialize(net, RULES, seed=1)
    return net, compare(before, snapshot(net)), report.plan, report


def read(payload: GridPayload, name: str, what: str) -> np.ndarray:
    cell = next(cell for cell in payload.meta["cells"] if cell["name"] == name)
    code, start, length = cell["at"][what]
    return np.frombuffer(payload.buffer, f"<{code}", length, start)


def test_the_buffer_holds_the_counts_and_the_law():
    net, comparison, todo, report = started()
    payload = grid_payload(comparison, todo, report)
    names = [cell["name"] for cell in payload.meta["cells"]]
    assert names == [name for name, _ in net.named_parameters()]
    for name, weight in net.named_parameters():
        cell = payload.meta["cells"][names.index(name)]
        edges = cell["low"] + cell["width"] * np.arange(cell["bins"] + 1)
        after = read(payload, name, "after")
        assert after.tolist() == np.histogram(weight.detach().double(), edges)[0].tolist()
        assert read(payload, name, "before").sum() == after.sum() == cell["count"]
    law = read(payload, "2.weight", "law")
    assert law.dtype == np.float32 and law.sum() == pytest.approx(90_000, rel=1e-3)
    assert np.abs(law - read(payload, "2.weight", "after")).max() < 5 * math.sqrt(law.max())


def test_a_cell_says_what_the_plan_says():
    _, comparison, todo, report = started()
    cells = {cell["name"]: cell for cell in grid_payload(comparison, todo, report).meta["cells"]}
    conv, norm, bias = cells["0.weight"], cells["1.weight"], cells["2.bias"]
    assert (conv["status"], conv["law"], conv["rule"]) == ("changed", "Uniform(-1, 1)", "Uniform")
    assert (conv["source"], conv["frozen"], conv["shape"]) == ("init_cfg[1]", True, [40, 3, 3, 3])
    assert conv["expected"] == {"mean": 0.0, "std": 0.57735}
    assert norm["status"] == "untouched" and norm["reason"] == "no rule speaks of BatchNorm2d"
    assert "law" not in norm and "frozen" not in norm and norm["bins"] == 1
    assert norm["at"]["before"] == norm["at"]["after"]
    assert bias["expected"] == {"mean": 0.25, "std": 0.0} and "law" not in bias["at"]


def test_the_bins_span_the_law_before_anything_is_written():
    net = nn.Linear(10, 10)
    snap = snapshot(net)
    rules = {"type": "Normal", "std": 10.0, "layer": "Linear", "bias": 7.0}
    cells = grid_payload(compare(snap, snap), plan(net, rules)).meta["cells"]
    for cell, reach in zip(cells, (30.0, 7.0), strict=True):
        assert cell["low"] + cell["bins"] * cell["width"] >= reach
        assert cell["bins"] <= 64 and cell["status"] == "untouched"


def test_a_checkpoint_that_comes_after_the_law_hides_it(tmp_path):
    torch.save(nn.Linear(4, 4).state_dict(), tmp_path / "w.pth")
    net = nn.Linear(4, 4)
    before = snapshot(net)
    rules = [RULES[0], {"type": "Pretrained", "checkpoint": str(tmp_path / "w.pth")}]
    report = initialize(net, rules, seed=0)
    payload = grid_payload(compare(before, snapshot(net)), report=report)
    assert [cell["status"] for cell in payload.meta["cells"]] == ["changed", "changed"]
    assert all("law" not in cell["at"] for cell in payload.meta["cells"])


@pytest.mark.parametrize(
    ("tensor", "note", "bins"),
    [
        (torch.empty(2, 3, device="meta"), "no values (meta)", 0),
        (torch.empty(0), "no values", 0),
        (torch.tensor([1.0, math.nan, math.inf]), "1 NaN, 1 infinite", 1),
        (torch.tensor([math.nan]), "1 NaN", 0),
    ],
)
def test_what_a_histogram_cannot_show_is_said(tensor, note, bins):
    snap = snapshot({"w": tensor})
    (cell,) = grid_payload(compare(snap, snap)).meta["cells"]
    assert (cell["note"], cell["bins"]) == (note, bins)
    json.dumps(cell, allow_nan=False)


def test_a_parameter_that_came_and_one_that_went():
    before, after = snapshot({"old": torch.rand(9)}), snapshot({"new": torch.rand(9)})
    cells = grid_payload(compare(before, after)).meta["cells"]
    assert [(cell["name"], cell["status"], sorted(cell["at"])) for cell in cells] == [
        ("new", "added", ["after"]),
        ("old", "removed", ["before"]),
    ]


@pytest.mark.parametrize(
    ("count", "code"), [(255, "u1"), (256, "u2"), (65_535, "u2"), (65_536, "u4")]
)
def test_counts_take_the_narrowest_type(count, code):
    snap = snapshot({"w": torch.zeros(count)})
    payload = grid_payload(compare(snap, snap))
    assert payload.meta["cells"][0]["at"]["after"] == [code, 0, 1]
    assert read(payload, "w", "after").tolist() == [count]


def test_a_thousand_parameters_stay_below_a_megabyte():
    weights = {f"layers.{i}.attention.q_proj.weight": torch.randn(2000) for i in range(1000)}
    others = {name: torch.randn(2000) * 1.5 for name in weights}
    payload = grid_payload(compare(snapshot(weights), snapshot(others)))
    size = len(payload.buffer) + len(json.dumps(payload.meta, separators=(",", ":")))
    assert size < 830_000


def test_the_script_never_writes_markup_and_fetches_nothing():
    script, style = GRID_JS.read_text(encoding="utf-8"), GRID_CSS.read_text(encoding="utf-8")
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "fetch(", "import "):
        assert word not in script
    assert "url(" not in style and "@import" not in style and "</" not in style
