from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brickbook.blueprint import Blueprint
from brickbook.init.execution import initialize
from brickbook.init.planning import plan
from brickbook.lab import InitLab
from brickbook.lab.init.presets import initial_init_cfg
from brickbook.lab.init.presets.good_start import find_heads
from brickbook.measure.diagnosis import diagnose
from brickbook.measure.probe import probe

SMALL_HEAD = {"type": "VarianceScaling", "scale": 0.01}


def first_notebook() -> nn.Module:
    conv = {"type": "ConvModule", "kernel_size": 3, "padding": 1, "norm_cfg": {"type": "BN"}}
    return Blueprint((
        {**conv, "in_channels": 3, "out_channels": 16}, {"type": "MaxPool2d", "kernel_size": 2},
        {**conv, "in_channels": 16, "out_channels": 32}, {"type": "MaxPool2d", "kernel_size": 2},
        {"type": "Flatten"}, {"type": "Linear", "in_features": 2048, "out_features": 10},
    )).build()  # fmt: skip


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, channels, 3, 1, 1), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, 1, 1), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(x + self.bn2(self.conv2(y)))


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(16, 50)  # first: what it is called tells what it is for
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1), nn.BatchNorm2d(16)
        self.layers = nn.Sequential(*(Block(16) for _ in range(4)))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layers(F.relu(self.bn1(self.conv1(x)))).mean((2, 3)))


def encoder_layer() -> nn.Module:
    return nn.TransformerEncoderLayer(
        64, 4, 128, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )


class ViT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch, self.cls_token = nn.Conv2d(3, 64, 8, 8), nn.Parameter(torch.zeros(1, 1, 64))
        self.blocks = nn.Sequential(*(encoder_layer() for _ in range(4)))
        self.norm, self.head, self.head_dist = (
            nn.LayerNorm(64),
            nn.Linear(64, 100),
            nn.Linear(64, 100),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = self.norm(self.blocks(torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1)))
        return self.head(x[:, 0]) + self.head_dist(x[:, 1])


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.RNNBase], tied: bool = False) -> None:
        super().__init__()
        self.emb, self.rnn = nn.Embedding(30, 32, padding_idx=0), kind(32, 32, 2, batch_first=True)
        self.fc = nn.Linear(32, 30)
        if tied:
            self.fc.weight = self.emb.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.rnn(self.emb(x))[0][:, -1])


class LanguageModel(nn.Module):
    def __init__(self, tied: bool) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(200, 64), nn.Embedding(16, 64)
        self.h = nn.ModuleList(encoder_layer() for _ in range(4))
        self.ln_f, self.lm_head = nn.LayerNorm(64), nn.Linear(64, 200, bias=False)
        if tied:
            self.lm_head.weight = self.wte.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x)).flatten(0, 1)


def mlp(activation: type[nn.Module]) -> nn.Module:
    hidden = (part for _ in range(8) for part in (nn.Linear(64, 64), activation()))
    return nn.Sequential(*hidden, nn.Linear(64, 10))


def generator() -> nn.Module:
    return nn.Sequential(
        nn.ConvTranspose2d(20, 32, 4), nn.BatchNorm2d(32), nn.ReLU(),
        nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip


def vgg() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(2048, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 10),
    )  # fmt: skip


IDS, IMAGES = torch.randint(1, 30, (32, 12)), torch.randn(32, 3, 32, 32)
ATTENTION = {"type": "LeCun", "layer": ["MultiheadAttention", "Conv2d", "Linear"]}
KAIMING = {"type": "Kaiming", "mode": "fan_in"}
AUTO = {**KAIMING, "nonlinearity": "auto"}
ONE = {"type": "Constant", "val": 1}
EMBEDDING = {"type": "Normal", "std": 0.02}


def recurrent_rules(kind: str) -> list[dict[str, object]]:
    return [
        {"type": "Xavier", "distribution": "uniform", "layer": [kind]},
        {"type": "Orthogonal", "layer": [f"{kind}:weight_hh*"]},
        *([{"type": "GateBias", "layer": [kind]}] if kind == "LSTM" else []),
    ]


def with_head(law: dict[str, object], layer: list[str], *names: str) -> dict[str, object]:
    heads = [{**SMALL_HEAD, "name": name} for name in names]
    return {**law, "layer": layer, "override": heads[0] if len(heads) == 1 else heads}


CASES = {
    "the first notebook's": (
        first_notebook(), IMAGES, 10,
        [with_head(AUTO, ["Conv2d", "Linear"], "5"), {**ONE, "layer": ["BatchNorm2d"]}],
    ),
    "residual": (
        ResNet(), IMAGES, 50,
        [with_head(KAIMING, ["Linear", "Conv2d"], "fc"), {**ONE, "layer": ["BatchNorm2d"]}],
    ),
    "vision transformer": (
        ViT(), IMAGES, 100,
        [with_head({"type": "LeCun"}, ["MultiheadAttention", "Conv2d", "Linear"], "head",
                   "head_dist"), {**ONE, "layer": ["LayerNorm"]}],
    ),
    "LSTM": (
        Recurrent(nn.LSTM), IDS, 30,
        [with_head(KAIMING, ["Linear"], "fc"), *recurrent_rules("LSTM"),
         {"type": "Normal", "std": 1, "layer": ["Embedding"]}],
    ),
    "GRU whose output is tied": (
        Recurrent(nn.GRU, tied=True), IDS, 30,
        [{**KAIMING, "layer": ["Linear"], "override": {**EMBEDDING, "name": "fc"}},
         *recurrent_rules("GRU"), {**EMBEDDING, "layer": ["Embedding"]}],
    ),
    "language model": (
        LanguageModel(tied=False), IDS, 200,
        [with_head({"type": "LeCun"}, ["MultiheadAttention", "Linear"], "lm_head"),
         {**EMBEDDING, "layer": ["Embedding"]}, {**ONE, "layer": ["LayerNorm"]}],
    ),
    "language model whose output is tied": (
        LanguageModel(tied=True), IDS, 200,
        [{"type": "LeCun", "layer": ["MultiheadAttention", "Linear"],
          "override": {**EMBEDDING, "name": "lm_head"}},
         {**EMBEDDING, "layer": ["Embedding"]}, {**ONE, "layer": ["LayerNorm"]}],
    ),
    "ReLUs": (mlp(nn.ReLU), torch.randn(64, 64), 10, [with_head(AUTO, ["Linear"], "16")]),
    "tanhs": (mlp(nn.Tanh), torch.randn(64, 64), 10, [with_head(AUTO, ["Linear"], "16")]),
    "without norms": (vgg(), IMAGES, 10, [with_head(AUTO, ["Conv2d", "Linear"], "10")]),
    "generator": (
        generator(), torch.randn(32, 20, 1, 1), None,
        [{**AUTO, "layer": ["ConvTranspose2d"]}, {**ONE, "layer": ["BatchNorm2d"]}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_default_preset_starts_at_chance_and_keeps_the_signals(case):
    model, batch, classes, rules = CASES[case]
    assert initial_init_cfg(model) == rules
    todo = plan(model, rules, strict=True)
    left = [row.name for row in todo.rows if row.law is None]
    assert set(left) <= {"cls_token", "fc.weight", "lm_head.weight"}
    report = initialize(model, rules, seed=0)
    signals = probe(model, batch)
    with torch.no_grad():
        output = model(batch)
    if classes is None:
        assert 0.2 < output.std() < 0.9
    else:
        label_free_loss = -F.log_softmax(output, 1).mean()
        assert output.std() < 0.6
        assert math.log(classes) <= label_free_loss < math.log(classes) + 0.15
    found = diagnose(model, report=report, signals=signals)
    assert [item.rule for item in found] == (["untouched"] if "cls_token" in left else [])


def test_the_panel_opens_with_it():
    lab = InitLab(first_notebook())
    assert lab.state.to_init_cfg() == CASES["the first notebook's"][3]
    assert lab.rules.presets.value == "by_kind" and not lab.plan_view.problems.text
    lab.close()


class Named(nn.Module):
    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


def linear() -> nn.Module:
    return nn.Linear(4, 4)


@pytest.mark.parametrize(
    ("model", "heads"),
    [
        (nn.ReLU(), []),
        (nn.Linear(2, 2), []),
        (nn.TransformerEncoder(encoder_layer(), 2, enable_nested_tensor=False), []),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), []),
        (nn.Sequential(nn.Linear(4, 4), nn.Sigmoid()), []),
        (nn.Sequential(nn.Linear(4, 4), nn.LogSoftmax(1)), ["0"]),
        (Named(fc1=linear(), fc2=linear(), fc3=linear()), ["fc3"]),
        (Named(fc=linear(), out=linear()), ["out"]),
        (Named(cls_head=linear(), body=linear(), reg_head=nn.Sequential(linear(), linear())),
         ["cls_head", "reg_head.1"]),
        (Named(conv_head=nn.Conv2d(4, 4, 1), bn2=nn.BatchNorm2d(4), classifier=linear()),
         ["classifier"]),
        (Named(net=Named(body=linear(), fc=linear())), ["net.fc"]),
        (Named(net=Named(body=linear(), mixer=linear())), []),
        (Named(down=linear(), sa_heads=nn.MultiheadAttention(4, 2), lm_head=linear()),
         ["lm_head"]),
    ],
)  # fmt: skip
def test_the_head_is_found_by_its_name_or_its_place(model, heads):
    assert find_heads(model) == heads
