"""What differs between two plans, or two sets of numbers."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from brickbook.errors import ConfigError
from brickbook.init.execution import initialize
from brickbook.init.planning import plan
from brickbook.init.tracing import trace
from brickbook.measure.snapshot import compare, snapshot
from brickbook.views.diff import differences
from brickbook.views.text import text

ONES, ZEROS = dict(type="Ones", layer="Linear"), dict(type="Zeros", layer="Linear")


def net():
    return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))


def test_two_plans():
    model = net()
    found = differences(plan(model, ONES), initialize(model, ZEROS), ("one", "two"))
    assert found.headings == ("parameter", "law one", "by", "law two", "by")
    assert found.rows == (
        ("0.weight", "Constant(1)", "Ones, init_cfg", "Constant(0)", "Zeros, init_cfg"),
    )
    assert repr(found) == "Differences(one, two: 1 of 4 differ)" and found
    other = differences(plan(model, ONES), plan(nn.Sequential(nn.Linear(2, 2)), ONES))
    assert [row[0] for row in other.rows] == ["1.weight", "1.bias"]
    assert other.rows[0][3:] == ("not there", "")


def test_what_a_library_does_and_what_rules_would():
    history = trace(net)
    place = history["0.bias"].events[-1].place
    rules = [dict(type="Uniform", layer="Linear", a=-(0.5**0.5), b=0.5**0.5)]
    found = differences(history, plan(net(), rules), ("library", "rules"))
    assert found.rows == (
        ("0.bias", "Uniform(-0.7071, 0.7071)", f"uniform_(a=-0.7071, b=0.7071), {place}",
         "Constant(0)", "Uniform, init_cfg[0]"),
        ("1.weight", "Constant(1)", f"ones_(), {history['1.weight'].events[-1].place}",
         "left: no rule matches BatchNorm1d", ""),
        ("1.bias", "Constant(0)", f"zeros_(), {history['1.bias'].events[-1].place}",
         "left: no rule matches BatchNorm1d", ""),
    )  # fmt: skip
    assert repr(found) == "Differences(library, rules: 3 of 4 differ)"
    assert not differences(history, plan(net(), history.to_init_cfg()))


def test_two_models():
    model = net()
    other = copy.deepcopy(model)
    assert not differences(model, other)
    with torch.no_grad():
        other[0].bias.add_(1)
    found = differences(model, other, ("model", "other"))
    assert [row[:3] for row in found.rows] == [("0.bias", "≠", "2")]
    bundle = found._repr_mimebundle_()
    assert bundle["text/plain"] == "Differences(model, other: 1 of 7 differ)"
    assert "mean other</th>" in bundle["text/html"]
    assert text(found).splitlines()[-1] == repr(found)


def test_a_model_and_its_checkpoint():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(3, 3)
            self.b = nn.Linear(3, 3)
            self.b.weight = self.a.weight

    model = Tied()
    state = copy.deepcopy(model.state_dict())
    assert differences(model, state).rows == ()
    del state["b.bias"]
    found = differences(model, state, ("m", "w.pt"))
    assert [row[:2] for row in found.rows] == [("b.bias", "only in m")]


def test_snapshots_and_comparisons():
    model = net()
    before = snapshot(model)
    initialize(model, ONES)
    after = snapshot(model)
    assert len(differences(before, compare(before, after)).rows) == 2
    assert not differences(after, model)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (plan(net(), []), net(), "a, b: a plan can only be held against another plan."),
        (net(), 3,
         "b: expected a plan, a report, a history, a snapshot, a model or a state "
         "dict, got int."),
        (net(), {"x": 3},
         "b: expected a plan, a report, a history, a snapshot, a model or a state "
         "dict, got dict."),
    ],
)  # fmt: skip
def test_mistakes(a, b, message):
    with pytest.raises(ConfigError) as caught:
        differences(a, b, ("a", "b"))
    assert str(caught.value) == message
