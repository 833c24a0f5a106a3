"""The activations that torch does not have, and what building one by name promises."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from brickbook.bricks.activation import build_activation_layer
from brickbook.bricks.hsigmoid import HSigmoid
from brickbook.bricks.hswish import HSwish
from brickbook.bricks.swish import Swish


def grid():
    return torch.linspace(-10, 10, 401)


@pytest.mark.parametrize(
    ("cfg", "low", "high"),
    [
        (dict(type="Clamp"), -1, 1),
        (dict(type="Clip", min=0), 0, 1),
        (dict(type="Clamp", max=0), -1, 0),
        (dict(type="Clip", min=-2.5, max=3), -2.5, 3),
    ],
)
def test_clamp(cfg, low, high):
    layer = build_activation_layer(cfg)
    assert torch.equal(layer(grid()), grid().clamp(low, high))
    assert repr(layer) == f"Clamp(min={layer.min}, max={layer.max})"


def test_silu_in_place_returns_its_input():
    x = grid()
    assert torch.allclose(build_activation_layer(dict(type="SiLU"))(x), x * torch.sigmoid(x))
    layer = build_activation_layer(dict(type="SiLU", inplace=True))
    before = x.clone()
    assert layer.inplace and layer(x) is x and not torch.equal(x, before)


def test_hsigmoid():
    x = grid()
    assert torch.equal(HSigmoid()(x), ((x + 3) / 6).clamp(0, 1))
    assert torch.equal(HSigmoid(1, 2, 0, 1)(x), ((x + 1) / 2).clamp(0, 1))
    assert torch.allclose(HSigmoid()(x), nn.Hardsigmoid()(x))
    assert repr(HSigmoid(1, 2)) == "HSigmoid(bias=1, divisor=2, min_value=0.0, max_value=1.0)"


def test_hswish():
    x = grid()
    assert torch.equal(HSwish()(x), x * F.relu6(x + 3) / 6)
    assert HSwish().act.inplace is False and HSwish(inplace=True).act.inplace is True
    assert torch.equal(HSwish(inplace=True)(x), HSwish()(x)) and torch.equal(x, grid())
    assert torch.allclose(build_activation_layer(dict(type="HSwish"))(x), HSwish()(x), atol=1e-6)


def test_swish():
    x = grid()
    assert torch.equal(Swish()(x), x * torch.sigmoid(x))


def test_the_config_stays():
    cfg = dict(type="LeakyReLU", negative_slope=0.2)
    kept = copy.deepcopy(cfg)
    assert build_activation_layer(cfg).negative_slope == 0.2
    assert build_activation_layer(cfg).negative_slope == 0.2 and cfg == kept
