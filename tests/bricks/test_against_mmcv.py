"""Every brick that mmcv-lite has too: the same keys, the same numbers, the same start.

A new brick is a new row of `ROWS`.
"""

from __future__ import annotations

import copy
import importlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from mmcv_support import import_mmcv
from torch import nn

IMAGE = (2, 8, 9, 7)


@dataclass(frozen=True)
class Row:
    """A class, or a function that builds a layer, and one call of what it makes."""

    name: str  # under the packages: "bricks.conv_ws:ConvWS2d"
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    shapes: tuple[tuple[int, ...], ...] = (IMAGE,)  # of the tensors that forward takes
    call: Mapping[str, Any] = field(default_factory=dict)  # its other arguments
    other_start: str = ""  # why a new one starts otherwise than mmcv's
    ours: str = ""  # the name here, where it is another

    def __str__(self) -> str:
        said = [*map(repr, self.args), *(f"{key}={value!r}" for key, value in self.kwargs.items())]
        return f"{self.name.rpartition(':')[2]}({', '.join(said)})"


def builds(builder: str, *names: str, args: tuple[Any, ...] = (), **more: Any) -> list[Row]:
    """Return a row a registered name."""
    return [Row(f"bricks:{builder}", (dict(type=name), *args), **more) for name in names]


CONV = dict(in_channels=8, out_channels=6, kernel_size=3)
BN = dict(type="BN")
GAIN = "the gain is that of the activation"

ROWS: list[Row] = [
    # layers by name
    *builds("build_conv_layer", "Conv1d", kwargs=CONV, shapes=((2, 8, 9),)),
    *builds("build_conv_layer", "Conv3d", "deconv3d", "ConvTranspose3d", kwargs=CONV,
            shapes=((2, 8, 5, 4, 6),)),
    *builds("build_conv_layer", "Conv2d", "Conv", "Conv2dAdaptivePadding", "ConvWS", "ConvAWS",
            "deconv", "ConvTranspose2d", kwargs=CONV),
    *builds("build_norm_layer", "BN", "BN2d", "IN", "IN2d", "SyncBN", args=(8, 1)),
    *builds("build_norm_layer", "BN1d", "IN1d", args=(8, "_x"), shapes=((4, 8, 9),)),
    *builds("build_norm_layer", "BN3d", "IN3d", args=(8,), shapes=((2, 8, 3, 4, 5),)),
    *builds("build_norm_layer", "LN", args=(7,)),
    Row("bricks:build_norm_layer", (dict(type="GN", num_groups=2, requires_grad=False), 8)),
    *builds("build_activation_layer", "ReLU", "LeakyReLU", "PReLU", "RReLU", "ReLU6", "ELU",
            "Sigmoid", "Tanh", "SiLU", "Clamp", "Clip", "GELU", "HSigmoid", "HSwish", "Swish"),
    *builds("build_padding_layer", "zero", "reflect", "replicate", args=(2,)),
    *builds("build_upsample_layer", "nearest", "bilinear", kwargs=dict(scale_factor=2)),
    *builds("build_upsample_layer", "deconv", kwargs=CONV),
    *builds("build_upsample_layer", "pixel_shuffle", args=(8, 3, 2, 3)),
    Row("bricks.drop:build_dropout", (dict(type="DropPath", drop_prob=0.4),)),
    Row("bricks.drop:build_dropout", (dict(type="Dropout"), dict(drop_prob=0.3))),
    # classes
    Row("bricks:HSigmoid", (1.0, 2.0, -1.0, 0.5)),
    Row("bricks:HSwish", (True,)),
    Row("bricks:Conv2d", (8, 6, 3), dict(stride=2, padding=1, bias=False)),
    Row("bricks:ConvTranspose2d", (8, 6, 3), dict(stride=2, output_padding=1)),
    Row("bricks:Conv3d", (8, 6, 3), shapes=((2, 8, 5, 4, 6),)),
    Row("bricks:ConvTranspose3d", (8, 6, 3), dict(stride=2), shapes=((2, 8, 3, 4, 3),)),
    Row("bricks:MaxPool2d", (3, 2, 1)),
    Row("bricks:MaxPool3d", (2,), shapes=((2, 8, 5, 4, 6),)),
    Row("bricks:Linear", (7, 3)),
    Row("bricks:ConvWS2d", (8, 6, (3, 1), 2), dict(padding=1, groups=2, bias=False, eps=1e-3)),
    Row("bricks:ConvAWS2d", (8, 6, 3), dict(padding=2, dilation=2, groups=2)),
    Row("bricks:Conv2dAdaptivePadding", (8, 6, (5, 2), (3, 2)), dict(dilation=(1, 2))),
    Row("bricks:Conv2dAdaptivePadding", (8, 6, 1, 2)),
    Row("bricks:DropPath", (0.5,)),
    Row("bricks:Dropout"),
    Row("bricks:Scale", (10.0,)),
    Row("bricks:LayerScale", (7,)),
    Row("bricks:LayerScale", (8,), dict(data_format="channels_first", scale=0.1)),
    Row("bricks:ConvModule", (8, 6, 3), dict(norm_cfg=BN)),
    Row("bricks:ConvModule", (8, 6, 3), dict(padding=1, stride=2, groups=2)),
    Row("bricks:ConvModule", (8, 6, 3), dict(act_cfg=None, norm_cfg=dict(type="GN", num_groups=2))),
    Row("bricks:ConvModule", (8, 6, 3), dict(act_cfg=dict(type="Tanh"), padding_mode="reflect",
        padding=1), other_start=GAIN),
    Row("bricks:ConvModule", (8, 6, 3), dict(norm_cfg=dict(type="IN"), with_spectral_norm=True)),
    Row("bricks:ConvModule", (8, 6, 3), dict(norm_cfg=BN, bias=True,
        order=("norm", "conv", "act"))),
    Row("bricks:ConvModule", (8, 6, 3), dict(norm_cfg=BN), call=dict(activate=False)),
    Row("bricks:ConvModule", (8, 6, 3), dict(norm_cfg=BN), call=dict(norm=False)),
    Row("bricks:ConvModule", (8, 6, 3), dict(conv_cfg=dict(type="Conv1d"),
        norm_cfg=dict(type="BN1d")), shapes=((2, 8, 9),)),
    Row("bricks:ConvModule", (8, 6, 3), dict(conv_cfg=dict(type="ConvAWS"), norm_cfg=BN,
        act_cfg=dict(type="LeakyReLU", negative_slope=0.2))),
    Row("bricks:ConvModule", (8, 6, 3), dict(norm_cfg=BN, efficient_conv_bn_eval=True)),
    Row("bricks:DepthwiseSeparableConvModule", (8, 6, 3), dict(norm_cfg=BN, padding=1)),
    Row("bricks:DepthwiseSeparableConvModule", (8, 6, 3), dict(dw_norm_cfg=BN, stride=2,
        pw_act_cfg=dict(type="LeakyReLU"))),
    Row("bricks:DepthwiseSeparableConvModule", (8, 6, 3), dict(pw_norm_cfg=BN, padding=1,
        padding_mode="reflect", dw_act_cfg=dict(type="HSwish")), other_start=GAIN),
    Row("bricks.upsample:PixelShufflePack", (8, 2, 3, 5)),
]  # fmt: skip

each_row = pytest.mark.parametrize("row", ROWS, ids=str)


def make(row: Row, package: str, seed: int = 0) -> Any:
    """Build what the row names, ours or theirs; a builder's name of the layer comes first."""
    name = row.ours if row.ours and package == "brickbook" else row.name
    module, _, attribute = name.partition(":")
    if package == "brickbook":
        found = importlib.import_module(f"brickbook.{module}" if module else "brickbook")
    else:
        found = import_mmcv(f"mmcv.cnn.{module}" if module else "mmcv.cnn")
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs about themselves
        made = getattr(found, attribute)(*copy.deepcopy(row.args), **copy.deepcopy(row.kwargs))
    return made if isinstance(made, tuple) else ("", made)


def stir(layer: nn.Module) -> nn.Module:
    """Give every parameter and every statistic numbers that no start gives."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in layer.state_dict(keep_vars=True).items():
            if tensor.is_floating_point():
                noise = torch.rand(tensor.shape, generator=generator)
                tensor.copy_(noise + 0.5 if name.endswith("running_var") else noise - 0.4)
    return layer


def run(layer: nn.Module, row: Row, train: bool) -> list[torch.Tensor]:
    """Return outputs, and the gradients of their sum of squares."""
    torch.manual_seed(3)
    inputs = [torch.randn(shape, requires_grad=True) for shape in row.shapes]
    layer.train(train)
    out = layer(*[each * 1 for each in inputs], **row.call)
    several = out if isinstance(out, Sequence) else [out]
    outs = [each for each in several if isinstance(each, torch.Tensor)]
    layer.zero_grad()
    sum(each.square().sum() for each in outs).backward()
    grads = [each.grad for each in (*inputs, *layer.parameters()) if each.grad is not None]
    return [*(each.detach() for each in outs), *grads]


def assert_close(mine: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor]) -> None:
    """Compare to 1e-6, relative to the largest number."""
    assert len(mine) == len(theirs)
    for a, b in zip(mine, theirs, strict=True):
        scale = max(1.0, b.abs().max().item()) if b.numel() else 1.0
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6 * scale)


@each_row
def test_the_keys_are_mmcvs(row):
    name, mine = make(row, "brickbook")
    their_name, theirs = make(row, "mmcv")
    assert name == their_name
    assert [(key, value.shape, value.dtype) for key, value in mine.state_dict().items()] == [
        (key, value.shape, value.dtype) for key, value in theirs.state_dict().items()
    ]
    assert [(key, value.requires_grad) for key, value in mine.named_parameters()] == [
        (key, value.requires_grad) for key, value in theirs.named_parameters()
    ]


@each_row
@pytest.mark.parametrize("train", [True, False])
def test_the_same_state_gives_the_same_numbers(row, train):
    theirs = stir(make(row, "mmcv")[1])
    mine = make(row, "brickbook", seed=9)[1]
    mine.load_state_dict(theirs.state_dict())
    assert_close(run(mine, row, train), run(theirs, row, train))
    assert_close(list(mine.state_dict().values()), list(theirs.state_dict().values()))


@each_row
def test_the_same_seed_gives_the_same_start(row):
    if row.other_start:
        pytest.skip(row.other_start)
    mine, theirs = make(row, "brickbook")[1], make(row, "mmcv")[1]
    assert_close(list(mine.state_dict().values()), list(theirs.state_dict().values()))


def test_a_checkpoint_of_a_plain_convolution_in_conv_aws():
    plain = stir(nn.Conv2d(8, 6, 3))
    theirs = import_mmcv("mmcv.cnn.bricks").ConvAWS2d(8, 6, 3)
    theirs.load_state_dict(plain.state_dict(), strict=False)
    mine = make(Row("bricks:ConvAWS2d", (8, 6, 3)), "brickbook")[1]
    mine.load_state_dict(plain.state_dict())
    assert_close(list(mine.state_dict().values()), list(theirs.state_dict().values()))


def test_conv_ws_2d():
    torch.manual_seed(0)
    args = torch.randn(2, 4, 9, 9), torch.randn(6, 2, 3, 3), torch.randn(6), 2, 1, 2, 2, 1e-2
    ours = importlib.import_module("brickbook.bricks.conv_ws").conv_ws_2d
    assert_close([ours(*args)], [import_mmcv("mmcv.cnn.bricks.conv_ws").conv_ws_2d(*args)])
