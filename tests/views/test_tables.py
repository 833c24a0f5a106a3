from __future__ import annotations

import math

import pandas as pd
import pytest
import torch
from torch import nn

from brickbook.init import plan
from brickbook.measure import compare, snapshot
from brickbook.measure.alternatives import alternatives
from brickbook.views.tables import (
    alternatives_frame,
    comparison_frame,
    plan_frame,
    snapshot_frame,
)

CFG = {"type": "Normal", "std": 2.0, "layer": "Linear"}


def model() -> nn.Module:
    found = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    found[1].requires_grad_(False)
    return found


def test_a_plan_as_a_frame():
    frame = plan_frame(plan(model(), CFG))
    assert list(frame.index) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert frame.index.name == "name"
    first, left = frame.loc["0.weight"], frame.loc["1.weight"]
    assert (first["law"], first["mean"], first["std"]) == ("Normal(0, 2)", 0.0, 2.0)
    assert (first["rule"], first["source"], first["shape"]) == ("Normal", "init_cfg", (3, 2))
    assert (left["law"], left["reason"]) == ("", "no rule speaks of BatchNorm1d")
    assert math.isnan(left["std"]) and left["frozen"]
    kinds = {key: str(kind) for key, kind in frame.dtypes.items()}
    assert [key for key, kind in kinds.items() if kind == "category"] == [
        "kind", "module", "dtype", "rule",
    ]  # fmt: skip
    assert (kinds["mean"], kinds["std"], kinds["frozen"]) == ("float64", "float64", "bool")


def test_a_snapshot_as_a_frame():
    frame = snapshot_frame(snapshot({"w": torch.tensor([1.0, 3.0, 0.0, math.nan])}))
    row = frame.loc["w"]
    assert (row["count"], row["min"], row["max"], row["zeros"], row["nan"]) == (4, 0, 3, 0.25, 1)
    assert frame["count"].dtype == "int64" and frame["std"].dtype == "float64"


def test_a_tensor_without_values_has_nan():
    frame = snapshot_frame(snapshot(nn.Linear(2, 2, device="meta")))
    assert frame["mean"].isna().all() and list(frame["missing"]) == ["meta", "meta"]


def test_a_comparison_as_a_frame():
    before = snapshot({"a": torch.tensor([1.0, -1.0]), "b": torch.zeros(2), "c": torch.ones(2)})
    after = snapshot({"a": torch.tensor([3.0, -3.0]), "b": torch.ones(2), "c": torch.ones(2)})
    frame = comparison_frame(compare(before, after))
    assert list(frame["status"]) == ["changed", "changed", "untouched"]
    assert frame.loc["a", "std_ratio"] == 3.0
    assert math.isnan(frame.loc["b", "std_ratio"])
    assert list(frame["law"]) == [""] * 3


def test_a_comparison_with_a_plan():
    net = model()
    snap = snapshot(net)
    frame = comparison_frame(compare(snap, snap), plan(net, CFG))
    row = frame.loc["0.weight"]
    assert (row["law"], row["std_expected"]) == ("Normal(0, 2)", 2.0)
    assert row["std_ratio"] == pytest.approx(snap["0.weight"].std / 2)
    assert frame.loc["1.running_mean", "law"] == ""


def test_empty_records_are_empty_frames():
    empty = snapshot({})
    frames = [snapshot_frame(empty), comparison_frame(compare(empty, empty))]
    frames.append(plan_frame(plan(nn.ReLU())))
    assert [len(frame) for frame in frames] == [0, 0, 0]
    assert all(isinstance(frame, pd.DataFrame) and len(frame.columns) for frame in frames)


def test_alternatives_as_a_frame():
    found = alternatives(model(), {"a": CFG, "b": {"type": "Ones", "layer": "Linear"}})
    frame = alternatives_frame(found)
    row = frame.loc["0.weight"]
    assert (row["law_a"], row["law_b"], row["std_b"]) == ("Normal(0, 2)", "Constant(1)", 0.0)
    assert list(frame.index[frame["differs"]]) == ["0.weight"]
    assert row["std_a"] == found["a"].snapshot["0.weight"].std
    assert (frame["law_a"].loc["1.weight"], str(frame["differs"].dtype)) == ("", "bool")
