from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from brickbook.i18n import Texts
from brickbook.init.execution import initialize
from brickbook.init.initializers import INITIALIZERS
from brickbook.init.laws import Normal
from brickbook.init.planning import plan
from brickbook.lab.init.words import (
    explain_row,
    plan_summary,
    report_summary,
    statistics_table,
    unmatched_messages,
)
from brickbook.measure.snapshot import compare, snapshot

ENGLISH = Texts("en")


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(8, 4), nn.Linear(4, 2, bias=False))


CASES = [
    ([], "Initialize would leave all 5 parameters as they are."),
    ({"type": "Normal", "std": 0.1, "layer": "Linear"},
     "Initialize would write 3 of 5 parameters by a law and leave 2 as they are. "
     "Expected std 0.1; constants 0."),
    ({"type": "Constant", "val": 3, "bias": 1, "layer": ["Linear", "Conv2d"]},
     "Initialize would write 5 of 5 parameters by a law. Constants 1, 3."),
    ([{"type": "Constant", "val": at, "override": {"name": name}, "bias": at + 3}
      for at, name in enumerate("012")],
     "Initialize would write 5 of 5 parameters by a law. Constants 0, 1, 2, 3, …."),
    ([{"type": "Xavier", "layer": "Conv2d"}, {"type": "Pretrained", "checkpoint": "w.pth"}],
     "Initialize would write 2 of 5 parameters by a law and load what fits of w.pth. "
     "Expected std 0.1421; constants 0."),
    ([{"type": "Kaiming", "layer": "Conv2d"}, {"type": "Pretrained", "checkpoint": "w.pth"},
      {"type": "WordsInit"}],
     "Initialize would write 2 of 5 parameters by a law, load what fits of w.pth and "
     "call Rule 3. Expected std 0.1667; constants 0."),
]  # fmt: skip


class WordsInit:
    def __call__(self, module: nn.Module) -> None:
        nn.init.ones_(module[0].weight)
        nn.init.ones_(module[0].bias)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    INITIALIZERS.register_module(name="WordsInit", module=WordsInit)
    yield
    del INITIALIZERS.module_dict["WordsInit"]


@pytest.mark.parametrize(("cfg", "text"), CASES)
def test_a_plan_in_a_sentence(cfg, text):
    assert plan_summary(plan(net(), cfg), ENGLISH) == text


def test_what_has_no_effect():
    todo = plan(
        net(),
        [
            {"type": "Kaiming"},
            {"type": "Kaiming", "layer": ["Liner"]},
            {"type": "Normal", "override": {"type": "Xavier", "name": "1", "layer": "Linear"}},
        ],
    )
    assert unmatched_messages(todo, ENGLISH) == (
        "Rule 1: does nothing: it has neither 'layer' nor 'override'.",
        "Rule 2, layer: Liner matches nothing. Did you mean 'Linear'?",
        "Rule 3, override, layer: is not used: an override fills every layer below it.",
    )


def test_where_a_law_comes_from():
    model = net()
    model[1].bias.requires_grad_(False)
    linear = {"type": "Normal", "std": 0.1, "layer": "Linear"}
    override = {"type": "Constant", "val": 0, "name": "1"}
    todo = plan(
        model,
        [linear, {**linear, "override": override}, {"type": "Pretrained", "checkpoint": "w.pth"}],
    )
    assert explain_row(todo["1.bias"], ENGLISH) == (
        "Constant by Rule 2, override: Constant(0). It wins over Rule 1, Rule 2. "
        "Rule 3 may fill it afterwards. "
        "It is frozen (requires_grad=False)."
    )
    assert explain_row(plan(model, linear)["0.bias"], ENGLISH) == (
        "Left as it is: no rule matches Conv2d."
    )
    loaded = [{"type": "Pretrained", "checkpoint": "w.pth"}]
    assert explain_row(plan(model, loaded)["0.bias"], ENGLISH) == (
        "No law is drawn. Rule 1 may fill it."
    )
    assert explain_row(None, ENGLISH) == "Nothing is planned for it."


def test_the_numbers_of_a_tensor():
    model = nn.Linear(2, 2)
    cfg = {"type": "Uniform", "a": -1, "b": 1, "layer": "Linear"}
    law = plan(model, cfg)["weight"].law
    before = snapshot(model)
    same = compare(before, before)
    assert [line[0] for line in statistics_table(same["weight"], law, ENGLISH)] == [
        "",
        "expected",
        "now",
    ]
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, float("nan")], [0.0, 2.0]]))
    pair = compare(before, snapshot(model))["weight"]
    head, expected, _, after = statistics_table(pair, law, ENGLISH)
    assert head == ("", "mean", "std", "min", "max", "zeros")
    assert expected == ("expected", "0", "0.5774", "-1", "1", "")
    assert after == ("after", "1", "0.8165", "0", "2", "0.25, 1 NaN")
    endless = statistics_table(pair, Normal(0.0, 2.0), ENGLISH, pending=True)[1]
    assert endless == ("next", "0", "2", "", "", "")
    assert [line[0] for line in statistics_table(pair, None, ENGLISH)] == ["", "before", "after"]


def test_what_was_done():
    report = initialize(
        net(), [{"type": "Normal", "layer": "Linear"}, {"type": "WordsInit"}], seed=2
    )
    assert report_summary(report, ENGLISH) == (
        "Initialized with seed 2: 3 written by a law, 2 left to custom init code."
    )
    assert (
        report_summary(initialize(nn.ReLU(), []), ENGLISH)
        == "Initialized with torch's generator: no parameters."
    )
