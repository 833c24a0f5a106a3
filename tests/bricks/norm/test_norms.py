"""Names of norms, what a norm_cfg may say, and the layer norm over channels."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from brickbook.bricks.norm import build_norm_layer, infer_abbr, is_norm
from brickbook.bricks.norm.channel import ChannelLayerNorm, ChannelRMSNorm
from brickbook.bricks.norm.grn import GRN
from brickbook.errors import ConfigError

ABBREVIATED = {
    "BN": "bn", "BN1d": "bn", "BN2d": "bn", "BN3d": "bn", "SyncBN": "bn", "GN": "gn", "LN": "ln",
    "IN": "in", "IN1d": "in", "IN2d": "in", "IN3d": "in",
}  # fmt: skip


def named(name, base=nn.Module, **attributes):
    return type(name, (base,), attributes)


@pytest.mark.parametrize("postfix", ["_test", 1, ""])
@pytest.mark.parametrize("name", ABBREVIATED)
def test_the_name_of_a_norm(name, postfix):
    groups = {"num_groups": 3} if name == "GN" else {}
    attribute, layer = build_norm_layer({"type": name, **groups}, 6, postfix=postfix)
    assert attribute == f"{ABBREVIATED[name]}{postfix}"
    if name == "GN":
        assert (layer.num_channels, layer.num_groups) == (6, 3)
    elif name == "LN":
        assert layer.normalized_shape == (6,)
    else:
        assert layer.num_features == 6


@pytest.mark.parametrize(
    ("kind", "abbreviation"),
    [
        (named("Anything", nn.BatchNorm2d, _abbr_="mybn"), "mybn"),
        (named("Anything", nn.InstanceNorm2d), "in"),
        (named("Anything", nn.BatchNorm1d), "bn"),
        (named("Anything", nn.GroupNorm), "gn"),
        (named("Anything", nn.LayerNorm), "ln"),
        (named("FancyBatchNorm"), "bn"),
        (named("FancyInstanceNorm"), "in"),
        (named("FancyLayerNorm"), "ln"),
        (named("FancyGroupNorm"), "gn"),
        (named("FancyNorm"), "norm_layer"),
        (nn.RMSNorm, "norm_layer"),
    ],
)
def test_infer_abbr(kind, abbreviation):
    assert infer_abbr(kind) == abbreviation


def test_infer_abbr_of_no_class():
    with pytest.raises(TypeError) as caught:
        infer_abbr(0)
    assert isinstance(caught.value, ConfigError)
    assert str(caught.value) == "class_type: expected a class, got 0."


def test_requires_grad_and_eps():
    cfg = dict(type="BN", requires_grad=False)
    layer = build_norm_layer(cfg, 4)[1]
    assert [p.requires_grad for p in layer.parameters()] == [False, False]
    assert cfg == dict(type="BN", requires_grad=False)
    assert all(p.requires_grad for p in build_norm_layer(dict(type="BN"), 4)[1].parameters())
    assert build_norm_layer(dict(type=nn.RMSNorm), 4)[1].eps == 1e-5
    assert build_norm_layer(dict(type="GN", num_groups=2, eps=1e-3), 4)[1].eps == 1e-3


def test_a_norm_without_eps():
    class Plain(nn.Module):
        def __init__(self, num_features):
            super().__init__()
            self.num_features = num_features

    name, layer = build_norm_layer(dict(type=Plain), 4, 2)
    assert (name, layer.num_features) == ("norm_layer2", 4)


def test_group_norms_of_other_classes():
    class OpenSignature(nn.GroupNorm):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)

    for kind in (named("Sub", nn.GroupNorm), OpenSignature):
        name, layer = build_norm_layer(dict(type=kind, num_groups=2), 4)
        assert (name, layer.num_groups, layer.num_channels) == ("gn", 2, 4)
    name, layer = build_norm_layer(dict(type=partial(nn.GroupNorm, 4)), 8, 1)
    assert (name, layer.num_groups, layer.num_channels) == ("gn1", 4, 8)


NORMS = [
    nn.BatchNorm1d(4), nn.BatchNorm2d(4), nn.BatchNorm3d(4), nn.InstanceNorm1d(4),
    nn.InstanceNorm2d(4), nn.InstanceNorm3d(4), nn.LayerNorm(4), nn.GroupNorm(2, 4),
    named("Sub", nn.BatchNorm2d)(4), nn.SyncBatchNorm(4), ChannelLayerNorm(4),
    nn.RMSNorm(4), ChannelRMSNorm(4), GRN(4),
]  # fmt: skip


@pytest.mark.parametrize("layer", NORMS, ids=lambda layer: type(layer).__name__)
def test_is_norm(layer):
    assert is_norm(layer)
    assert not is_norm(layer, exclude=type(layer))
    assert not is_norm(layer, exclude=(nn.Conv2d, type(layer)))
    assert is_norm(layer, exclude=(nn.Conv2d,))
    assert is_norm(layer, exclude=_BatchNorm) is not isinstance(layer, _BatchNorm)


@pytest.mark.parametrize("other", [nn.Conv2d(3, 4, 3), nn.Dropout(), "BN"])
def test_is_no_norm(other):
    assert not is_norm(other)


@pytest.mark.parametrize("exclude", ["BN", ("BN",)])
def test_is_norm_excludes_classes_only(exclude):
    with pytest.raises(TypeError) as caught:
        is_norm(nn.BatchNorm2d(4), exclude=exclude)
    assert str(caught.value) == f"exclude: expected a class or a tuple of classes, got {exclude!r}."


@pytest.mark.parametrize("shape", [(2, 6), (2, 6, 5), (2, 6, 5, 4), (2, 6, 5, 4, 3)])
def test_channel_layer_norm(shape):
    layer = ChannelLayerNorm(6)
    nn.init.normal_(layer.weight), nn.init.normal_(layer.bias)
    x = torch.randn(shape)
    y = layer(x)
    mean, var = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    per_channel = (6, *[1] * (len(shape) - 2))
    expected = (x - mean) / torch.sqrt(var + layer.eps)
    expected = expected * layer.weight.view(per_channel) + layer.bias.view(per_channel)
    torch.testing.assert_close(y, expected)
    assert y.shape == x.shape
    assert list(layer.state_dict()) == list(nn.LayerNorm(6).state_dict())
