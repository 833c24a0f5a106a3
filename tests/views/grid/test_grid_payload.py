from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from brickbook.errors import BadValueError
from brickbook.init.execution import initialize
from brickbook.init.planning import plan
from brickbook.measure.snapshot import compare, snapshot
from brickbook.views.grid.payload import GridPayload, Variant, grid_payload

GOLDEN = Path(__file__).parents[1] / "golden" / "grid.json"

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
    same = what == "after" and "status" not in cell
    code, start, length = cell["at"]["before" if same else what]
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


def cells_of(payload: GridPayload) -> dict[str, dict[str, Any]]:
    """The cells by name, with what they point at filled in."""
    meta = payload.meta
    lists = {"law": "laws", "rule": "rules", "module": "modules", "reason": "reasons"}
    return {
        cell["name"]: cell | {k: meta[v][cell[k]] for k, v in lists.items() if k in cell}
        for cell in meta["cells"]
    }


def test_a_cell_says_what_the_plan_says():
    _, comparison, todo, report = started()
    cells = cells_of(grid_payload(comparison, todo, report))
    conv, norm, bias = cells["0.weight"], cells["1.weight"], cells["2.bias"]
    assert (conv["status"], conv["module"], conv["frozen"]) == ("changed", "Conv2d", True)
    assert conv["law"] == {"text": "Uniform(-1, 1)", "mean": 0.0, "std": 0.57735}
    assert conv["rule"] == {
        "source": "init_cfg[1]", "name": "Uniform", "badge": "2", "colour": 1, "striped": False,
    }  # fmt: skip
    assert conv["shape"] == [40, 3, 3, 3] and len(conv["after"]) == len(conv["before"]) == 2
    assert norm["reason"] == "no rule matches BatchNorm2d"
    assert not {"law", "frozen", "rule"} & set(norm) and norm["bins"] == 1
    assert not {"status", "after"} & set(norm) and set(norm["at"]) == {"before"}
    atoms = [[0.25, 1.0]]
    assert bias["law"] == {"text": "Constant(0.25)", "mean": 0.25, "std": 0.0, "atoms": atoms}
    assert "law" not in bias["at"]


def test_what_is_alike_is_sent_once():
    net = nn.Sequential(nn.Linear(9, 9), nn.Linear(9, 9))
    snap = snapshot(net)
    payload = grid_payload(compare(snap, snap), plan(net, RULES[0]))
    meta = payload.meta
    assert [law["text"] for law in meta["laws"]] == ["Normal(0, 0.5)", "Constant(0.25)"]
    assert meta["modules"] == ["Linear"] and meta["reasons"] == []
    assert [cell["law"] for cell in meta["cells"]] == [0, 1, 0, 1]
    places = {tuple(place) for cell in meta["cells"] for place in cell["at"].values()}
    assert sum(np.dtype(code).itemsize * n for code, _, n in places) == len(payload.buffer)


def test_golden():
    values = torch.arange(12.0).reshape(3, 4)
    before = snapshot({"a.w": values, "a.b": torch.zeros(3), "c.w": torch.ones(5)})
    after = {"a.w": values * 2, "a.b": torch.full((3,), 0.5), "c.w": torch.ones(5)}
    net = nn.Linear(4, 3)
    rules = {"type": "Normal", "std": 6.0, "layer": "Linear", "bias": 0.5}
    rows = [row._replace(name=f"a.{row.name[0]}") for row in plan(net, rules).rows]
    todo = type(plan(net, rules))(tuple(rows))
    payload = grid_payload(compare(before, snapshot(after)), todo, language="en")
    found = {key: value for key, value in payload.meta.items() if key != "texts"}
    found["buffer"] = {
        f"{cell['name']} {what}": np.round(read(payload, cell["name"], what), 3).tolist()
        for cell in payload.meta["cells"]
        for what in cell["at"]
    }
    assert found == json.loads(GOLDEN.read_text())


def variants_of(net: nn.Module, *rules: dict[str, Any]) -> dict[str, Variant]:
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    before, found = snapshot(net), {}
    for letter, rule in zip("ABCDE", rules, strict=False):
        net.load_state_dict(state)
        report = initialize(net, rule, seed=0)
        found[letter] = Variant(compare(before, snapshot(net)), report=report)
    net.load_state_dict(state)
    return found


def test_variants_share_bins_and_have_laws_of_their_own():
    net = nn.Sequential(nn.Linear(30, 20), nn.BatchNorm1d(20))
    several = variants_of(net, *({**RULES[0], "std": std} for std in (0.01, 0.5, 4.0)))
    snap = snapshot(net)
    payload = grid_payload(compare(snap, snap), variants=several)
    assert payload.meta["variants"] == ["A", "B", "C"] and payload.meta["rules"] == []
    weight, _, scale, _ = payload.meta["cells"]
    assert set(weight["at"]) == {"before"} and "after" not in weight
    assert [payload.meta["laws"][side["law"]]["std"] for side in weight["variants"]] == [
        0.01, 0.5, 4.0,
    ]  # fmt: skip
    for side, variant in zip(weight["variants"], several.values(), strict=True):
        stats = variant.comparison["0.weight"].after
        code, start, length = side["at"]["after"]
        counts = np.frombuffer(payload.buffer, f"<{code}", length, start)
        assert counts.sum() == 600 and length == weight["bins"] <= 64
        assert side["after"][1] == pytest.approx(stats.std, rel=1e-5)
    assert weight["low"] + weight["bins"] * weight["width"] >= 12
    assert weight["status"] == "changed" and "status" not in scale
    assert scale["variants"] == [{"at": {}}] * 3


def test_variants_are_changed_where_they_differ_from_the_before_that_is_drawn():
    """After Initialize a variant with the same rules has the model's values, not the old ones."""
    first, now, other = (snapshot(nn.Linear(4, 4)) for _ in range(3))
    found = {"A": compare(now, now), "B": compare(now, first), "C": compare(now, other)}
    (weight, _) = grid_payload(compare(first, now), variants=found).meta["cells"]
    assert [side.get("status") for side in weight["variants"]] == ["changed", None, "changed"]
    assert ["after" in side for side in weight["variants"]] == [True, False, True]


def test_variants_may_be_plain_comparisons():
    snap, other = snapshot({"w": torch.rand(9)}), snapshot({"w": torch.rand(9)})
    payload = grid_payload(compare(snap, snap), variants={"x": compare(snap, other)})
    (cell,) = payload.meta["cells"]
    assert cell["status"] == "changed" and "law" not in cell["variants"][0]


def test_a_fifth_variant_is_one_too_many():
    snap = snapshot({"w": torch.rand(9)})
    same = compare(snap, snap)
    with pytest.raises(BadValueError) as caught:
        grid_payload(same, variants=dict.fromkeys("ABCDE", same))
    assert str(caught.value) == "variants: at most 4 can be told apart, got 5."


def test_texts_come_in_the_language_asked_for(monkeypatch):
    snap = snapshot({"w": torch.rand(9)})
    found = grid_payload(compare(snap, snap), language="zh").meta
    assert found["language"] == "zh" and found["texts"]["search"] == "搜索"
    monkeypatch.setenv("BRICKBOOK_LANGUAGE", "en_GB.UTF-8")
    assert grid_payload(compare(snap, snap)).meta["texts"]["search"] == "Search"


def test_a_law_with_atoms_has_a_density_without_them():
    net = nn.Linear(100, 100)
    before = snapshot(net)
    rules = {"type": "Sparse", "sparsity": 0.25, "std": 0.1, "layer": "Linear"}
    report = initialize(net, rules, seed=0)
    payload = grid_payload(compare(before, snapshot(net)), report=report)
    cell = cells_of(payload)["weight"]
    ((value, share),) = cell["law"]["atoms"]
    assert value == 0 and read(payload, "weight", "law").sum() == pytest.approx(
        10_000 * (1 - share), rel=1e-3
    )


def test_a_frozen_and_a_tied_parameter_say_so():
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    net[1].weight = net[0].weight
    net[0].requires_grad_(False)
    snap = snapshot(net)
    cells = cells_of(grid_payload(compare(snap, snap), plan(net, RULES)))
    assert set(cells) == {"0.weight", "0.bias", "1.bias"}
    assert cells["0.weight"]["frozen"] and cells["0.weight"]["tied"] == "1.weight"
    assert not {"frozen", "tied"} & set(cells["1.bias"])


def test_the_bins_span_the_law_before_anything_is_written():
    net = nn.Linear(10, 10)
    snap = snapshot(net)
    rules = {"type": "Normal", "std": 10.0, "layer": "Linear", "bias": 7.0}
    cells = grid_payload(compare(snap, snap), plan(net, rules)).meta["cells"]
    for cell, reach in zip(cells, (30.0, 7.0), strict=True):
        assert cell["low"] + cell["bins"] * cell["width"] >= reach
        assert cell["bins"] <= 64 and "status" not in cell


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
    assert payload.meta["cells"][0]["at"]["before"] == [code, 0, 1]
    assert read(payload, "w", "before").tolist() == [count]


def test_a_thousand_parameters_stay_below_a_megabyte():
    weights = {f"layers.{i}.attention.q_proj.weight": torch.randn(2000) for i in range(1000)}
    others = {name: torch.randn(2000) * 1.5 for name in weights}
    payload = grid_payload(compare(snapshot(weights), snapshot(others)))
    size = len(payload.buffer) + len(json.dumps(payload.meta, separators=(",", ":")))
    assert size < 830_000
