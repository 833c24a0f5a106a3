"""Arguments, messages and direct calls of the initialisers, and those that fill one role only."""

import math
from copy import deepcopy

import pytest
import torch
from laws_support import law_of
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from brickbook.errors import ConfigError
from brickbook.init.execution import initialize
from brickbook.init.initializers import (
    INITIALIZERS,
    BaseInit,
    ConstantInit,
    DeltaOrthogonalInit,
    DiracInit,
    IdentityInit,
    KaimingInit,
    LeCunInit,
    PriorBiasInit,
    SparseInit,
    Target,
    TruncNormalInit,
    VarianceScalingInit,
    XavierInit,
    ZeroGammaInit,
    ZerOInit,
    law_for,
    trunc_normal_init,
)
from brickbook.init.initializers.variance import truncated_normal
from brickbook.init.laws import Constant, Law, Normal, TruncNormal
from brickbook.registry import build_from_cfg


@pytest.mark.parametrize(
    ("init", "shape", "std"),
    [
        (XavierInit(in_axis=0, out_axis=1), (4, 8, 3), math.sqrt(2 / 36)),
        (KaimingInit(in_axis=0, out_axis=1, mode="fan_in"), (4, 8, 3), math.sqrt(2 / 12)),
        (VarianceScalingInit(in_axis=2, batch_axis=[1]), (8, 5, 4), math.sqrt(1 / 4)),
    ],
    ids=repr,
)
def test_laws_of_given_axes(init, shape, std):
    assert law_of(init, shape) == Normal(0.0, pytest.approx(std))


@pytest.mark.parametrize(
    ("axes", "least"),
    [
        ({}, 2),
        ({"in_axis": 2}, 3),
        ({"in_axis": -2, "out_axis": -1}, 2),
        ({"batch_axis": [2, 3]}, 4),
        ({"in_axis": [], "out_axis": 0}, 1),
    ],
)
def test_axes_say_how_many_dimensions_a_weight_needs(axes, least):
    assert XavierInit(**axes).min_dims == least


@pytest.mark.parametrize("init", [XavierInit, KaimingInit, LeCunInit, VarianceScalingInit])
def test_initialisers_take_axes(init):
    made = init(layer="Linear", in_axis=[0], out_axis=[1])
    assert law_of(made, (6, 4)) == law_of(init(), (4, 6))


def test_positions_of_arguments_are_still_mmcvs():
    assert KaimingInit(0.1, "fan_in", "leaky_relu", "uniform") == KaimingInit(
        a=0.1, mode="fan_in", nonlinearity="leaky_relu", distribution="uniform"
    )
    assert XavierInit(2.0, "uniform") == XavierInit(gain=2.0, distribution="uniform")
    law = law_of(TruncNormalInit(0.0, 1.0, -2.0, 1.0), ())
    assert law == TruncNormal(0.0, 1.0, -2.0, 1.0)


@pytest.mark.parametrize(
    ("args", "law"),
    [
        ((1.0, 0.5, -2, 2, "std"), TruncNormal(1.0, 0.5, 0.0, 2.0)),
        ((1.0, 0.5, -2, 2), TruncNormal(1.0, 0.5, -2, 2)),
        ((1.0, 0.0, -2, 2, "std"), Constant(1.0)),
        ((3.0, 0.0, -2, 2), Constant(2)),
    ],
)
def test_cut_points(args, law):
    assert truncated_normal(*args) == law


def test_the_std_of_a_cut_in_units_of_std_is_that_of_the_uncut_law_as_in_timm():
    law = law_of(TruncNormalInit(std=0.02, units="std"), ())
    assert law.std == pytest.approx(0.02 * 0.87962566)


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        (
            {"type": "Kaiming", "in_axis": "x"},
            "init_cfg.in_axis: expected int or list[int] or tuple[int, ...], got 'x' (str).",
        ),
        (
            {"type": "Kaiming", "in_axis": [0, True]},
            "init_cfg.in_axis: expected an int or a list of them, got [0, True].",
        ),
        ({"type": "Xavier", "in_axis": 0}, "init_cfg.out_axis: axis 0 is in in_axis too."),
        (
            {"type": "LeCun", "batch_axis": [2, 2]},
            "init_cfg.batch_axis: axis 2 is there twice.",
        ),
        (
            {"type": "TruncNormal", "units": "sigma"},
            "init_cfg.units: expected 'absolute' or 'std', got 'sigma'.",
        ),
        (
            {"type": "TruncNormal", "std": 0.02, "a": 50, "b": 60, "units": "std"},
            "init_cfg.a: N(0, 0.02²) has no mass between 50 and 60 std.",
        ),
        (
            {"type": "TruncNormal", "a": 3},
            "init_cfg.b: expected a or more (a=3), got 2.",
        ),
        ({"type": "Sparse"}, "init_cfg: SparseInit also needs sparsity."),
        (
            {"type": "Sparse", "sparsity": 1.5},
            "init_cfg.sparsity: expected 0 to 1, got 1.5.",
        ),
        (
            {"type": "Sparse", "sparsity": 0.5, "std": -1},
            "init_cfg.std: expected a finite number of 0 or more, got -1.",
        ),
        ({"type": "Dirac", "groups": 0}, "init_cfg.groups: expected 1 or more, got 0."),
        (
            {"type": "Identity", "gain": math.inf},
            "init_cfg.gain: expected a finite number, got inf.",
        ),
        (
            {"type": "PriorBias", "prior_prob": 1},
            "init_cfg.prior_prob: expected 0 < p < 1, got 1.",
        ),
        (
            {"type": "PriorBias", "bias": 1.0},
            "init_cfg.bias: PriorBias computes the bias from prior_prob.",
        ),
        (
            {"type": "PriorBias", "bias_prob": 0.5},
            "init_cfg.bias_prob: PriorBias computes the bias from prior_prob.",
        ),
        ({"type": "ZeroGamma", "bias": 1.0}, "init_cfg.bias: ZeroGammaInit writes no bias."),
        (
            {"type": "ZeroGamma", "bias_prob": 0.1},
            "init_cfg.bias_prob: ZeroGammaInit writes no bias.",
        ),
    ],
)
def test_config_messages(cfg, message):
    with pytest.raises(ConfigError) as caught:
        build_from_cfg(cfg, INITIALIZERS, path="init_cfg")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"in_axis": 3}, "in_axis: there is no axis 3 of a weight of shape (4, 5, 6)."),
        ({"batch_axis": -4}, "batch_axis: there is no axis -4 of a weight of shape (4, 5, 6)."),
        (
            {"in_axis": -3},
            "out_axis: axis 0 of a weight of shape (4, 5, 6) is in in_axis too.",
        ),
        (
            {"in_axis": [1, -2]},
            "in_axis: axis -2 of a weight of shape (4, 5, 6) is there twice.",
        ),
    ],
)
def test_axes_that_a_weight_does_not_have(axes, message):
    init = XavierInit(**axes)
    with pytest.raises(ConfigError) as caught:
        law_of(init, (4, 5, 6))
    assert str(caught.value) == message


CALLS = [
    (DeltaOrthogonalInit(layer="Conv2d", bias=0.5), nn.Conv2d(3, 6, 3)),
    (DiracInit(layer="Conv2d", bias=0.5), nn.Conv2d(3, 6, 3)),
    (IdentityInit(layer="Linear", bias=0.5), nn.Linear(3, 6)),
    (SparseInit(0.5, layer="Linear", bias=0.5), nn.Linear(3, 6)),
    (ZerOInit(layer="Linear", bias=0.5), nn.Linear(3, 6)),
    (ZerOInit(layer="Conv2d", bias=0.5), nn.Conv2d(3, 6, 3)),
]


@pytest.mark.parametrize(("init", "layer"), CALLS, ids=lambda value: type(value).__name__)
def test_an_initialiser_called_with_a_module(init, layer):
    torch.manual_seed(1)
    init(nn.Sequential(layer))
    wanted = torch.empty_like(layer.weight)
    torch.manual_seed(1)
    law_of(init, wanted.shape).fill(wanted)
    assert torch.equal(layer.weight, wanted)
    assert layer.bias.eq(0.5).all()


def test_a_prior_bias_leaves_the_weight_alone():
    net = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6))
    before = net[0].weight.detach().clone()
    PriorBiasInit(0.1, layer=["Linear", "BatchNorm1d"])(net)
    assert torch.equal(net[0].weight, before) and net[1].weight.eq(1).all()
    for part in net:
        torch.testing.assert_close(part.bias.sigmoid(), torch.full((6,), 0.1))
    assert PriorBiasInit.roles == {"bias"} and BaseInit.roles is None


def test_a_prior_bias_leaves_packed_weights_and_norms_of_a_named_module_alone():
    made = nn.ModuleDict(dict(head=nn.Sequential(nn.LayerNorm(4), nn.LSTM(4, 4), nn.Linear(4, 4))))
    called = deepcopy(made)
    report = initialize(made, dict(type="PriorBias", layer="head"))
    assert report.written == (
        "head.1.bias_ih_l0", "head.1.bias_hh_l0", "head.2.bias",
    )  # fmt: skip
    assert report["head.0.bias"].reason == "a norm met along with other layers keeps its own"
    PriorBiasInit(layer="head")(called)
    for name, tensor in made.state_dict().items():
        assert torch.equal(called.state_dict()[name], tensor), name


@pytest.mark.parametrize("kind", ["Normal", "TruncNormal", "Orthogonal"])
@pytest.mark.parametrize("layer", ["LSTM", "MultiheadAttention", "*:weight"])
def test_an_initialiser_called_does_what_initialize_does(kind, layer):
    """To packed weights, and to parametrised ones that are named."""

    def made():
        attention = nn.MultiheadAttention(4, 2)
        return nn.Sequential(nn.LSTM(6, 5), attention, weight_norm(nn.Linear(3, 3)))

    called, planned = made(), made()
    called.load_state_dict(planned.state_dict())
    torch.manual_seed(1)
    initialize(planned, dict(type=kind, layer=layer))
    torch.manual_seed(1)
    INITIALIZERS.build(dict(type=kind, layer=layer))(called)
    for name, tensor in planned.state_dict().items():
        assert torch.equal(called.state_dict()[name], tensor), name


def test_an_initialiser_called_refuses_what_its_law_cannot_fill():
    with pytest.raises(ConfigError) as caught:
        XavierInit(layer="Linear:bias")(nn.Linear(3, 3))
    words = "bias: Xavier needs 2 or more dimensions, Linear.bias has shape (3,)."
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("roles", "written"),
    [
        ({"weight"}, ["0.weight"]),
        ({"scale", "bias"}, ["0.bias", "1.weight", "1.bias"]),
        ({"embedding"}, ["2.weight"]),
        (None, ["0.weight", "0.bias", "1.weight", "1.bias", "2.weight"]),
    ],
)
def test_roles(roles, written, monkeypatch):
    net = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Embedding(5, 4))
    monkeypatch.setattr(ConstantInit, "roles", roles)
    ConstantInit(7.0, bias=7.0 if not roles or "bias" in roles else 0.0,
                 layer=["Linear", "LayerNorm", "Embedding"])(net)  # fmt: skip
    assert [name for name, p in net.named_parameters() if p.eq(7).all()] == written


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)
        self.downsample = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.shortcut = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
        self.one = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
        self.two = nn.Sequential(nn.Conv2d(4, 4, 3), nn.GroupNorm(2, 4), nn.ReLU())


class Direct(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.mlp = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
        self.shortcut = nn.LayerNorm(4)


@pytest.mark.parametrize(
    ("block", "chosen"),
    [
        (Block, ["bn2"]),
        (Nested, ["two.1"]),
        (Direct, ["norm"]),
        (lambda: nn.Sequential(nn.Linear(3, 3)), []),
        (lambda: nn.BatchNorm2d(3), []),
    ],
)
def test_zero_gamma_fills_the_last_norm_of_a_block(block, chosen):
    made = block()
    names = {module: name for name, module in made.named_modules()}
    assert [names[part] for part in ZeroGammaInit(layer="Block").modules_to_fill(made)] == chosen


@pytest.mark.parametrize("block", [Block, Nested, Direct])
def test_zero_gamma_called_with_a_model(block):
    net = nn.Sequential(block(), block())
    before = {name: value.clone() for name, value in net.state_dict().items()}
    ZeroGammaInit(layer=block.__name__)(net)
    changed = [n for n, value in net.state_dict().items() if not torch.equal(value, before[n])]
    last = {Block: "bn2", Nested: "two.1", Direct: "norm"}[block]
    assert changed == [f"0.{last}.weight", f"1.{last}.weight"]
    assert all(net.get_parameter(name).eq(0).all() for name in changed)


def test_zero_gamma_of_an_override_is_of_the_module_it_names():
    block = Block()
    init = ZeroGammaInit()
    init.wholemodule = True
    init(block)
    zeros = [name for name, p in block.named_parameters() if p.eq(0).all() and "weight" in name]
    assert zeros == ["bn2.weight"]


def test_a_direct_call_with_cut_points_in_the_wrong_order():
    with pytest.raises(ValueError) as caught:
        trunc_normal_init(nn.Linear(3, 3), a=2, b=1)
    assert str(caught.value) == "b: expected a or more (a=2), got 1."


def test_every_initialiser_of_the_registry_gives_its_law_by_one_method():
    arguments = {
        "Constant": {"val": 1.0},
        "Sparse": {"sparsity": 0.5},
        "DepthScaled": {"init": {"type": "Normal"}, "depth": 2},
        "MuP": {"init": {"type": "Normal"}, "base": {"weight": [4, 4, 3]}},
    }
    conv = nn.Conv1d(4, 4, 3)
    for name, kind in INITIALIZERS.module_dict.items():
        if name in ("Pretrained", "Identity", "Sparse", "GateBias"):
            continue
        init = kind(**arguments.get(name, {}))
        target = Target("weight", (4, 4, 3), "weight", conv, conv)
        assert isinstance(init.law(target), Law) and law_for(init, target) == init.law(target)
        bias = Target("bias", (4,), "bias", conv, conv)
        assert law_for(init, bias) == Constant(float(init.bias))
        assert not hasattr(init, "recipe")


def test_an_initialiser_of_ones_own_needs_a_law_alone():
    class Cosine(BaseInit):
        """In mmcv's style: a constructor of its own, attributes, no dataclass."""

        def __init__(self, amplitude, **kwargs):
            super().__init__(**kwargs)
            self.amplitude = amplitude

        def law(self, target):
            return Normal(0.0, self.amplitude / target.shape[0])

    net = nn.Sequential(nn.Linear(3, 4), nn.LSTM(3, 5))
    report = initialize(net, dict(type=Cosine, amplitude=2.0, bias=1.0, layer=["Linear", "LSTM"]))
    assert report["0.weight"].law == "Normal(0, 0.5)"
    assert report["1.weight_ih_l0"].law == "Normal(0, 0.4)"  # of one gate
    assert net[0].bias.eq(1).all()
