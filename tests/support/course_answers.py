"""For each exercise of the course a right answer and plausible wrong ones."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import nn

from brickbook import base_shapes, race, trace
from brickbook.bricks import ACTIVATION_LAYERS
from brickbook.course.architectures import mup_rule, wide_net

KAIMING = dict(type="Kaiming", layer="Conv2d")
BUNDLE = dict(
    type="ConvModule", in_channels=3, out_channels=8, kernel_size=3, stride=2, padding=1,
    norm_cfg=dict(type="GN", num_groups=4), act_cfg=dict(type="LeakyReLU"),
)  # fmt: skip
CONV = dict(type="Conv2d", in_channels=16, out_channels=16, kernel_size=3, padding=1)
SMALL = dict(type="Normal", std=0.02, layer=["Linear", "Embedding"])
SCALED = dict(
    type="DepthScaled", init=dict(type="Normal", std=0.02), depth=12, layer=["*.proj", "*.fc_proj"]
)
HEAD = dict(type="Normal", std=0.001, name="head")
FC = {"fc.weight", "fc.bias"}


class Squared(nn.Module):
    def forward(self, x):
        return x**2


class SquaredReLU(nn.Module):
    def forward(self, x):
        return x.clamp(min=0) ** 2


class Forgetful(nn.Module):
    """A model whose start reaches one of its three matrices."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.fc = nn.Embedding(64, 32), nn.Linear(32, 64)
        self.head = nn.Linear(64, 64)
        nn.init.normal_(self.fc.weight, std=0.02)


def started(*, embedding: bool = True, std: float = 0.02) -> nn.Module:
    model = Forgetful()
    for module in model.modules():
        kinds = (nn.Linear, nn.Embedding) if embedding else (nn.Linear,)
        if isinstance(module, kinds):
            nn.init.normal_(module.weight, std=std)
    return model


def own_type(kind: type[nn.Module]) -> str:
    name = f"{kind.__name__}OfTheCourse"
    if name not in ACTIVATION_LAYERS:
        ACTIVATION_LAYERS.register_module(name=name, module=kind)
    return name


def short_race() -> Any:
    inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    starts = {"torch": None, "zeros": dict(type="Constant", val=0, layer="Linear")}
    return race(
        partial(nn.Linear, 4, 2), starts, (inputs, inputs @ torch.ones(4, 2)), steps=8, seeds=1,
        optimizer=partial(torch.optim.SGD, lr=0.1),
    )  # fmt: skip


def answers() -> dict[str, tuple[Any, list[Any]]]:
    """Return the right answer and the wrong ones of every exercise."""
    history, ran = trace(Forgetful), short_race()
    best = min(ran.variants, key=lambda name: ran.curve(name).mean[-1])
    other = next(name for name in ran.variants if name != best)
    linear = dict(type="Normal", std=0.01, layer="Linear")
    body = ["body.0.weight", "body.0.bias", "body.2.weight", "body.2.bias"]
    wrapper = dict(optimizer=dict(type="SGD", lr=0.1), clip_grad=dict(max_norm=1.0))
    head = dict(type="Kaiming", mode="fan_in", layer="Linear", override=HEAD)
    return {
        "01.1": (464, [448, 432, 500]),
        "01.2": (
            [KAIMING, linear],
            [[KAIMING, dict(type="Normal", layer="Linear")],
             dict(type="Normal", std=0.01, layer=["Conv2d", "Linear"]), KAIMING],
        ),
        "01.3": (math.log(10), [1.0, 0.1, "ln 10"]),
        "02.1": (
            BUNDLE,
            [{**BUNDLE, "padding": 0}, {**BUNDLE, "act_cfg": dict(type="ReLU")},
             {**BUNDLE, "type": "ConvModul"}],
        ),
        "02.2": (own_type(SquaredReLU), [own_type(Squared), "ReLU"]),
        "02.3": (
            dict(type="Residual", body=[CONV]),
            [CONV, [dict(type="Residual", body=[CONV]), dict(type="ReLU")],
             dict(type="Residual", body=[dict(type="ReLU")])],
        ),
        "03.1": (
            lambda fan_in: math.sqrt(2 / fan_in),
            [lambda fan_in: 2 / fan_in, lambda fan_in: 1 / math.sqrt(fan_in),
             lambda fan_in: fan_in / 0],
        ),
        "03.2": (0.1732, [0.1, 0.0577]),
        "03.3": ((576, 1152), [(1152, 576), (64, 128), (192, 384)]),
        "04.1": (head, [{**head, "override": dict(HEAD, name="haed")},
                        dict(type="Kaiming", mode="fan_in", layer="Linear")]),
        "04.2": (2, [1, 3]),
        "04.3": (body, [["head.weight"], body[:1]]),
        "05.1": (1, [16, 0]),
        "05.2": (1.2e-16, [0.16, 3.2]),
        "05.3": (1 / 16, [1 / 256, math.sqrt(2 / 256)]),
        "06.1": (
            lambda a: math.sqrt(2 / (1 + a**2)),
            [lambda a: math.sqrt(2), lambda a: 2 / (1 + a**2)],
        ),
        "06.2": (
            dict(type="Xavier", layer="Linear"),
            [dict(type="Normal", std=0.01, layer="Linear"), dict(type="Normal", layer="Linear")],
        ),
        "06.3": (
            lambda x: (x == 0).all(0).float().mean(),
            [lambda x: (x == 0).float().mean(), lambda x: (x == 0).all(1).float().mean()],
        ),
        "07.1": (1024, [11, 32]),
        "07.2": (
            [KAIMING, dict(type="ZeroGamma", layer="BasicBlock")],
            [dict(type="Constant", val=0, layer="_BatchNorm"), KAIMING],
        ),
        "07.3": (lambda depth: depth**-0.5, [lambda depth: 1 / depth, math.sqrt]),
        "08.1": (8, [64, 32]),
        "08.2": (0.0025, [0.005, 0.01]),
        "08.3": (
            mup_rule(base_shapes(wide_net(64))),
            [mup_rule(base_shapes(wide_net(512))),
             dict(type="Normal", std=0.1, layer="Linear")],
        ),
        "09.1": (
            lambda before, after: (after - before).norm() / before.norm(),
            [lambda before, after: (after - before).norm(),
             lambda before, after: before.norm() / (after - before).norm()],
        ),
        "09.2": (0.02, [0.002, 0.01]),
        "09.3": ((ran, best), [(ran, other), (ran, "nobody")]),
        "10.1": (
            (history, ["table.weight", "head.weight"]),
            [(history, ["table.weight"]), (history, ["table.weight", "head.weight", "fc.weight"])],
        ),
        "10.2": (started, [partial(started, embedding=False), partial(started, std=0.2)]),
        "10.3": (3, [2, 1]),
        "11.1": ("backbone.", ["", "head", "model."]),
        "11.2": (
            [(r"^module\.encoder_q\.", "")],
            [[(r"^module\.encoder_q(_ema)?\.", "")], [("^encoder_q", "")], [("encoder_q.", "")]],
        ),
        "11.3": (FC, [["fc.weight"], ["conv1.weight"]]),
        "12.1": (14, [28, 112]),
        "12.2": ("name", ["ranks", "order"]),
        "12.3": (1.75, [0.4375, 112]),
        "13.1": (8, [64, 0.125]),
        "13.2": (
            [SMALL, SCALED],
            [SMALL, [dict(SMALL, layer="Linear"), SCALED], [SMALL, {**SCALED, "per_block": 1}]],
        ),
        "13.3": (10.82, [15.62, 50257]),
        "14.1": (
            dict(optim_wrapper=wrapper),
            [dict(optimizer=dict(type="SGD", lr=0.1)),
             dict(optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1),
                                     grad_clip=dict(max_norm=1.0)))],
        ),
        "14.2": (0.2, [0.025, 0.05]),
        "14.3": (0.055, [0.05, 0.01]),
    }  # fmt: skip
