"""How a ConvModule starts: the law, the gain, and mmcv's numbers for mmcv's defaults."""

import math

import pytest
import torch
from bricks_support import ACTIVATIONS, config_of
from torch import nn

from brickbook.bricks.conv_module import ConvModule
from brickbook.bricks.registry import CONV_LAYERS
from brickbook.init.execution import initialize
from brickbook.init.initializers import gain_of_module

BN = dict(type="BN")
LEAKY = dict(type="LeakyReLU", negative_slope=0.3)


@pytest.mark.parametrize(
    ("kwargs", "bias", "slope"),
    [
        (dict(), True, 0),
        (dict(norm_cfg=BN), False, 0),
        (dict(norm_cfg=BN, act_cfg=None), False, 0),
        (dict(norm_cfg=BN, act_cfg=dict(type="PReLU")), False, 0),
        (dict(norm_cfg=BN, act_cfg=dict(type="LeakyReLU")), False, 0.01),
        (dict(norm_cfg=BN, act_cfg=LEAKY), False, 0.3),
        (dict(act_cfg=LEAKY), True, 0.3),
    ],
)
def test_the_numbers_of_mmcv(kwargs, bias, slope):
    """The convolution draws torch's default, then Kaiming's law; nothing else draws."""
    torch.manual_seed(5)
    module = ConvModule(6, 8, 3, groups=2, **kwargs)
    after = torch.rand(1)
    torch.manual_seed(5)
    conv = nn.Conv2d(6, 8, 3, groups=2, bias=bias)
    nonlinearity = "leaky_relu" if slope else "relu"
    nn.init.kaiming_normal_(conv.weight, a=slope, mode="fan_out", nonlinearity=nonlinearity)
    assert torch.equal(module.conv.weight, conv.weight)
    assert torch.equal(torch.rand(1), after)
    if bias:
        assert module.conv.bias.abs().max() == 0
    if module.with_norm:
        assert module.bn.weight.eq(1).all() and module.bn.bias.eq(0).all()


@pytest.mark.parametrize("conv", ["Conv1d", "Conv3d", "deconv"])
def test_the_numbers_of_mmcv_for_other_convolutions(conv):
    torch.manual_seed(5)
    module = ConvModule(4, 8, 3, conv_cfg=dict(type=conv))
    torch.manual_seed(5)
    same = CONV_LAYERS.get(conv)(4, 8, 3)
    nn.init.kaiming_normal_(same.weight, mode="fan_out", nonlinearity="relu")
    assert torch.equal(module.conv.weight, same.weight)


SLOPES = {"LeakyReLU": 0.01, "PReLU": 0.25, "RReLU": (1 / 8 + 1 / 3) / 2}
FIXED = {"ReLU": math.sqrt(2), "Tanh": 5 / 3, "Sigmoid": 1.0}


NO_GAIN = ("GLU", "LogSoftmax", "Softmax", "Softmax2d", "Softmin")  # not elementwise


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_gain_is_the_activations(name):
    module = ConvModule(64, 128, 3, act_cfg=config_of(name))
    expected = 1 if name in NO_GAIN else FIXED.get(name) or gain_of_module(module.activate)
    if name in SLOPES:
        expected = math.sqrt(2 / (1 + SLOPES[name] ** 2))
    std = expected / math.sqrt(128 * 9)
    assert module.conv.weight.std().item() == pytest.approx(std, rel=0.02)


@pytest.mark.parametrize(
    ("kwargs", "gain"),
    [
        (dict(act_cfg=None), 1),
        (dict(act_cfg=dict(type=nn.LeakyReLU, negative_slope=1.0)), 1),
        (dict(act_cfg=dict(type="Tanh"), norm_cfg=BN), math.sqrt(2)),
        (dict(act_cfg=dict(type="Tanh"), norm_cfg=BN, order=("norm", "conv", "act")), 5 / 3),
        (dict(act_cfg=dict(type="Tanh"), norm_cfg=BN, order=("conv", "act", "norm")), 5 / 3),
        (dict(act_cfg=dict(type="Tanh"), norm_cfg=BN, order=("norm", "act", "conv")), 5 / 3),
        (dict(act_cfg=dict(type="Tanh"), norm_cfg=BN, order=("act", "conv", "norm")), math.sqrt(2)),
        (dict(act_cfg=None, norm_cfg=BN, order=("norm", "conv", "act")), 1),
    ],
)
def test_the_gain_of_an_order(kwargs, gain):
    module = ConvModule(64, 128, 3, **kwargs)
    assert module.conv.weight.std().item() == pytest.approx(gain / math.sqrt(128 * 9), rel=0.02)


@pytest.mark.parametrize("norm_cfg", [None, BN, dict(type="GN", num_groups=2)])
@pytest.mark.parametrize("name", [None, *ACTIVATIONS])
def test_the_default_init_cfg_says_what_init_weights_does(name, norm_cfg):
    module = ConvModule(4, 8, 3, norm_cfg=norm_cfg, act_cfg=name and config_of(name))
    before = torch.get_rng_state()
    init_cfg = module.default_init_cfg()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    module.init_weights()
    expected = {key: value.clone() for key, value in module.state_dict().items()}
    for parameter in module.parameters():
        if parameter is not getattr(getattr(module, "activate", None), "weight", None):
            nn.init.normal_(parameter)
    torch.manual_seed(2)
    initialize(module, init_cfg)
    assert all(torch.equal(expected[key], value) for key, value in module.state_dict().items())


def test_the_default_init_cfg_in_full():
    module = ConvModule(4, 8, 3, norm_cfg=BN)
    assert module.default_init_cfg() == [
        dict(type="Kaiming", mode="fan_out", nonlinearity="relu", override=dict(name="conv")),
        dict(type="Constant", val=1, override=dict(name="bn")),
    ]


def test_a_convolution_that_starts_itself():
    class ZeroConv(nn.Conv2d):
        def init_weights(self):
            nn.init.zeros_(self.weight)

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.init_weights()

    module = ConvModule(3, 8, 2, conv_cfg=dict(type=ZeroConv), norm_cfg=BN)
    assert module.conv.weight.abs().max() == 0
    assert [rule["override"]["name"] for rule in module.default_init_cfg()] == ["bn"]


def test_a_norm_that_starts_itself():
    module = ConvModule(3, 8, 2, norm_cfg=dict(type="GRN"))
    assert module.norm_name == "grn"
    assert module.grn.gamma.abs().max() == 0 and module.grn.beta.abs().max() == 0
    assert [rule["override"]["name"] for rule in module.default_init_cfg()] == ["conv"]
    nn.init.ones_(module.grn.gamma)
    module.init_weights()
    assert module.grn.gamma.eq(1).all()  # it is the norm's own affair
    initialize(module, dict(type="Constant", val=2, layer="GRN:gamma"))
    assert module.grn.gamma.eq(2).all()
