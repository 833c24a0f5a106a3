"""The diagnosis: the classic failures are found and said, and healthy models get no word."""
# ruff: noqa: RUF001 - the commas, colons and brackets of Chinese are wide ones.

from __future__ import annotations

import math
from collections import OrderedDict
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision_support import import_torchvision

import brickbook
from brickbook import ConvModule, compare, diagnose, initialize, plan, probe, snapshot
from brickbook.errors import ConfigError
from brickbook.i18n import Texts
from brickbook.measure.diagnosis import RULES
from brickbook.measure.probe import Signal, Signals

FOUND = Texts("en").section("found")
KAIMING = {"type": "Kaiming", "mode": "fan_in", "nonlinearity": "relu", "layer": "Linear"}


def mlp(depth: int = 10, act: Any = nn.ReLU, width: int = 128) -> nn.Sequential:
    """Layers fc1, act1, fc2, …: the names make the sentences readable."""
    sizes = [width] * depth + [10]
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for at, (given, made) in enumerate(pairwise(sizes), 1):
        parts[f"fc{at}"] = nn.Linear(given, made)
        if at < depth:
            parts[f"act{at}"] = act()
    return nn.Sequential(parts)


def found(model: nn.Module, cfg: Any = None, shape: tuple[int, ...] | None = None, **options: Any):
    """What is said of a model after a start."""
    torch.manual_seed(0)
    report = None
    if cfg is not None:
        cfg = {"layer": "Linear", **cfg} if isinstance(cfg, dict) else cfg
        report = initialize(model, cfg, seed=0)
    else:
        for part in model.modules():
            if hasattr(part, "reset_parameters"):
                part.reset_parameters()
    signals = probe(model, input_shape=shape, **options) if shape else None
    return diagnose(model, report=report, signals=signals)


def sentences(findings: Any) -> list[str]:
    return [str(item) for item in findings]


# The classic failures, each with all that is said.
CLASSICS: dict[str, tuple[nn.Module, Any, list[str]]] = {
    "constant": (
        mlp(),
        {"type": "Constant", "val": 0.005},
        [
            "error: All rows are equal in 9 weights, and the next layers treat them alike: these "
            "units learn the same (fc1.weight, fc2.weight, fc3.weight and 6 more).",
            "note: The std of the signals shrinks 10× by layer 5 (fc5) and 76× by fc9: from "
            "0.059 to 7.7e-04.",
        ],
    ),
    "too small": (
        mlp(),
        {"type": "Normal", "std": 0.01},
        [
            "error: The gradients shrink 4.8e+08× on the way back from fc9 to fc1: their norm "
            "falls from 5.0e-14 to 1.1e-22.",
            "error: The std of the signals shrinks 10× by layer 2 (fc2) and 8.3e+08× by fc9: from "
            "0.11 to 1.4e-10.",
            "warning: The gain (std·√fan_in) is 0.11 in 8 layers before ReLU, which wants 1.41: "
            "from fc2 to fc9 that makes 6.1e+08× too little.",
        ],
    ),
    "too large": (
        mlp(),
        {"type": "Normal", "std": 1.0},
        [
            "error: The gradients grow 2.1e+07× on the way back from fc9 to fc1: their norm rises "
            "from 5.0e+08 to 1.1e+16.",
            "error: The std of the signals grows 10× by layer 3 (fc3) and 7.5e+07× by fc10: from "
            "11 to 8.4e+08.",
            "warning: The gain (std·√fan_in) is 11 in 8 layers before ReLU, which wants 1.41: "
            "from fc2 to fc9 that makes 1.6e+07× too much.",
        ],
    ),
    "too large in a small net": (
        mlp(3),
        {"type": "Normal", "std": 2.0},
        [
            "warning: The std of the signals grows 10× by layer 2 (fc2) and 310× by fc3: from 22 "
            "to 6900.",
            "note: The gain (std·√fan_in) of fc2 is 23, but ReLU follows, which wants 1.41: 16× "
            "too much.",
        ],
    ),
    "zeros": (
        mlp(),
        {"type": "Constant", "val": 0.0},
        [
            "error: All 10 weights are zeros: no gradient reaches any of them (fc1.weight, "
            "fc2.weight, fc3.weight and 7 more).",
            "note: Nothing but zeros arrives at 9 rectifiers (act1, act2, act3 and 6 more): "
            "whether their units are dead does not show.",
        ],
    ),
    "zeros before tanh": (
        mlp(act=nn.Tanh),
        {"type": "Constant", "val": 0.0},
        [
            "error: All 10 weights are zeros: no gradient reaches any of them (fc1.weight, "
            "fc2.weight, fc3.weight and 7 more).",
        ],
    ),
    "Xavier on ReLU": (
        mlp(20),
        {"type": "Xavier"},
        [
            "warning: The gradients shrink 210× on the way back from fc19 to fc1: their norm "
            "falls from 1.3e-04 to 6.0e-07.",
            "warning: The std of the signals shrinks 10× by layer 8 (fc8) and 570× by fc19: from "
            "0.99 to 0.0017.",
            "note: The gain (std·√fan_in) is 0.99 to 1 in 18 layers before ReLU, which wants "
            "1.41: from fc2 to fc19 that makes 520× too little.",
        ],
    ),
    "Kaiming on tanh": (
        mlp(act=nn.Tanh),
        KAIMING,
        [
            "note: The gain of 9 layers is 1.4, that of a ReLU, but Tanh follows, which wants 1 "
            "or 1.67 (fc1.weight, fc2.weight, fc3.weight and 6 more).",
        ],
    ),
    "too large before tanh": (
        mlp(act=nn.Tanh),
        {"type": "Normal", "std": 1.0},
        [
            "warning: The gradients grow 1,000× on the way back from fc9 to fc1: their norm rises "
            "from 2 to 2100.",
            "warning: More than 50 % of the outputs are saturated after 9 activations, up to 86 % "
            "after act1 (act1, act2, act3 and 6 more).",
            "warning: The gain (std·√fan_in) is 11 in 8 layers before Tanh, which wants 1 or "
            "1.67: from fc2 to fc9 that makes 4.4e+06× too much.",
            "note: Read as logits of 10 classes, the outputs start at a loss of 17, where a model "
            "that prefers no class has ln(10) = 2.3: their std is 11.",
        ],
    ),
    "negative bias": (
        mlp(4),
        {**KAIMING, "bias": -3.0},
        [
            "error: More than 50 % of the units are dead after 2 rectifiers, up to 100 % after "
            "act2 (act2, act3).",
        ],
    ),
    "deep sigmoid": (
        mlp(act=nn.Sigmoid),
        {"type": "Xavier"},
        [
            "warning: The gradients shrink 88,000× on the way back from fc9 to fc1: their norm "
            "falls from 0.016 to 1.8e-07.",
            "warning: All samples look alike from fc5 on: at fc10 the std over the batch is "
            "2.7e-06, of 0.55 over all elements.",
        ],
    ),
}


@pytest.mark.parametrize("case", CLASSICS)
def test_the_classic_failures_are_said(case):
    model, cfg, words = CLASSICS[case]
    assert sentences(found(model, cfg, (64, 128))) == words


@pytest.mark.parametrize("case", CLASSICS)
def test_a_plan_says_of_the_weights_what_the_weights_say_afterwards(case):
    model, cfg, words = CLASSICS[case]
    torch.manual_seed(0)
    messages = diagnose(model, plan=plan(model, {"layer": "Linear", **cfg}))
    assert [item.rule for item in messages] == [
        item.rule for item in found(model, cfg) if item.rule in ("symmetric", "zeros", "gain")
    ]
    assert len(messages) == len([word for word in words if "·√" in word or "weight" in word])


def rectangular(cfg: dict[str, Any]) -> Any:
    sizes = (10, 20, 200, 2000, 10)
    parts = [nn.Linear(*pair) for pair in pairwise(sizes)]
    model = nn.Sequential(*(p for part in parts for p in (part, nn.ReLU())))[:-1]
    return found(model, {**KAIMING, **cfg}, (64, 10))


def test_the_wrong_fan_of_a_rectangular_net_is_said():
    assert sentences(rectangular({"mode": "fan_out"})) == [
        "note: The std of 2 layers before ReLU fits fan_out, not fan_in: from Linear 2 to Linear "
        "4 that makes 10× too little for the signals."
    ]
    assert rectangular({}) == ()


HEALTHY_CONFIGS: dict[str, tuple[Any, Any]] = {
    "Kaiming": (nn.ReLU, KAIMING),
    "Kaiming with fan_out": (nn.ReLU, {**KAIMING, "mode": "fan_out"}),
    "uniform": (nn.ReLU, {**KAIMING, "distribution": "uniform"}),
    "Orthogonal": (nn.ReLU, {"type": "Orthogonal", "gain": math.sqrt(2)}),
    "Xavier": (nn.Tanh, {"type": "Xavier"}),
    "Xavier with the gain of tanh": (nn.Tanh, {"type": "Xavier", "gain": 5 / 3}),
    "GELU": (nn.GELU, KAIMING),
    "SELU": (nn.SELU, {"type": "LeCun"}),
    "LeakyReLU": (nn.LeakyReLU, KAIMING),
    "Identity": (nn.ReLU, {"type": "Identity"}),
}


@pytest.mark.parametrize("case", HEALTHY_CONFIGS)
def test_of_starts_that_fit_nothing_is_said(case):
    act, cfg = HEALTHY_CONFIGS[case]
    assert sentences(found(mlp(10, act), cfg, (64, 128))) == []


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_of_small_nets_as_torch_starts_them_nothing_is_said(depth):
    assert sentences(found(mlp(depth), None, (64, 128))) == []


DRIFT = "note: The std of the signals shrinks 10× by layer 5 (fc5) and {}× by {}."
GAINS = (
    "note: The gain (std·√fan_in) is 0.57 to 0.58 in {} layers before ReLU, which wants 1.41: {}"
)
AS_TORCH_STARTS_THEM = {
    6: [GAINS.format(4, "from fc2 to fc5 that makes 36× too little.")],
    8: [
        GAINS.format(6, "from fc2 to fc7 that makes 220× too little."),
        DRIFT.format(11, "fc7: from 0.62 to 0.054"),
    ],
}


@pytest.mark.parametrize("depth", AS_TORCH_STARTS_THEM)
def test_of_a_net_that_trains_as_torch_starts_it_no_more_is_said_than_a_note(depth):
    assert sentences(found(mlp(depth), None, (64, 128))) == AS_TORCH_STARTS_THEM[depth]


def test_gains_that_the_signals_do_not_bear_out_are_a_note():
    model = mlp(8)
    initialize(model, {"type": "Normal", "std": 0.025, "layer": "Linear"}, seed=0)
    with torch.no_grad():
        model.fc4.weight.mul_(40)
        model.fc7.weight.mul_(40)
    assert [(i.rule, i.severity) for i in diagnose(model)] == [("gain", "note")]
    initialize(model, {"type": "Normal", "std": 0.01, "layer": "Linear"}, seed=0)
    assert [(i.rule, i.severity) for i in diagnose(model)] == [("gain", "warning")]
    steady = probe(mlp(3), input_shape=(64, 128))
    assert [(i.rule, i.severity) for i in diagnose(model, signals=steady)] == [("gain", "note")]
    without = probe(mlp(3), input_shape=(64, 128), gradients=False)
    assert [i.severity for i in diagnose(model, signals=without)] == ["warning"]


# What must not be flagged


class Branch(nn.Module):
    """A residual branch, the last layer of which may start with zeros."""

    def __init__(self, norm: bool = True, scale: float = 1.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(32) if norm else nn.Identity()
        self.fc1, self.fc2 = nn.Linear(32, 64), nn.Linear(64, 32)
        self.scale = nn.Parameter(torch.full((32,), scale))

    def forward(self, x):
        return x + self.scale * self.fc2(F.gelu(self.fc1(self.norm(x))))


class GPT(nn.Module):
    """A small decoder: learned places, attention, the head tied to the embedding."""

    def __init__(self, depth: int = 6, width: int = 32) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(50, width), nn.Embedding(16, width)
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, norm_first=True, batch_first=True,
                                           activation="gelu")  # fmt: skip
        self.blocks = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 50, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, ids):
        mask = nn.Transformer.generate_square_subsequent_mask(ids.shape[1])
        x = self.tokens(ids) + self.places(torch.arange(ids.shape[1]))
        return self.head(self.norm(self.blocks(x, mask=mask, is_causal=True)))


def residual(zero: str, **options: Any) -> nn.Sequential:
    model = nn.Sequential(
        nn.Linear(16, 32), *(Branch(**options) for _ in range(8)), nn.Linear(32, 4)
    )
    for name, parameter in model.named_parameters():
        if zero and name.endswith(zero):
            nn.init.zeros_(parameter)
    return model


def headless(model: nn.Sequential) -> nn.Sequential:
    nn.init.zeros_(model[-1].weight)
    return model


NOT_FLAGGED: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "residual": (residual(""), (32, 16)),
    "residual without norms": (residual("", norm=False), (32, 16)),
    "last of a branch": (residual("fc2.weight"), (32, 16)),
    "last of a branch without norms": (residual("fc2.weight", norm=False), (32, 16)),
    "zero scale of norms": (residual("norm.weight"), (32, 16)),
    "LayerScale": (residual("", scale=1e-6), (32, 16)),
    "zero biases": (residual("bias"), (32, 16)),
    "zero output layer": (headless(mlp(4)), (64, 128)),
    "equal rows of the output layer": (
        nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 4)), (32, 8)
    ),
    "an average filter": (
        nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 8, 1)), (8, 4, 8, 8)
    ),
    "one unit": (nn.Sequential(nn.Linear(8, 1), nn.Linear(1, 1)), (32, 8)),
    "a norm after every layer": (
        nn.Sequential(*(
            part
            for _ in range(8)
            for part in (nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU())
        )),
        (32, 32),
    ),
    "a small batch": (mlp(3), (1, 128)),
    "recurrent": (nn.LSTM(8, 16, 2), (6, 4, 8)),
    "GPT": (GPT(), (8, 16)),
    "encoder": (
        nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), 4),
        (4, 8, 32),
    ),
    "lazy": (nn.Sequential(nn.LazyLinear(4)), ()),
    "meta": (nn.Sequential(nn.Linear(4, 4, device="meta"), nn.ReLU()), ()),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_FLAGGED)
def test_what_is_meant_to_be_so_is_not_flagged(case):
    model, shape = NOT_FLAGGED[case]
    if case == "equal rows of the output layer":
        nn.init.constant_(model[2].weight, 0.1)
        nn.init.zeros_(model[2].bias)
    if case == "an average filter":
        nn.init.constant_(model[0].weight, 1 / 9)
        nn.init.zeros_(model[0].bias)
    if case == "a norm after every layer":
        for part in model[::3]:
            nn.init.normal_(part.weight, 0, 1.0)
    signals = probe(model, input_shape=shape) if shape else None
    assert sentences(diagnose(model, signals=signals)) == []


@pytest.mark.parametrize("std", [0.02, 0.05])
def test_gpt_as_gpt2_starts_is_not_flagged(std):
    model = GPT()
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            small = name.endswith(("out_proj.weight", "linear2.weight"))
            nn.init.normal_(parameter, 0, std / math.sqrt(12) if small else std)
    assert sentences(diagnose(model, signals=probe(model, input_shape=(8, 16)))) == []


VISION: dict[str, Any] = {
    "resnet18": (lambda m: m.resnet18(num_classes=10), (4, 3, 64, 64), None),
    "resnet18 with zero gammas": (
        lambda m: m.resnet18(num_classes=10, zero_init_residual=True), (4, 3, 64, 64), None
    ),
    "resnet18 in eval": (lambda m: m.resnet18(num_classes=10).eval(), (4, 3, 64, 64), None),
    "resnet18 as in mmcv": (
        lambda m: m.resnet18(num_classes=10),
        (4, 3, 64, 64),
        [
            {"type": "Kaiming", "layer": "Conv2d"},
            {"type": "Constant", "val": 1, "layer": "BatchNorm2d"},
            {"type": "Normal", "std": 0.01, "layer": "Linear"},
        ],
    ),
    "mobilenet": (lambda m: m.mobilenet_v3_small(num_classes=10), (8, 3, 64, 64), None),
    "vit": (
        lambda m: m.VisionTransformer(
            image_size=32, patch_size=8, num_layers=4, num_heads=4, hidden_dim=32, mlp_dim=128,
            num_classes=10,
        ),
        (8, 3, 32, 32),
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", VISION)
def test_models_of_torchvision_are_not_flagged(case):
    if find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    make, shape, cfg = VISION[case]
    model = make(import_torchvision().models)
    report = initialize(model, cfg, seed=0) if cfg else None
    assert sentences(diagnose(model, report=report, signals=probe(model, input_shape=shape))) == []


# The rules one by one


def test_only_the_next_layer_tells_copies_apart():
    model = mlp(3)
    nn.init.constant_(model.fc1.weight, 0.1)
    nn.init.zeros_(model.fc1.bias)
    assert sentences(diagnose(model)) == [
        "warning: All 128 rows of fc1.weight are equal; only the next layer tells these units "
        "apart."
    ]
    nn.init.uniform_(model.fc1.bias)
    assert diagnose(model) == ()
    nn.init.zeros_(model.fc1.bias)
    nn.init.constant_(model.fc2.weight, 0.1)
    nn.init.zeros_(model.fc2.bias)
    assert sentences(diagnose(model)) == [
        "error: All 128 rows of fc1.weight are equal, and the next layer treats them alike: these "
        "units learn the same.",
        "warning: All 128 rows of fc2.weight are equal; only the next layer tells these units "
        "apart.",
    ]


def zeroed(model: nn.Module, *names: str) -> nn.Module:
    with torch.no_grad():
        for name in names:
            model.get_submodule(name).weight.zero_()
            model.get_submodule(name).bias.zero_()
    return model


ZEROS = {
    "before a rectifier": (
        zeroed(mlp(3), "fc2"),
        ["error: fc2.weight is all zeros before a rectifier: it gets no gradient, and nothing "
         "goes through."],
    ),
    "two before rectifiers": (
        zeroed(mlp(4), "fc1", "fc2"),
        ["error: 2 weights before a rectifier are all zeros: they get no gradient, and nothing "
         "goes through (fc1.weight, fc2.weight)."],
    ),
    "before tanh": (zeroed(mlp(3, nn.Tanh), "fc2"), []),
    "two in a row": (
        zeroed(mlp(4, nn.Tanh), "fc2", "fc3"),
        ["error: 2 weights in a row are all zeros: the gradient of each is zero because of the "
         "others (fc2.weight, fc3.weight)."],
    ),
    "two before sigmoids": (zeroed(mlp(4, nn.Sigmoid), "fc2", "fc3"), []),
    "two that are apart": (zeroed(mlp(5, nn.Tanh), "fc2", "fc4"), []),
    "a convolution": (
        zeroed(nn.Sequential(ConvModule(3, 4, 1), ConvModule(4, 4, 1)), "1.conv"),
        ["error: 1.conv.weight is all zeros before a rectifier: it gets no gradient, and nothing "
         "goes through."],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ZEROS)
def test_zeros_are_flagged_where_they_stop_learning(case):
    model, words = ZEROS[case]
    assert sentences(diagnose(model)) == words


def test_zeros_that_learn_do_learn_and_the_others_do_not():
    """The rule against the facts: one step of training moves a weight or does not."""
    for case, names in (("before a rectifier", ("fc2",)), ("two in a row", ("fc2", "fc3"))):
        model = ZEROS[case][0]
        model(torch.randn(8, 128)).sum().backward()
        assert not any(model.get_submodule(name).weight.grad.any() for name in names)
    for case in ("before tanh", "two before sigmoids"):
        model = ZEROS[case][0]
        model(torch.randn(8, 128)).sum().backward()
        assert model.fc2.weight.grad.any() or model.fc3.weight.grad.any()


def test_gains_of_conv_modules_count_and_those_before_norms_do_not():
    parts = [ConvModule(16, 16, 3, padding=1) for _ in range(6)]
    model = nn.Sequential(*parts)
    assert sentences(
        diagnose(model, plan=plan(model, {"type": "Normal", "std": 0.01, "layer": "Conv2d"}))
    ) == [
        "warning: The gain (std·√fan_in) is 0.12 in 5 layers before ReLU, which wants 1.41: from "
        "1.conv to 5.conv that makes 230,000× too little."
    ]
    with_norm = nn.Sequential(*(ConvModule(8, 8, 3, norm_cfg={"type": "BN"}) for _ in range(6)))
    for part in with_norm:
        nn.init.normal_(part.conv.weight, 0, 0.1)
    assert diagnose(with_norm) == ()


class PreNorm(nn.Module):
    """Adds what a branch gives: the norm of the next block takes the sum."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.stem, self.norm1, self.norm2 = nn.Linear(16, 16), nn.LayerNorm(16), nn.LayerNorm(16)
        self.branch, self.head = nn.Linear(16, 16), nn.Linear(16, 2)
        nn.init.normal_(self.stem.weight, 0, std)
        nn.init.normal_(self.branch.weight, 0, std)

    def forward(self, x):
        x = self.norm1(self.stem(x))
        return self.head(self.norm2(x + self.branch(x)))


@pytest.mark.parametrize(
    ("std", "said"),
    [
        (10.0, "is 40: the signals do not show it, but a step of SGD changes this weight 1,600× "
         "less than one of gain 1."),
        (0.025, "is 0.1: the signals do not show it, but a step of SGD changes this weight 100× "
         "more than one of gain 1."),
        (0.25, None),
    ],
)  # fmt: skip
def test_what_a_norm_hides_is_said_and_only_where_it_takes_the_output(std, said):
    model = PreNorm(std)
    for weight in (model.stem.weight, model.branch.weight):
        weight.data *= std / weight.data.square().mean().sqrt()
    assert "hidden" not in [item.rule for item in diagnose(model)]  # the order is not known
    signals = probe(model, input_shape=(64, 16))
    assert [row.name for row in signals if row.normed] == ["stem"]
    found = [str(item) for item in diagnose(model, signals=signals) if item.rule == "hidden"]
    begin = "note: The gain (std·√fan_in) of stem.weight before a norm "
    assert found == ([] if said is None else [begin + said])


def test_what_norms_hide_in_a_chain_is_said_of_a_plan():
    model = nn.Sequential(
        nn.Conv2d(16, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 4, 3), nn.GroupNorm(2, 4)
    )
    for std, said in ((1.0, "up to 12: "), (0.005, "down to 0.06: ")):
        todo = plan(model, {"type": "Normal", "std": std, "layer": "Conv2d"})
        [found] = [item for item in diagnose(model, plan=todo) if item.rule == "hidden"]
        assert f"The gain (std·√fan_in) of 2 weights before a norm is {said}" in found.text
        assert found.names == ("0.weight", "3.weight")


def test_functions_and_transposed_layers_count_too():
    class Tells(nn.Sequential):
        def activation_after(self, child_name):
            return torch.tanh if child_name != "0" else None

    model = Tells(nn.Linear(64, 64), nn.Linear(64, 64))
    initialize(model, KAIMING, seed=0)
    assert sentences(diagnose(model)) == [
        "note: The gain of 1.weight is 1.4, that of a ReLU, but Tanh follows, which wants 1 or "
        "1.67."
    ]
    turned = nn.Sequential(nn.ConvTranspose2d(64, 8, 1), nn.ReLU(), nn.ConvTranspose2d(8, 64, 1),
                           nn.ReLU(), nn.ConvTranspose2d(64, 8, 1))  # fmt: skip
    with torch.no_grad():
        for part in turned[::2]:
            part.weight.normal_(0, math.sqrt(2 / part.in_channels))
    assert diagnose(turned) == ()


def test_dead_and_saturated_units_are_said_one_by_one():
    model = nn.Sequential(OrderedDict(fc=nn.Linear(8, 50), relu3=nn.ReLU(), out=nn.Linear(50, 2)))
    with torch.no_grad():
        model.fc.weight[:31], model.fc.bias[:31] = 0, -1
    assert sentences(diagnose(signals=probe(model, input_shape=(64, 8)))) == [
        "warning: 62 % of units dead after relu3 (31 of 50, 64 samples each)."
    ]
    model = nn.Sequential(nn.Linear(8, 8), nn.Tanh())
    nn.init.constant_(model[0].bias, 9.0)
    assert sentences(diagnose(signals=probe(model, input_shape=(64, 8)))) == [
        "warning: 100 % of the outputs of Tanh 1 are saturated."
    ]


def test_where_nothing_arrives_it_is_said():
    model = nn.Sequential(OrderedDict(fc=nn.Linear(8, 50), relu3=nn.ReLU(), out=nn.Linear(50, 2)))
    nn.init.zeros_(model.fc.weight), nn.init.zeros_(model.fc.bias)
    signals = probe(model, input_shape=(64, 8))
    assert (signals["relu3"].dead, signals["relu3"].silent) == (None, True)
    assert sentences(diagnose(signals=signals)) == [
        "note: Nothing but zeros arrives at relu3: whether its units are dead does not show."
    ]


def test_samples_that_look_alike_are_said_though_the_units_differ():
    torch.manual_seed(0)
    model = mlp(5, nn.Tanh)
    initialize(model, {"type": "Xavier", "layer": "Linear"}, seed=0)
    with torch.no_grad():
        for layer in (model.fc2, model.fc3, model.fc4):
            layer.weight.mul_(0.05)
            layer.bias.uniform_(-1, 1)
    batch = torch.randn(64, 128)
    assert sentences(diagnose(signals=probe(model, batch, gradients=False))) == [
        "warning: All samples look alike from fc3 on: at fc5 the std over the batch is 5.1e-05, of "
        "0.45 over all elements."
    ]
    alike = torch.ones(64, 128) + 1e-4 * batch  # it is the batch's own
    assert diagnose(signals=probe(model, alike, gradients=False)) == ()
    assert diagnose(signals=probe(model, batch[:1], gradients=False)) == ()


class Labelled(nn.Module):
    """Gives logits and a loss, as the models of transformers do where labels are given."""

    def __init__(self, scale: float, smoothing: float = 0.0) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(50, 64), nn.Linear(64, 50, bias=False)
        self.smoothing = smoothing
        nn.init.normal_(self.head.weight, 0, scale / 8)

    def forward(self, ids, labels=None):
        logits = self.head(self.embed(ids))
        if labels is None:
            return logits
        loss = F.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), label_smoothing=self.smoothing
        )
        return {"loss": loss + 100, "logits": logits}


IDS = torch.arange(256).view(16, 16) % 50
LOSSES = {
    1.0: [],
    3.0: [
        "note: The loss starts at 6.8, where a model that prefers no class has ln(50) = 3.9: the "
        "std of the logits is 3."
    ],
    71.0: [
        "warning: The loss starts at 140, where a model that prefers no class has ln(50) = 3.9: "
        "the std of the logits is 71."
    ],
}


@pytest.mark.parametrize("scale", LOSSES)
def test_a_loss_far_above_guessing_is_said(scale):
    torch.manual_seed(0)
    model = Labelled(scale)
    batch = {"ids": IDS, "labels": IDS.roll(1, 1)}
    signals = probe(model, batch)
    assert sentences(diagnose(signals=signals)) == LOSSES[scale]
    assert signals.loss == pytest.approx(signals.cross_entropy + 100)
    assert (signals.classes, signals.expected_loss) == (50, math.log(50))
    given = probe(model, IDS, loss=lambda out: F.cross_entropy(out.flatten(0, 1), IDS.flatten()))
    assert [item.rule for item in diagnose(signals=given)] == ["loss"] * len(LOSSES[scale])


def test_outputs_of_a_large_scale_are_a_note_where_no_loss_tells_more():
    torch.manual_seed(0)
    assert sentences(diagnose(signals=probe(Labelled(71.0), IDS))) == [
        "note: Read as logits of 50 classes, the outputs start at a loss of 160, where a model "
        "that prefers no class has ln(50) = 3.9: their std is 71."
    ]
    model = nn.Linear(64, 3)
    nn.init.normal_(model.weight, 0, 9.0)
    assert sentences(diagnose(signals=probe(model, input_shape=(64, 64)))) == [
        "note: The std of the outputs is 70 (Linear): a softmax of them would have one class left."
    ]
    assert diagnose(signals=probe(nn.Sequential(Labelled(71.0), nn.LayerNorm(50)), IDS)) == ()


def test_half_of_the_units_equal_is_enough():
    model = mlp(3)
    with torch.no_grad():
        model.fc1.weight[64:], model.fc1.bias[64:] = model.fc1.weight[:64], model.fc1.bias[:64]
    words = ["warning: Only 64 of the 128 rows of fc1.weight differ: the other units start as "
             "copies of these."]  # fmt: skip
    assert sentences(diagnose(model)) == words
    with torch.no_grad():
        model.fc1.weight[:64] = model.fc1.weight[64]
        model.fc1.weight[64:] = torch.randn(64, 128)
        model.fc1.bias.zero_()
    assert sentences(diagnose(model)) == [words[0].replace("64 of", "65 of")]
    with torch.no_grad():
        model.fc2.weight[64:], model.fc2.bias[64:] = model.fc2.weight[:64], model.fc2.bias[:64]
    assert sentences(diagnose(model)) == [
        "warning: In 2 weights half of the rows or more are copies of others (fc1.weight, "
        "fc2.weight)."
    ]
    model = mlp(3)
    with torch.no_grad():
        model.fc1.weight[70:], model.fc1.bias[70:] = model.fc1.weight[:58], model.fc1.bias[:58]
        model.fc2.weight[64:] = model.fc2.weight[:64]  # their biases tell them apart
    assert diagnose(model) == ()


class Attends(nn.Module):
    """Attention by layers of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj, self.v_proj, self.out = (nn.Linear(64, 64) for _ in range(3))


HUGE = {
    "recurrent": (
        nn.LSTM(8, 64, 2),
        "warning: The gain (std·√fan_in) of 2 recurrent weights is up to 8, at every step: gates "
        "saturate, or the state explodes (weight_hh_l0, weight_hh_l1).",
    ),
    "a cell": (
        nn.GRUCell(8, 64),
        "warning: The gain (std·√fan_in) of weight_hh is 8, at every step: gates saturate, or the "
        "state explodes.",
    ),
    "attention": (
        nn.MultiheadAttention(64, 4),
        "warning: The gain (std·√fan_in) of in_proj_weight is 8: each query attends to one key "
        "alone.",
    ),
    "attention of one's own": (
        Attends(),
        "warning: The gain (std·√fan_in) of q_proj.weight is 7.9: each query attends to one key "
        "alone.",
    ),
}


@pytest.mark.parametrize("case", HUGE)
def test_huge_recurrent_and_attention_weights_are_said(case):
    model, text = HUGE[case]
    assert diagnose(model) == ()
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter)
    assert sentences(diagnose(model)) == [text]
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and "hh" in name:
            nn.init.orthogonal_(parameter)
        elif parameter.dim() > 1:
            nn.init.xavier_normal_(parameter)
    assert diagnose(model) == ()


def test_what_is_not_finite_is_said_first():
    model = mlp(3)
    with torch.no_grad():
        model.fc2.weight[0, :3] = math.nan
        model.fc2.bias[0] = math.inf
    messages = diagnose(model, signals=probe(model, input_shape=(32, 128)))
    assert sentences(messages)[:2] == [
        "error: 2 hold NaN or Inf: fc2.weight, fc2.bias.",
        "error: NaN or Inf first shows after fc2: 32 of 4,096 elements; 3 outputs have some.",
    ]
    with torch.no_grad():
        model.fc2.bias[0] = 0
    assert sentences(diagnose(comparison=compare(snapshot(mlp(3)), snapshot(model)))) == [
        "error: fc2.weight holds NaN or Inf: 3 of 16,384 elements."
    ]
    assert diagnose(model, plan=plan(model, KAIMING)) == ()  # will be overwritten


def drifting(stds: list[float], norms: tuple[int, ...] = ()) -> Signals:
    rows = []
    for at, std in enumerate(stds):
        rows.append(Signal(f"fc{at}", "Linear", "layer", (8, 8), 64, 0.0, std, 3 * std, units=8))
        if at in norms:
            rows.append(Signal(f"n{at}", "LayerNorm", "norm", (8, 8), 64, 0.0, 1.0, 3.0, units=8))
    return Signals(tuple(rows))


DRIFTS: dict[str, tuple[list[float], tuple[int, ...], list[str]]] = {
    "steady": ([1.0] * 9, (), []),
    "three beyond": ([1, 0.1, 0.05, 0.02, 1], (), ["10×"]),
    "two beyond": ([1, 0.5, 0.05, 0.02, 1], (), []),
    "the last is no signal": ([1, 1, 1, 0.01], (), []),
    "it comes back": ([1, 0.1, 0.05, 0.5, 0.02, 0.02, 0.02, 1], (), []),
    "a branch before a norm": ([1, 0.1, 0.05, 0.02, 1], (3,), []),
    "a long chain before a norm": ([1, 0.1, 0.05, 0.02, 0.01, 0.01, 1], (5,), ["10×"]),
    "it starts afresh": ([1, 0.1, 1, 0.1, 1, 0.1, 1], (1, 3, 5), []),
    "it grows": ([1, 10, 20], (), ["grows"]),
    "only the last is larger": ([0.1, 0.1, 2], (), []),
    "it stops": ([1, 0, 0, 0, 1], (), ["Nothing of the input is left from layer 2 (fc1) on"]),
    "never anything": ([0, 0, 0, 0, 0], (), []),
}


@pytest.mark.parametrize("case", DRIFTS)
def test_a_drift_is_one_that_stays(case):
    stds, norms, words = DRIFTS[case]
    messages = sentences(diagnose(signals=drifting(stds, norms)))
    assert len(messages) == len(words)
    assert all(word in text for word, text in zip(words, messages, strict=True))


def test_rules_of_a_config_that_do_nothing_and_what_they_leave():
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Conv1d(4, 4, 1), nn.GRU(4, 4))
    cfg = [{**KAIMING, "layer": ["Linear"]}, {**KAIMING, "layer": "Conv2D"}]
    messages = plan(model, cfg)
    assert sentences(diagnose(plan=messages)) == [
        "warning: init_cfg[1].layer: Conv2D matches nothing. Did you mean 'Conv1d'?",
        "note: 6 parameters are left as they are, no rule matches Conv1d, GRU: 2.weight, "
        "2.bias, 3.weight_ih_l0 and 3 more.",
    ]
    assert sentences(diagnose(report=initialize(model[:3], cfg[:1], seed=0))) == [
        "note: 2 parameters are left as they are, no rule matches Conv1d: 2.weight, 2.bias."
    ]
    assert diagnose(plan=plan(model)) == ()


LAWS = ("Normal", "Uniform", "TruncNormal", "Sparse", "Orthogonal", "Identity", "Dirac", "ZerO")


@pytest.mark.parametrize("kind", LAWS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_a_law_has_written_is_never_far_from_it(kind, dtype):
    options = {
        "Normal": {"std": 0.02},
        "Uniform": {"a": -0.1, "b": 0.1},
        "TruncNormal": {"std": 0.02, "a": -0.04, "b": 0.04},
        "Sparse": {"sparsity": 0.9},
    }.get(kind, {})
    layer = "Conv2d" if kind == "Dirac" else "Linear"
    for seed in range(5):
        model = nn.Sequential(nn.Linear(3, 2), nn.Linear(40, 30), nn.Conv2d(4, 4, 3)).to(dtype)
        before = snapshot(model)
        report = initialize(model, {"type": kind, "layer": layer, **options}, seed=seed)
        assert not [i for i in diagnose(model, report=report) if i.rule == "law"]
        seen = diagnose(plan=report.plan, comparison=compare(before, snapshot(model)))
        assert not [item for item in seen if item.rule == "law"]


def test_a_std_that_is_not_the_laws_is_said():
    model = mlp(3)
    report = initialize(model, {"type": "Normal", "std": 0.1, "layer": "Linear"}, seed=0)
    with torch.no_grad():
        model.fc2.weight.mul_(1.2)
        model.fc2.bias.add_(0.5)
    assert sentences(diagnose(model, report=report)) == [
        "warning: The std of 2 parameters is not their law's, most of all of fc2.bias: 0 instead "
        "of 0 (fc2.weight, fc2.bias)."
    ]


@pytest.mark.parametrize("factor, flagged", [(1.03, False), (1.08, True), (0.92, True)])
def test_how_far_is_far_depends_on_the_number_of_elements(factor, flagged):
    model = mlp(2)
    report = initialize(model, {"type": "Normal", "std": 0.1, "layer": "Linear"}, seed=0)
    with torch.no_grad():
        model.fc1.weight.mul_(factor)  # 16,384 elements: 0.02 + 6/√32768 = 0.053
        model.fc2.bias.mul_(factor)  # ten
    messages = [item for item in diagnose(model, report=report) if item.rule == "law"]
    assert bool(messages) is flagged
    if flagged:
        assert messages[0].text == (
            f"The std of fc1.weight is {messages[0].numbers['found']:.2g}, but Normal(0, 0.1) has "
            "0.1 (16,384 elements)."
        )


# As a whole


def test_the_worst_comes_first_then_the_models_order():
    model = mlp(12)
    cfg = [{"type": "Normal", "std": 0.01, "layer": "Linear"}, {"type": "Xavier", "layer": "Conv"}]
    report = initialize(model, cfg[:1], seed=0)
    with torch.no_grad():
        model.fc9.weight[0, 0], model.fc3.weight[:] = math.nan, 1.0
    options = {"report": report, "signals": probe(model, input_shape=(32, 128))}
    messages = diagnose(model, **options)
    assert [(item.severity, item.rule, item.subject) for item in messages] == [
        ("error", "not-finite", "fc9.weight"),
        ("error", "not-finite", "fc9"),
        ("warning", "symmetric", "fc3.weight"),
        ("warning", "law", "fc3.weight"),
        ("warning", "gain", "fc5.weight"),
        ("warning", "dead", "act5"),
        ("note", "gain", "fc2.weight"),
        ("note", "gain", "fc11.weight"),
    ]
    assert messages == diagnose(model, **options)
    config = diagnose(model, plan=plan(model, cfg), signals=options["signals"])
    assert [(item.severity, item.subject) for item in config[:2]] == [
        ("error", "fc9"),
        ("warning", "init_cfg[1].layer"),
    ]


def test_a_finding_has_its_rule_its_numbers_and_other_words():
    item = found(mlp(), {"type": "Normal", "std": 1.0})[0]
    assert (item.rule, item.severity, item.subject) == ("gain", "warning", "fc2.weight")
    assert item.about.title == "A gain that does not fit the activation"
    assert item.numbers["factor"] == pytest.approx(1.6e7, rel=0.05)
    assert len(item.names) == 8
    some = {"found.gain.high": "{factor} 倍: {names}", "list.more": "{names} 等 {more}"}
    assert item.translate({**Texts("en"), **some}) == (
        "1.6e+07 倍: fc2.weight, fc3.weight, fc4.weight 等 5"
    )
    data = item.to_dict()
    assert data["text"] == item.text and data["names"] == list(item.names)
    assert repr(item).startswith("Finding('gain', warning, 'The gain (std")


def test_every_rule_has_a_title_a_threshold_a_paragraph_and_sentences():
    for name, rule in RULES.items():
        assert name == rule.name and rule.title and rule.threshold
        assert len(rule.explain) > 200 and rule.explain.endswith(".")
        assert [key for key in FOUND if key == name or key.startswith(f"{name}.")]
    assert {key.split(".")[0] for key in FOUND} == set(RULES)
    assert set(Texts("zh").section("found")) == set(FOUND)  # which of them is said is found before


def test_findings_and_rules_are_said_in_another_language():
    chinese = Texts("zh")
    item = found(mlp(act=nn.Tanh), {"type": "Normal", "std": 1.0})[0]
    assert item.translate(chinese) == (
        "Tanh 之前的 8 层增益（std·√fan_in）为 11，而需要的是 1 或 1.67："
        "从 fc2 到 fc9 累计达到所需的 4.4e+06 倍。"
    )
    assert item.about.translate(chinese).threshold == (
        "一条链上的乘积偏离 8 倍（提示）或 1,000 倍（警告）；tanh 或 sigmoid 之前的增益"
        "与整流激活的增益相差不到 5 %（提示）"
    )
    for rule in RULES.values():
        assert rule.translate(Texts("en")) == rule
        there = rule.translate(chinese)
        assert there.name == rule.name and there.title != rule.title and there.explain[-1] == "。"


def test_there_must_be_something_to_look_at():
    with pytest.raises(ConfigError) as caught:
        diagnose()
    assert str(caught.value) == (
        "diagnose: expected something to look at: model, plan, report, comparison, signals or "
        "history."
    )
    assert diagnose(signals=Signals(())) == ()
    assert brickbook.diagnose is diagnose and brickbook.probe is probe


def test_nothing_of_the_model_changes():
    model = mlp(3)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.get_rng_state()
    diagnose(model, plan=plan(model, KAIMING))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
