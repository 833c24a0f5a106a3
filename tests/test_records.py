from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

from brickbook.errors import BadArgumentError, BadValueError, MissingKeyError
from brickbook.init.execution import InitReport
from brickbook.init.planning import InitPlan, plan
from brickbook.init.planning.result import PLAN_COLUMNS
from brickbook.measure import Complexity, CoordinateCheck, Race, ShapeTrace, Signals
from brickbook.measure.snapshot import (
    Alternatives,
    Comparison,
    Snapshot,
    alternatives,
    compare,
    snapshot,
)
from brickbook.records import build_frame, record_table, record_values

CFG = {"type": "Normal", "std": 2.0, "layer": "Linear"}


def model() -> nn.Module:
    found = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    found[1].requires_grad_(False)
    return found


def test_a_plan_as_a_frame():
    frame = build_frame(PLAN_COLUMNS, plan(model(), CFG).rows, "name")
    assert list(frame.index) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert frame.index.name == "name"
    first, left = frame.loc["0.weight"], frame.loc["1.weight"]
    assert (first["law"], first["mean"], first["std"]) == ("Normal(0, 2)", 0.0, 2.0)
    assert (first["rule"], first["source"], first["shape"]) == ("Normal", "init_cfg", (3, 2))
    assert (left["law"], left["reason"]) == ("", "no rule matches BatchNorm1d")
    assert math.isnan(left["std"]) and left["frozen"]
    kinds = {key: str(kind) for key, kind in frame.dtypes.items()}
    assert [key for key, kind in kinds.items() if kind == "category"] == [
        "kind", "module", "dtype", "rule",
    ]  # fmt: skip
    assert (kinds["mean"], kinds["std"], kinds["frozen"]) == ("float64", "float64", "bool")


def test_a_snapshot_as_a_frame():
    frame = snapshot({"w": torch.tensor([1.0, 3.0, 0.0, math.nan])}).frame()
    row = frame.loc["w"]
    assert (row["count"], row["min"], row["max"], row["zeros"], row["nan"]) == (4, 0, 3, 0.25, 1)
    assert frame["count"].dtype == "int64" and frame["std"].dtype == "float64"


def test_a_tensor_without_values_has_nan():
    frame = snapshot(nn.Linear(2, 2, device="meta")).frame()
    assert frame["mean"].isna().all() and list(frame["missing"]) == ["meta", "meta"]


def test_a_comparison_as_a_frame():
    before = snapshot({"a": torch.tensor([1.0, -1.0]), "b": torch.zeros(2), "c": torch.ones(2)})
    after = snapshot({"a": torch.tensor([3.0, -3.0]), "b": torch.ones(2), "c": torch.ones(2)})
    frame = compare(before, after).frame()
    assert list(frame["status"]) == ["changed", "changed", "untouched"]
    assert frame.loc["a", "std_ratio"] == 3.0
    assert math.isnan(frame.loc["b", "std_ratio"])
    assert list(frame["law"]) == [""] * 3


def test_a_comparison_with_a_plan():
    net = model()
    snap = snapshot(net)
    frame = compare(snap, snap).frame(plan(net, CFG))
    row = frame.loc["0.weight"]
    assert (row["law"], row["std_expected"]) == ("Normal(0, 2)", 2.0)
    assert row["std_ratio"] == pytest.approx(snap["0.weight"].std / 2)
    assert frame.loc["1.running_mean", "law"] == ""


def test_empty_records_are_empty_frames():
    empty = snapshot({})
    frames = [empty.frame(), compare(empty, empty).frame()]
    frames.append(plan(nn.ReLU()).frame())
    assert [len(frame) for frame in frames] == [0, 0, 0]
    assert all(isinstance(frame, pd.DataFrame) for frame in frames)


def test_alternatives_as_a_frame():
    found = alternatives(model(), {"a": CFG, "b": {"type": "Ones", "layer": "Linear"}})
    frame = found.frame()
    row = frame.loc["0.weight"]
    assert (row["law_a"], row["law_b"], row["std_b"]) == ("Normal(0, 2)", "Constant(1)", 0.0)
    assert list(frame.index[frame["differs"]]) == ["0.weight"]
    assert row["std_a"] == found["a"].snapshot["0.weight"].std
    assert (frame["law_a"].loc["1.weight"], str(frame["differs"].dtype)) == ("", "bool")


OLDER = json.loads(Path(__file__).with_name("records_of_an_older_version.json").read_text())
KINDS = {
    "plan": InitPlan,
    "report": InitReport,
    "snapshot": Snapshot,
    "comparison": Comparison,
    "alternatives": Alternatives,
    "signals": Signals,
    "complexity": Complexity,
    "shapes": ShapeTrace,
    "coordinates": CoordinateCheck,
    "race": Race,
}


@pytest.mark.parametrize("name", KINDS)
def test_what_an_older_version_wrote_is_read_and_comes_back(name):
    kind, data = KINDS[name], OLDER[name]
    record = kind.from_dict(data)
    assert isinstance(record, kind) and kind.from_json(json.dumps(data)) == record
    assert kind.from_json(record.to_json()) == record
    written = json.loads(record.to_json())
    if name == "signals":  # a newer version says more
        assert (written.pop("rank"), written.pop("ranks")) == (0, 1)
        assert [written.pop(key) for key in ("cross_entropy", "classes", "logits_std")] == [
            None
        ] * 3
        assert written.pop("over_all_labels") is False
        assert written.pop("weights") == []
        newer = ("silent", "batch_std", "normed", "histogram", "grad_histogram", "by_unit")
        assert not any(row.pop(key) for row in written["rows"] for key in newer)
    assert written.keys() == data.keys()
    if name not in ("plan", "report", "alternatives"):  # a plan's reasons have got fields
        assert written == data


@pytest.mark.parametrize("name", KINDS)
def test_every_record_has_the_same_interface(name):
    record = KINDS[name].from_dict(OLDER[name])
    table = record_table(record)
    assert len(record.frame()) == len(table.rows) > 0
    assert all(len(row) == len(table.headings) for row in table.rows)
    html = record._repr_html_()
    assert record._repr_mimebundle_() == {"text/plain": repr(record), "text/html": html}
    assert "\n" not in repr(record) and html.count("<tr>") == len(table.rows) + 1
    keys, rows = record_values(record)
    assert [list(row) for row in rows] == [keys] * len(table.rows)
    shown = {key for key in dir(record) if not key.startswith("_")}
    assert not shown & {"things", "told", "words", "missing_message", "columns"}
    assert {"frame", "from_dict", "from_json", "to_dict", "to_json"} <= shown


@pytest.mark.parametrize("name", KINDS)
def test_what_is_no_record_is_refused_by_name(name):
    kind = KINDS[name]
    with pytest.raises(BadArgumentError) as caught:
        kind.from_dict([])
    assert str(caught.value).endswith(": expected a mapping, got [].")
    key = next(iter(OLDER[name]))
    with pytest.raises(MissingKeyError) as missing:
        kind.from_dict({other: value for other, value in OLDER[name].items() if other != key})
    assert f".{key}: " in str(missing.value)
    with pytest.raises(BadValueError) as broken:
        kind.from_json("{")
    assert str(broken.value).startswith("json: is no JSON: Expecting property name")
