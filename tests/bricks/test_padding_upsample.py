"""Paddings and upsamplings: amounts, shapes, modes, and how the pixel shuffle starts."""

import pytest
import torch
from torch import nn

from brickbook.bricks.padding import build_padding_layer, to_layer_padding
from brickbook.bricks.registry import UPSAMPLE_LAYERS
from brickbook.bricks.upsample import PixelShufflePack, build_upsample_layer
from brickbook.bricks.wrappers import ConvTranspose2d
from brickbook.init.execution import initialize


@pytest.mark.parametrize(
    ("name", "left"), [("zero", [0, 0, 1]), ("reflect", [3, 2, 1]), ("replicate", [1, 1, 1])]
)
def test_padding_by_two(name, left):
    x = torch.arange(1.0, 6).expand(1, 1, 5, 5)
    y = build_padding_layer(dict(type=name), 2)(x)
    assert y.shape == (1, 1, 9, 9)
    assert y[0, 0, 4, :3].tolist() == left


@pytest.mark.parametrize(
    ("padding", "axes", "expected"),
    [
        (3, 2, 3),
        ((1, 2), 2, (2, 2, 1, 1)),
        ([1, 2], 2, (2, 2, 1, 1)),
        ((1, 2, 3, 4), 2, (1, 2, 3, 4)),
        ((1,), 1, (1, 1)),
        ((1, 2), 1, (1, 2)),
        ((1, 2, 3), 3, (3, 3, 2, 2, 1, 1)),
    ],
)
def test_padding_amounts(padding, axes, expected):
    assert to_layer_padding(padding, axes, "reflect") == expected


@pytest.mark.parametrize("name", ["nearest", "bilinear"])
def test_interpolation(name):
    layer = build_upsample_layer(dict(type=name), scale_factor=2)
    assert layer.mode == name
    assert layer(torch.rand(1, 3, 5, 5)).shape == (1, 3, 10, 10)
    assert build_upsample_layer(dict(type=name, size=7, mode=name))(
        torch.rand(1, 3, 5, 5)
    ).shape == (1, 3, 7, 7)


def test_a_class_leaves_the_mode_alone():
    assert build_upsample_layer(dict(type=nn.Upsample)).mode == "nearest"
    assert build_upsample_layer(dict(type=nn.Upsample, mode="bicubic")).mode == "bicubic"


def test_a_users_name_for_upsample_is_its_mode():
    try:
        UPSAMPLE_LAYERS.register_module(name="lanczos", module=nn.Upsample)
        assert build_upsample_layer(dict(type="lanczos", scale_factor=2)).mode == "lanczos"
    finally:
        del UPSAMPLE_LAYERS.module_dict["lanczos"]


@pytest.mark.parametrize(
    ("cfg", "args", "kwargs"),
    [
        (dict(type="deconv", in_channels=3, out_channels=3, kernel_size=3, stride=2), (), {}),
        (dict(type="deconv"), (), dict(in_channels=3, out_channels=3, kernel_size=3, stride=2)),
        (dict(type="deconv"), (3, 3, 3, 2), {}),
    ],
)
def test_deconv_arguments_from_anywhere(cfg, args, kwargs):
    layer = build_upsample_layer(cfg, *args, **kwargs)
    assert type(layer) is ConvTranspose2d and isinstance(layer, nn.ConvTranspose2d)
    assert (layer.in_channels, layer.kernel_size, layer.stride) == (3, (3, 3), (2, 2))


def test_pixel_shuffle():
    cfg = dict(type="pixel_shuffle", in_channels=3, out_channels=5, scale_factor=2)
    layer = build_upsample_layer({**cfg, "upsample_kernel": 3})
    assert (layer.scale_factor, layer.upsample_kernel) == (2, 3)
    assert layer.upsample_conv.kernel_size == (3, 3)
    assert layer(torch.rand(1, 3, 10, 10)).shape == (1, 5, 20, 20)
    assert list(layer.state_dict()) == ["upsample_conv.weight", "upsample_conv.bias"]


def test_how_a_pixel_shuffle_starts():
    layer = PixelShufflePack(16, 16, 2, 3)
    weight = layer.upsample_conv.weight
    bound = (6 / (16 * 9 + 64 * 9)) ** 0.5
    assert weight.abs().max() <= bound and weight.abs().max() > 0.99 * bound
    assert layer.upsample_conv.bias.abs().max() == 0
    torch.manual_seed(1)
    layer.init_weights()
    started = weight.detach().clone()
    torch.manual_seed(1)
    initialize(layer, layer.default_init_cfg())
    assert torch.equal(weight, started)
