from __future__ import annotations

import pytest
import torch
from torch import nn

from brickbook.init.execution import initialize
from brickbook.init.planning import plan
from brickbook.modules import BaseModule
from brickbook.views.data.rule_badges import COLOURS, badges_of, count_in_letters, rule_badges


@pytest.mark.parametrize(
    ("sources", "badges"),
    [
        (["init_cfg"], ["1"]),
        (["init_cfg[0]", "init_cfg[2]", "init_cfg[10]"], ["1", "3", "11"]),
        (
            ["init_cfg[0]", "init_cfg[0].override[0]", "init_cfg[0].override[1]", "init_cfg[1]",
             "init_cfg[1].override"],
            ["1", "1a", "1b", "2", "2a"],
        ),
        (["backbone.init_cfg", "head.init_cfg", "init_cfg[0]"], ["A", "B", "1"]),
        (["init_cfg.override"], ["1a"]),
    ],
)  # fmt: skip
def test_badges(sources, badges):
    made = list(badges_of(dict.fromkeys(sources, "Normal")))
    assert [mark.badge for mark in made] == badges
    assert [mark.source for mark in made] == sources


def test_overrides_have_the_colour_of_their_rule_and_are_striped():
    sources = ["a.init_cfg", "init_cfg[0]", "init_cfg[0].override", "init_cfg[1]", "init_cfg[7]"]
    found = {m.source: (m.colour, m.striped) for m in badges_of(dict.fromkeys(sources, ""))}
    assert found["init_cfg[0]"] == (0, False)
    assert found["init_cfg[0].override"] == (0, True)
    assert found["init_cfg[1]"] == (1, False)
    assert found["init_cfg[7]"] == (7 - len(COLOURS), True)
    assert found["a.init_cfg"] == (8 - len(COLOURS), True)


def test_a_rule_keeps_its_mark_while_others_come_and_go():
    net = nn.Sequential(nn.Linear(2, 2), nn.Conv1d(1, 1, 1))
    rules = [{"type": "Normal", "layer": "Lstm"}, {"type": "Xavier", "layer": "Conv1d"}]
    before = rule_badges(plan(net, rules))
    rules[0] = {"type": "Normal", "layer": "Linear"}
    after = rule_badges(plan(net, rules))
    assert list(before) == ["init_cfg[1]"] and list(after) == ["init_cfg[0]", "init_cfg[1]"]
    assert before["init_cfg[1]"] == after["init_cfg[1]"]


def test_a_checkpoint_has_a_mark_of_its_own(tmp_path):
    torch.save(nn.Linear(4, 4).state_dict(), tmp_path / "w.pth")
    rules = [
        {"type": "Normal", "layer": "Linear"},
        {"type": "Pretrained", "checkpoint": str(tmp_path / "w.pth")},
    ]
    report = initialize(nn.Linear(4, 4), rules, seed=0)
    (mark,) = rule_badges(report.plan, report).values()
    assert (mark.source, mark.name, mark.badge) == ("init_cfg[1]", "Pretrained", "2")


def test_a_config_that_a_module_brings_along_has_a_letter():
    class Part(BaseModule):
        def __init__(self, layer: nn.Module, *parts: nn.Module) -> None:
            super().__init__({"type": "Normal", "layer": type(layer).__name__})
            self.layer, self.parts = layer, nn.ModuleList(parts)

    found = rule_badges(plan(Part(nn.Conv1d(1, 1, 1), Part(nn.Linear(2, 2)))))
    assert [(mark.source, mark.badge) for mark in found.values()] == [
        ("init_cfg", "1"), ("parts.0.init_cfg", "A"),
    ]  # fmt: skip


def test_without_a_plan_there_are_none():
    assert rule_badges(None) == {}


def test_letters_go_on_after_z():
    assert [count_in_letters(n, "ab") for n in range(7)] == [
        "a",
        "b",
        "aa",
        "ab",
        "ba",
        "bb",
        "aaa",
    ]
