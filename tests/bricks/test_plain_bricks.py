"""The bricks that are no bundle: weight standardisation, adaptive padding, dropout, scales, GRN."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from brickbook import Blueprint, initialize, plan
from brickbook.bricks.conv2d_adaptive_padding import Conv2dAdaptivePadding
from brickbook.bricks.conv_module import ConvModule
from brickbook.bricks.conv_ws import ConvAWS2d, ConvWS2d, conv_ws_2d
from brickbook.bricks.drop import Dropout, DropPath, build_dropout, drop_path
from brickbook.bricks.layer_scale import LayerScale
from brickbook.bricks.norm import build_norm_layer
from brickbook.bricks.norm.channel import ChannelRMSNorm
from brickbook.bricks.norm.grn import GRN
from brickbook.bricks.padding import build_padding_layer
from brickbook.bricks.scale import Scale
from brickbook.bricks.upsample import build_upsample_layer
from brickbook.errors import ConfigError
from brickbook.init.execution.materialize import materialize


def test_conv_ws_is_a_convolution_with_a_standardised_weight():
    layer, x = ConvWS2d(4, 6, 3, stride=2, padding=1, groups=2, eps=1e-3), torch.randn(2, 4, 9, 9)
    flat = layer.weight.detach().flatten(1)
    weight = (flat - flat.mean(1, keepdim=True)) / (flat.std(1, keepdim=True) + 1e-3)
    expected = F.conv2d(x, weight.view_as(layer.weight), layer.bias, 2, 1, groups=2)
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(
        conv_ws_2d(x, layer.weight, layer.bias, 2, 1, groups=2, eps=1e-3), expected
    )
    shifted = conv_ws_2d(x, 5 * layer.weight + 3, layer.bias, 2, 1, groups=2)
    torch.testing.assert_close(shifted, expected, atol=1e-2, rtol=1e-2)
    assert repr(layer).endswith("groups=2, eps=0.001)")


@pytest.mark.parametrize("kind", [ConvWS2d, ConvAWS2d])
def test_a_single_weight_has_no_spread(kind):
    assert torch.isfinite(kind(2, 3, 1)(torch.randn(1, 2, 4, 4))).all()
    with pytest.raises(ValueError) as caught:
        kind(1, 3, 1)
    assert isinstance(caught.value, ConfigError)
    assert str(caught.value) == (
        f"kernel_size: {kind.__name__} needs two weights or more for an output channel, got one "
        "(in_channels=1, groups=1, kernel_size=(1, 1))."
    )


def test_conv_aws_starts_standardised_and_takes_plain_checkpoints_as_they_are():
    plain, layer, x = nn.Conv2d(4, 6, 3), ConvAWS2d(4, 6, 3), torch.randn(2, 4, 9, 9)
    assert layer.weight_gamma.eq(1).all() and layer.weight_beta.eq(0).all()
    expected = conv_ws_2d(x, layer.weight, layer.bias, eps=0)
    torch.testing.assert_close(layer(x), expected, atol=1e-3, rtol=1e-3)
    result = layer.load_state_dict(plain.state_dict())
    assert result.missing_keys == [] and result.unexpected_keys == []
    torch.testing.assert_close(layer(x), plain(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("assign", [False, True])
def test_conv_aws_loads_its_own_checkpoints(assign):
    saved = ConvAWS2d(4, 6, 3)
    saved.weight_gamma.uniform_(1, 2), saved.weight_beta.uniform_(-1, 1)
    layer, x = ConvAWS2d(4, 6, 3), torch.randn(2, 4, 9, 9)
    layer.load_state_dict(saved.state_dict(), assign=assign)
    assert torch.equal(layer(x), saved(x))


def test_conv_aws_on_the_meta_device_takes_what_is_assigned():
    plain, x = nn.Conv2d(4, 6, 3), torch.randn(2, 4, 9, 9)
    with torch.device("meta"):
        layer = ConvAWS2d(4, 6, 3)
    layer.load_state_dict(plain.state_dict(), assign=True)
    torch.testing.assert_close(layer(x), plain(x), atol=1e-5, rtol=1e-5)


def test_conv_aws_reports_half_a_checkpoint():
    layer = ConvAWS2d(4, 6, 3)
    state = {"net.weight": layer.weight, "net.bias": layer.bias, "net.weight_gamma": torch.ones(1)}
    with pytest.raises(RuntimeError, match="weight_beta"):
        nn.ModuleDict({"net": layer}).load_state_dict(state)
    result = layer.load_state_dict({"bias": layer.bias.detach()}, strict=False)
    assert result.missing_keys == ["weight", "weight_gamma", "weight_beta"]
    assert layer.weight_gamma.eq(1).all()


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"),
    [(3, 1, 1), (3, 2, 1), (1, 2, 1), (2, 3, 1), ((5, 2), (1, 3), (2, 1)), (4, 2, 3), (1, 1, 1)],
)
@pytest.mark.parametrize("size", [(28, 28), (13, 13), (7, 10), (1, 2)])
def test_adaptive_padding_keeps_the_size_over_the_stride(kernel, stride, dilation, size):
    layer = Conv2dAdaptivePadding(2, 3, kernel, stride, padding=7, dilation=dilation)
    strides = stride if isinstance(stride, tuple) else (stride, stride)
    expected = tuple(-(-side // step) for side, step in zip(size, strides, strict=True))
    assert layer(torch.rand(1, 2, *size)).shape == (1, 3, *expected)


def test_adaptive_padding_puts_the_odd_pixel_last():
    layer = Conv2dAdaptivePadding(1, 1, 2, bias=False)
    nn.init.ones_(layer.weight)
    x = torch.arange(4.0).view(1, 1, 2, 2)
    assert layer(x).tolist() == [[[[6, 4], [5, 3]]]]


def test_drop_path():
    x = torch.rand(1000, 2, 3)
    layer = DropPath(0.3)
    assert layer.eval()(x) is x and DropPath(0).train()(x) is x
    assert drop_path(x) is x and drop_path(x, 0.3) is x
    y = layer.train()(x)
    assert y is not x
    kept = y.flatten(1).ne(0).all(1)
    assert torch.equal(kept, y.flatten(1).ne(0).any(1))
    torch.testing.assert_close(y[kept], x[kept] / 0.7)
    assert 0.64 < kept.float().mean() < 0.76
    assert DropPath(1).train()(x).eq(0).all()
    assert repr(layer) == "DropPath(drop_prob=0.3)"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_drop_path_keeps_its_probability_in_half_precision(dtype):
    torch.manual_seed(0)
    y = drop_path(torch.ones(200_000, 1, dtype=dtype), 0.001, training=True)
    assert y.dtype is dtype
    assert y.eq(0).sum().item() == pytest.approx(200, rel=0.3)


def test_dropout():
    layer = build_dropout(dict(type="Dropout", inplace=True), dict(drop_prob=0.2, inplace=False))
    assert type(layer) is Dropout and isinstance(layer, nn.Dropout)
    assert (layer.p, layer.inplace) == (0.2, True)
    assert (Dropout().p, DropPath().drop_prob) == (0.5, 0.1)


def test_scale():
    assert Scale().scale.item() == 1 and Scale().scale.dtype is torch.float
    layer, x = Scale(10), torch.rand(2, 3)
    assert layer.scale.shape == () and torch.equal(layer(x), x * 10)


FIRST, LAST = "channels_first", "channels_last"


@pytest.mark.parametrize("inplace", [True, False])
@pytest.mark.parametrize(
    ("shape", "data_format"),
    [((2, 5, 4), LAST), ((2, 5, 6, 4), LAST), ((2, 4, 5, 6), FIRST), ((2, 4, 5, 6, 7), FIRST)],
)
def test_layer_scale(shape, data_format, inplace):
    layer, x = LayerScale(4, inplace, data_format), torch.randn(shape)
    assert torch.equal(layer.weight, 1e-5 * torch.ones(4))
    expected = x * 1e-5
    y = layer(x)
    assert torch.equal(y, expected) and (y is x) is inplace
    with torch.no_grad():
        layer.weight.copy_(torch.arange(4.0))
    axis = 1 if data_format == FIRST else -1
    assert layer(torch.ones(shape)).movedim(axis, 0)[2].eq(2).all()


@pytest.mark.parametrize("kind", [LayerScale, GRN])
def test_data_formats(kind):
    with pytest.raises(AssertionError) as caught:
        kind(4, data_format="BNC")
    assert isinstance(caught.value, ConfigError)
    assert str(caught.value) == (
        "data_format: expected 'channels_first' or 'channels_last', got 'BNC'."
    )


@pytest.mark.parametrize("shape", [(2, 6, 5), (2, 6, 5, 4), (2, 6, 5, 4, 3)])
def test_grn(shape):
    layer, x = GRN(6), torch.randn(shape)
    assert torch.equal(layer(x), x)  # it starts as the identity
    nn.init.normal_(layer.gamma), nn.init.normal_(layer.beta)
    response = x.flatten(2).square().sum(2).sqrt()
    share = response / (response.mean(1, keepdim=True) + layer.eps)
    wide = [1] * (len(shape) - 2)
    expected = layer.gamma.view(-1, *wide) * (x * share.view(2, 6, *wide))
    expected = expected + layer.beta.view(-1, *wide) + x
    torch.testing.assert_close(layer(x), expected)
    last = GRN(6, data_format="channels_last")
    last.load_state_dict(layer.state_dict())
    torch.testing.assert_close(last(x.movedim(1, -1)).movedim(-1, 1), expected)
    assert repr(layer) == "GRN(6, eps=1e-06, data_format='channels_first')"


def test_channel_rms_norm():
    layer, x = ChannelRMSNorm(6, eps=1e-5), torch.randn(2, 6, 5, 4)
    nn.init.normal_(layer.weight)
    expected = x / (x.square().mean(1, keepdim=True) + 1e-5).sqrt() * layer.weight.view(6, 1, 1)
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize(
    ("cfg", "kind", "name"),
    [
        (dict(type="GRN"), GRN, "grn1"),
        (dict(type="RMSNorm"), nn.RMSNorm, "norm_layer1"),
        (dict(type="RMSNorm2d"), ChannelRMSNorm, "norm_layer1"),
    ],
)
def test_norms_that_mmcv_has_not(cfg, kind, name):
    found, layer = build_norm_layer({**cfg, "requires_grad": False}, 6, postfix=1)
    assert (found, type(layer), layer.eps) == (name, kind, 1e-5)
    assert not any(p.requires_grad for p in layer.parameters())


@pytest.mark.parametrize("norm", ["RMSNorm", nn.RMSNorm, "RMSNorm2d", "GRN", "LN2d", "LayerNorm2d"])
@pytest.mark.parametrize("order", [("conv", "norm", "act"), ("norm", "conv", "act")])
def test_new_norms_in_a_bundle(norm, order):
    module = ConvModule(4, 8, 3, padding=1, norm_cfg=dict(type=norm), order=order)
    assert module(torch.randn(2, 4, 6, 5)).shape == (2, 8, 6, 5)
    kind = ChannelRMSNorm if norm in ("RMSNorm", nn.RMSNorm) else type(module.norm)
    assert type(module.norm) is kind


@pytest.mark.parametrize(
    ("layer", "starts"),
    [
        (Scale(3), {"scale": 3}),
        (LayerScale(4, scale=0.5), {"weight": 0.5}),
        (GRN(4), {"gamma": 0, "beta": 0}),
    ],
)
def test_own_starts_are_planned(layer, starts):
    for model in (layer, nn.Sequential(nn.Linear(2, 2), layer)):
        rows = {row.name: row for row in plan(model).rows}
        for name, value in starts.items():
            full = name if model is layer else f"1.{name}"
            assert rows[full].law.mean == value and rows[full].law.std == 0
    for parameter in layer.parameters():
        nn.init.constant_(parameter, 7)
    initialize(layer, layer.default_init_cfg())
    for name, value in starts.items():
        assert getattr(layer, name).eq(value).all()


@pytest.mark.parametrize("norm", ["LN2d", "RMSNorm2d", "GRN", "BN"])
def test_the_channels_of_a_norm_are_found_from_the_input(norm):
    model = Blueprint((dict(type=norm),)).build(input_shape=(6, 5, 4))
    assert model(torch.randn(2, 6, 5, 4)).shape == (2, 6, 5, 4)
    assert {tuple(p.shape) for p in model.parameters()} == {(6,)}


def test_models_without_values_are_filled():
    def build():
        return nn.Sequential(
            ConvModule(3, 8, 3, norm_cfg=dict(type="GRN"), conv_cfg=dict(type="ConvAWS")),
            LayerScale(8, data_format=FIRST, scale=0.25), Scale(2),
            build_upsample_layer(
                dict(type="pixel_shuffle"), in_channels=8, out_channels=4, scale_factor=2,
                upsample_kernel=3,
            ),
            build_norm_layer(dict(type="RMSNorm2d"), 4)[1],
        )  # fmt: skip

    with torch.device("meta"):
        model = build()
    materialize(model, seed=1)
    assert model[0].conv.weight_gamma.eq(1).all() and model[0].conv.weight_beta.eq(0).all()
    assert model[1].weight.eq(0.25).all() and model[2].scale.eq(2)
    assert model[0].grn.gamma.eq(0).all() and model[4].weight.eq(1).all()
    assert torch.isfinite(model(torch.rand(1, 3, 8, 8))).all()


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("mode", ["zero", "reflect", "replicate", "circular", "constant"])
def test_paddings_of_one_to_three_axes(mode, axes):
    value = dict(value=0.5) if mode == "constant" else {}
    layer = build_padding_layer(dict(type=f"{mode}{axes}d", **value), 2)
    x = torch.rand(1, 2, *[4] * axes)
    torch_mode = "constant" if mode == "zero" else mode
    expected = F.pad(x, [2, 2] * axes, torch_mode, value.get("value"))
    assert torch.equal(layer(x), expected)
    one_side = build_padding_layer(dict(type=f"{mode}{axes}d", **value), (1, 0) * axes)
    assert one_side(x).shape == (1, 2, *[5] * axes)
    if axes == 2:
        assert type(build_padding_layer(dict(type=mode, **value), 2)) is type(layer)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("mode", ["zero", "reflect", "replicate", "circular"])
def test_a_bundle_pads_the_axes_it_has(mode, axes):
    def of(mode):
        torch.manual_seed(0)
        return ConvModule(2, 3, 3, padding=1, conv_cfg=dict(type=f"Conv{axes}d"), padding_mode=mode)

    x = torch.rand(1, 2, *[6] * axes)
    plain, fixed = of(mode), of(f"{mode}{axes}d")
    torch_mode = "constant" if mode == "zero" else mode
    padded = F.pad(x, [1, 1] * axes, torch_mode)
    functions = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
    expected = functions[axes](padded, plain.conv.weight, plain.conv.bias).relu()
    torch.testing.assert_close(plain(x), expected)
    torch.testing.assert_close(fixed(x), expected)
    assert list(plain.state_dict()) == list(fixed.state_dict()) == ["conv.weight", "conv.bias"]


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("nearest", (1, 2, 3)), ("nearest-exact", (1, 2, 3)), ("area", (1, 2, 3)), ("linear", (1,)),
        ("bilinear", (2,)), ("bicubic", (2,)), ("trilinear", (3,)),
    ],
)  # fmt: skip
def test_interpolations(name, axes):
    for number in axes:
        x = torch.rand(1, 2, *[3] * number)
        layer = build_upsample_layer(dict(type=name), scale_factor=2)
        assert torch.equal(layer(x), F.interpolate(x, scale_factor=2, mode=name))
        if name.endswith(("linear", "cubic")):
            layer = build_upsample_layer(dict(type=name, size=5, align_corners=True))
            assert torch.equal(layer(x), F.interpolate(x, 5, mode=name, align_corners=True))
