"""What is wrong is said in the panel's language: in a Chinese one only names are Latin."""
# ruff: noqa: RUF001 - the commas, colons and brackets of Chinese are wide ones.

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from test_init_texts import names_of, net, seen, widgets
from torch import nn

from brickbook.blueprint import Blueprint
from brickbook.errors import ConfigError
from brickbook.i18n import Texts
from brickbook.init.initializers import INITIALIZERS
from brickbook.init.initializers.gains import NONLINEARITIES
from brickbook.init.planning import plan
from brickbook.init.presets import presets
from brickbook.lab import Builder, InitLab
from brickbook.lab.init.words import explain_row

CHINESE = Texts("zh")
# Types of Python, torch's words in shapes and devices, and what the messages quote of code.
CODE = frozenset({
    "int", "float", "str", "dict", "list", "tuple", "class", "type", "layer", "name", "ModuleList",
    "Sequential", "Linear", "Conv2d", "nn", "Module", "JSON", "NoneType", "object", "batch",
    "initialize", "materialize", "model", "device", "meta", "rank", "safetensors", "pickle", "zip",
    "torch", "save", "load", "jit", "TorchScript", "FSDP1", "function", "lambda", "Tensor",
    "dtype", "int32", "bool", "auto", "LSTM", "GRU", "much", *NONLINEARITIES,
    "Goyal", "Zhang", "et", "al", "Fixup",  # papers of the diagnosis
    *(make.__name__ for make in INITIALIZERS.module_dict.values()),
    *(word for name in presets() for word in re.findall(r"\w+", name)),
    # what Python's `re` says of a pattern
    "missing", "unterminated", "subpattern", "at", "position",
})  # fmt: skip


def latin_words(texts: list[str], known: set[str]) -> list[str]:
    """The texts in which a word is Latin that is no name."""
    return [
        text
        for text in texts
        if set(re.findall(r"[A-Za-z_][A-Za-z0-9_]+", re.sub(r"\{\w+\}", "", text))) - known
    ]


def quoted(value: object) -> set[str]:
    """The words of a config."""
    return set(re.findall(r"[A-Za-z_][A-Za-z0-9_]+", repr(value)))


def rule(kind: str, layer: Any = "Conv2d", **arguments: Any) -> dict[str, Any]:
    return {"type": kind, "layer": layer, **arguments}


INNER = {"type": "Normal"}
WRONG = [
    rule("Normal", std=-1),
    rule("Normal", std="wide"),
    rule("Normal", std=float("nan")),
    rule("Normal", stdd=1),
    rule("Zeros", val=1),
    rule("Constant"),
    rule("Nromal"),
    rule("Normal", bias_prob=2.0),
    rule("Normal", bias_prob="p"),
    rule("Normal", layer=3),
    rule("Normal", layer="re:("),
    rule("Normal", layer="*" * 2000),
    rule("Uniform", a=2, b=1),
    rule("Uniform", a=-1.7e308, b=1.7e308),
    rule("TruncNormal", a=2, b=1),
    rule("TruncNormal", a=100, b=101),
    rule("TruncNormal", a=100, b=101, units="std"),
    rule("Kaiming", mode="fan"),
    rule("Kaiming", distribution="nromal"),
    rule("Kaiming", nonlinearity="rule"),
    rule("Kaiming", a=1e200, nonlinearity="leaky_relu"),
    rule("Kaiming", layer="BatchNorm2d:weight"),
    rule("Kaiming", layer="BatchNorm2d"),
    rule("Xavier", gain="auot"),
    rule("Xavier", gain=lambda name, layer: "much"),
    rule("Xavier", in_axis=0),
    rule("Xavier", in_axis=[1, 1]),
    rule("Xavier", in_axis=9),
    rule("Xavier", in_axis="first"),
    rule("Orthogonal", layer="Conv2d:bias"),
    rule("DeltaOrthogonal", layer="Linear"),
    rule("Dirac", groups=3),
    rule("Dirac", groups=0),
    rule("Dirac", groups="two"),
    rule("Identity"),
    rule("Sparse", layer="Linear", sparsity=2),
    rule("PriorBias", bias=1),
    rule("PriorBias", prior_prob=2),
    rule("PriorBias", prior_prob="p"),
    rule("GateBias"),
    rule("GateBias", bias=1),
    rule("ZeroGamma", bias=1),
    rule("DepthScaled", init=INNER, depth="blocks"),
    rule("DepthScaled", init=INNER, depth="0"),
    rule("DepthScaled", init=INNER, depth=""),
    rule("DepthScaled", init=INNER, depth=0),
    rule("DepthScaled", init=INNER, depth=1.5),
    rule("DepthScaled", init=INNER, depth=3, mode="layer"),
    rule("DepthScaled", init={"type": "LSUV"}, depth=3),
    rule("DepthScaled", init={"type": "PriorBias"}, depth=3),
    rule("DepthScaled", init={"type": "Normal", "layer": "Conv2d"}, depth=3),
    rule("MuP", init=INNER, base=3),
    rule("MuP", init=INNER, base="none.json"),
    rule("MuP", init=INNER, base={"weight": [3]}),
    rule("MuP", init=INNER, base={"0.weight": [3], "0.bias": [8]}),
    rule("MuP", init=INNER, base={"0.weight": "wide"}),
    rule("LSUV", max_iter=1.5),
    {"type": "Pretrained", "checkpoint": 3},
    {"type": "Pretrained"},
    {"type": "Normal"},
    {"type": 3, "layer": "Conv2d"},
    {"type": int},
    rule("Normal", override={"name": "sixth"}),
    rule("Normal", override={"std": 1}),
    rule("Normal", override={"name": "0", "std": 1}),
    rule("Normal", override={"name": 3}),
    rule("Normal", override={"name": "1:nothing", "type": "Zeros"}),
    rule("Normal", override={"name": "0", "type": "Zeros", "layer": "Linear"}),
    rule("Normal", layer="Conv3d"),
    rule("Normal", layer="Conv2"),
    rule("Normal", layer="conv*"),
    rule("Normal", layer="5:wieght"),
    rule("Normal", layer="ReLU"),
]


@pytest.mark.parametrize("cfg", WRONG, ids=lambda cfg: re.sub(" at 0x[0-9a-f]+", "", repr(cfg)))
def test_what_is_wrong_with_a_rule(cfg):
    lab = InitLab(net(), init_cfg=[cfg], language="zh", namespace={})
    lab.diagnosis.disclosure.unfolded = True
    lab.diagnosis.progress.worker.wait(20)
    assert lab.last_error is None
    texts = [text for part in widgets(lab) for text in seen(part)]
    assert lab.plan is None or lab.plan_view.problems.text
    assert latin_words(texts, names_of(lab) | quoted(cfg) | CODE) == []
    lab.close()


class Flat(nn.Module):
    """One of each that no law can fill."""

    def __init__(self) -> None:
        super().__init__()
        self.lazy = nn.LazyLinear(3)
        self.whole = nn.Linear(2, 2)
        self.whole.weight = nn.Parameter(torch.zeros(2, 2, dtype=torch.int32), requires_grad=False)
        self.wide = nn.Linear(2, 2)
        self.wide.weight = nn.Parameter(torch.zeros(1, 2).expand(2, 2))


def test_why_a_parameter_is_left_as_it_is():
    found = plan(Flat(), {"type": "Normal", "layer": "Linear"})
    assert {row.name: explain_row(row, CHINESE) for row in found.rows if not row.law} == {
        "lazy.weight": "保持不变：它还没有形状：请先让一批数据通过这个惰性模块。",
        "lazy.bias": "保持不变：它还没有形状：请先让一批数据通过这个惰性模块。",
        "whole.weight": "保持不变：它的 dtype int32 不能按分布填充。"
        "它已冻结（requires_grad=False）。",
        "wide.weight": "保持不变：它是扩展出来的张量：各元素共享内存。",
    }
    lab = InitLab(Flat(), init_cfg={"type": "Normal", "layer": "Linear"}, language="zh")
    assert lab.plan_view.problems.text.splitlines() == [
        "规则 1：无法填充 whole.weight：它的 dtype int32 不能按分布填充。",
        "规则 1：无法填充 wide.weight：它是扩展出来的张量：各元素共享内存。",
    ]
    lab.close()


def write_checkpoints(folder: Path) -> None:
    """Write files that cannot be loaded."""
    torch.save({"other.weight": torch.zeros(3)}, folder / "other.pth")
    torch.save([1, 2], folder / "list.pth")
    (folder / "folder").mkdir()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "other.pth",
            "文件中的 1 个张量没有一个与模型匹配。"
            "文件中有 other.weight，模型中有 0.weight, 0.bias, 1.weight 等，另有 7 个。",
        ),
        ("list.pth", "检查点文件 {file} 中没有 state_dict。其中是 [1, 2]，不是 dict。"),
        ("folder", "{file} 是文件夹，而检查点是文件。"),
        ("othr.pth", "找不到 {file}。您是否要找 'other.pth'？"),
    ],
)
def test_a_checkpoint_that_cannot_be_loaded(tmp_path, name, message):
    write_checkpoints(tmp_path)
    file = str(tmp_path / name)
    lab = InitLab(net(), init_cfg={"type": "Pretrained", "checkpoint": file}, language="zh")
    lab.toolbar.initialize.click()
    assert lab.toolbar.status.text == (
        f"没有做任何改变。规则 1，checkpoint：{message.format(file=file)}"
    )
    lab.close()


def test_rules_that_need_a_batch():
    lab = InitLab(net(), init_cfg=[rule("LSUV")], language="zh")
    with pytest.raises(ConfigError, match="batch: Sequential does not run on it: RuntimeError: "):
        lab.apply()  # the shape is guessed by the first layer alone
    assert lab.toolbar.status.text.startswith("没有做任何改变。batch：Sequential ")
    lab.close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("labels", "labels 中没有张量：它的类型是 list。"),
        ("lables", "没有变量 'lables'。还没有变量保存着一批数据。"),
        ("3 by 3", "应为整数，例如 3, 32, 32，实际为 '3 by 3'。"),
    ],
)
def test_a_batch_that_is_none(text, message):
    lab = InitLab(net(), language="zh", namespace={"labels": [1, 2]})
    lab.diagnosis.disclosure.unfolded = True
    lab.diagnosis.progress.worker.wait(20)
    lab.diagnosis.shape.value = text
    lab.diagnosis.run.click()
    assert lab.diagnosis.notice.text == message
    lab.close()


class Halves(nn.Module):
    """A model that refuses what it gets."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise ValueError("半")


def test_a_model_that_fails_on_a_batch():
    lab = InitLab(Halves(), init_cfg=[], language="zh")
    lab.diagnosis.disclosure.unfolded = True
    lab.diagnosis.progress.worker.wait(20)
    lab.diagnosis.shape.value = "2, 3"
    lab.diagnosis.run.click()
    lab.diagnosis.progress.worker.wait(20)
    assert lab.diagnosis.notice.text == (
        "model：Halves 得到的输入为 (2, 3)：半.（保存在 last_error 中）"
    )
    lab.close()


def test_what_is_typed_into_a_field():
    lab = InitLab(net(), init_cfg=[rule("Kaiming"), rule("TruncNormal")], language="zh")
    for card in lab.rules.cards:
        card.initializer.arrange(expanded=True)
    first, second = (card.initializer.form for card in lab.rules.cards)
    assert first is not None and second is not None
    first["a"].control.value = "wide"
    second["bias_prob"].control.value = "[1]"
    assert lab.plan_view.problems.text.splitlines() == [
        "规则 1，a：应为：float，实际为：'wide'。",
        "规则 2，bias_prob：应为：float 或 None，实际为：[1]（list）。",
    ]
    lab.close()


def test_a_fourth_variant_and_an_unexpected_error():
    lab = InitLab(net(), language="zh")
    for _ in range(3):
        lab.variants.keep.click()
    lab.variants.keep.disabled = False
    lab.variants.keep.click()
    assert lab.variants.message == "BadValueError: variants：已保留 3 个。请先丢弃其中一个。"
    lab.close()


def test_the_builder(monkeypatch):
    monkeypatch.setenv("BRICKBOOK_LANGUAGE", "zh")
    bricks = ({"type": "Linear", "in_features": 9, "out_features": 2}, {"type": "ReLLU"})
    builder = Builder(Blueprint(bricks), input_shape=(3, 8, 8))
    assert [row.error for row in builder.preview.rows] == [
        "需要 3 × 8 × 9，得到的是 3 × 8 × 8。",
        "没有名为 'ReLLU' 的积木。您是否要找 'ReLU'？",
    ]
    builder.controls.shape.value = "3 by 8"
    assert builder.controls.shape_notice.text == "应为整数，例如 3, 32, 32，实际为 '3 by 8'。"
    builder.use()
    assert builder.notice.text == (
        "没有构建。bricks[1].type：没有名为 'ReLLU' 的积木。您是否要找 'ReLU'？"
    )
    builder.close()
