"""The bundle of a depthwise and a pointwise ConvModule."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

from brickbook import MODELS, Blueprint, plan
from brickbook.bricks.depthwise_separable_conv_module import DepthwiseSeparableConvModule
from brickbook.errors import ConfigError

BN = dict(type="BN")
LEAKY = dict(type="LeakyReLU")
make = partial(DepthwiseSeparableConvModule, 3, 8, 2)


def parts(module):
    return module.depthwise_conv, module.pointwise_conv


def test_what_it_is_made_of():
    module = make()
    depthwise, pointwise = parts(module)
    assert [name for name, _ in module.named_children()] == ["depthwise_conv", "pointwise_conv"]
    assert (depthwise.conv.groups, depthwise.conv.out_channels) == (3, 3)
    assert (pointwise.conv.kernel_size, pointwise.conv.groups) == ((1, 1), 1)
    assert not depthwise.with_norm and not pointwise.with_norm
    assert type(depthwise.activate) is type(pointwise.activate) is nn.ReLU
    assert module(torch.rand(1, 3, 256, 256)).shape == (1, 8, 255, 255)


def test_the_first_takes_stride_padding_and_dilation():
    depthwise, pointwise = parts(make(stride=2, padding=1, dilation=2))
    assert (depthwise.stride, depthwise.padding, depthwise.dilation) == ((2, 2), 1, (2, 2))
    assert (pointwise.stride, pointwise.padding, pointwise.dilation) == ((1, 1), 0, (1, 1))


@pytest.mark.parametrize(
    ("kwargs", "norms"),
    [
        (dict(norm_cfg=BN), ("bn", "bn")),
        (dict(dw_norm_cfg=BN), ("bn", None)),
        (dict(pw_norm_cfg=BN), (None, "bn")),
        (dict(norm_cfg=BN, dw_norm_cfg=None), (None, "bn")),
        (dict(norm_cfg=BN, pw_norm_cfg=dict(type="LN")), ("bn", "ln")),
    ],
)
def test_norms(kwargs, norms):
    module = make(**kwargs)
    assert tuple(part.norm_name for part in parts(module)) == norms
    assert module(torch.rand(2, 3, 5, 5)).shape == (2, 8, 4, 4)


@pytest.mark.parametrize(
    ("kwargs", "kinds"),
    [
        (dict(act_cfg=LEAKY), (nn.LeakyReLU, nn.LeakyReLU)),
        (dict(dw_act_cfg=LEAKY), (nn.LeakyReLU, nn.ReLU)),
        (dict(pw_act_cfg=LEAKY), (nn.ReLU, nn.LeakyReLU)),
        (dict(act_cfg=None), (None, None)),
        (dict(pw_act_cfg=None), (nn.ReLU, None)),
        (dict(act_cfg=None, dw_act_cfg=LEAKY), (nn.LeakyReLU, None)),
    ],
)
def test_activations(kwargs, kinds):
    kept = copy.deepcopy(kwargs)
    found = tuple(getattr(part, "activate", None) for part in parts(make(**kwargs)))
    assert tuple(None if each is None else type(each) for each in found) == kinds
    assert kwargs == kept


def test_other_arguments_are_for_both():
    order = ("norm", "conv", "act")
    module = make(order=order, norm_cfg=BN, with_spectral_norm=True)
    assert all(part.order == order for part in parts(module))
    assert all(hasattr(part.conv, "weight_orig") for part in parts(module))
    module = DepthwiseSeparableConvModule(3, 8, 3, padding=1, padding_mode="reflect")
    assert isinstance(module.depthwise_conv.padding_layer, nn.ReflectionPad2d)
    assert module(torch.rand(1, 3, 16, 16)).shape == (1, 8, 16, 16)


def test_one_axis():
    module = make(conv_cfg=dict(type="Conv1d"), norm_cfg=dict(type="BN1d"))
    assert module(torch.rand(2, 3, 9)).shape == (2, 8, 8)


@pytest.mark.parametrize(
    ("kwargs", "builtin", "message"),
    [
        (dict(groups=2), AssertionError, "groups: it is in_channels and 1: leave it out."),
        (dict(dw_norm_cfg="BN"), AssertionError,
         "dw_norm_cfg: expected a dict, None or 'default', got 'BN'."),
        (dict(pw_act_cfg=["ReLU"]), AssertionError,
         "pw_act_cfg: expected a dict, None or 'default', got ['ReLU']."),
        (dict(norm_cfg="BN"), AssertionError, "norm_cfg: expected a dict or None, got 'BN'."),
        (dict(act_cfg=dict(type="relu")), KeyError,
         "act_cfg.type: relu is not in the activation layer registry. Did you mean 'ReLU'?"),
        (dict(strides=2), TypeError,
         "strides: ConvModule has no such argument. Did you mean 'stride'?"),
    ],
)  # fmt: skip
def test_messages(kwargs, builtin, message):
    with pytest.raises(builtin) as caught:
        make(**kwargs)
    assert isinstance(caught.value, ConfigError)
    assert str(caught.value) == message


def test_it_starts_as_its_parts_do():
    module = make(norm_cfg=BN)
    laws = {row.name: row.law for row in plan(module).rows}
    assert laws.keys() == {name for name, _ in module.named_parameters()}
    assert laws["depthwise_conv.conv.weight"].std == pytest.approx((2 / (3 * 4)) ** 0.5)
    assert laws["pointwise_conv.conv.weight"].std == pytest.approx((2 / 8) ** 0.5)
    assert laws["pointwise_conv.bn.weight"].mean == 1


def test_it_is_a_brick_of_blueprints():
    cfg = dict(type="DepthwiseSeparableConvModule", out_channels=8, kernel_size=3, norm_cfg=BN)
    model = Blueprint((cfg,)).build(input_shape=(3, 9, 9))
    assert model(torch.rand(2, 3, 9, 9)).shape == (2, 8, 7, 7)
    assert type(MODELS.build({**cfg, "in_channels": 4})) is DepthwiseSeparableConvModule
