"""A plan, a report and the numbers of a tensor in Chinese words."""
# ruff: noqa: RUF001 - the commas, colons and brackets of Chinese are wide ones.

from __future__ import annotations

import pytest
import torch
from torch import nn

from brickbook.i18n import Texts
from brickbook.init.execution import initialize
from brickbook.init.planning import plan
from brickbook.lab.init.words import (
    explain_row,
    path_label,
    plan_summary,
    report_summary,
    statistics_table,
    unmatched_messages,
)
from brickbook.measure.snapshot import compare, snapshot

CHINESE = Texts("zh")
CFG = [
    {"type": "Normal", "std": 0.1, "layer": ["Conv2d"]},
    {"type": "Xavier", "distribution": "uniform", "layer": ["Linear"]},
    {"type": "Constant", "val": 1, "layer": ["BatchNorm2d"]},
]


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(),
        nn.Linear(8 * 4 * 4, 4),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cfg", "text"),
    [
        ([], "初始化会让全部 8 个参数保持不变。"),
        ([CFG[2]], "初始化将按分布写入 8 个参数中的 2 个，并让 6 个保持不变。常数为 0、1。"),
        (
            [CFG[1], {"type": "Pretrained", "checkpoint": "w.pth"}],
            "初始化将按分布写入 8 个参数中的 2 个，并从 w.pth 加载匹配的部分。"
            "预期标准差为 0.1231；常数为 0。",
        ),
    ],
)
def test_a_plan_in_a_sentence(cfg, text):
    assert plan_summary(plan(net(), cfg), CHINESE) == text


def test_words_of_a_plan_and_of_a_report():
    model = net()
    model[5].bias.requires_grad_(False)
    todo = plan(model, [*CFG, {"type": "Xavier", "layer": ["Lin"]}, {**CFG[1], "bias": 1}])
    assert unmatched_messages(todo, CHINESE) == (
        "规则 4，层：Lin 没有匹配到任何层。您是否要找 'Linear'？",
    )
    assert explain_row(todo["5.bias"], CHINESE) == (
        "Xavier，来自规则 5：Constant(1)。它优先于规则 2。它已冻结（requires_grad=False）。"
    )
    left = plan(model, [CFG[1]])["0.weight"]
    assert explain_row(left, CHINESE) == "保持不变：没有规则匹配 Conv2d。"
    assert explain_row(None, CHINESE) == "计划中没有它。"
    assert report_summary(initialize(nn.ReLU(), []), CHINESE) == (
        "已初始化（torch 的生成器）：没有参数。"
    )
    assert path_label("init_cfg[0].override[2].std", CHINESE) == "规则 1，覆盖 3，std"
    assert path_label("undo", CHINESE) == "undo"


def test_the_numbers_of_a_tensor():
    model = nn.Linear(2, 2)
    before = snapshot(model)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, float("nan")], [0.0, float("inf")]]))
    head, _, after = statistics_table(compare(before, snapshot(model))["weight"], None, CHINESE)
    assert head == ("", "均值", "标准差", "最小值", "最大值", "零的比例")
    assert after[0] == "之后" and after[-1] == "0.25，1 个 NaN、1 个无穷大"
