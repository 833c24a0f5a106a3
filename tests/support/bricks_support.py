"""What the registries of layers must hold, how each row is built, and what it takes."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from brickbook.bricks.activation import Clamp, build_activation_layer
from brickbook.bricks.conv import build_conv_layer
from brickbook.bricks.conv2d_adaptive_padding import Conv2dAdaptivePadding
from brickbook.bricks.conv_ws import ConvAWS2d, ConvWS2d
from brickbook.bricks.drop import Dropout, DropPath, build_dropout
from brickbook.bricks.hsigmoid import HSigmoid
from brickbook.bricks.norm import build_norm_layer
from brickbook.bricks.norm.channel import ChannelLayerNorm, ChannelRMSNorm
from brickbook.bricks.norm.grn import GRN
from brickbook.bricks.padding import build_padding_layer
from brickbook.bricks.registry import (
    ACTIVATION_LAYERS,
    CONV_LAYERS,
    DROPOUT_LAYERS,
    NORM_LAYERS,
    PADDING_LAYERS,
    UPSAMPLE_LAYERS,
)
from brickbook.bricks.swish import Swish
from brickbook.bricks.upsample import PixelShufflePack, build_upsample_layer
from brickbook.bricks.wrappers import (
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)

# In the order of registration: first what mmcv has, in mmcv's order.
CONVS = {
    "Conv1d": nn.Conv1d, "Conv2d": nn.Conv2d, "Conv3d": Conv3d, "Conv": Conv2d,
    "Conv2dAdaptivePadding": Conv2dAdaptivePadding, "ConvWS": ConvWS2d, "ConvAWS": ConvAWS2d,
    "deconv": ConvTranspose2d, "ConvTranspose2d": ConvTranspose2d,
    "deconv3d": ConvTranspose3d, "ConvTranspose3d": ConvTranspose3d,
    "ConvTranspose1d": ConvTranspose1d,
}  # fmt: skip
NORMS = {
    "BN": nn.BatchNorm2d, "BN1d": nn.BatchNorm1d, "BN2d": nn.BatchNorm2d, "BN3d": nn.BatchNorm3d,
    "SyncBN": nn.SyncBatchNorm, "GN": nn.GroupNorm, "LN": nn.LayerNorm, "IN": nn.InstanceNorm2d,
    "IN1d": nn.InstanceNorm1d, "IN2d": nn.InstanceNorm2d, "IN3d": nn.InstanceNorm3d,
    "LN2d": ChannelLayerNorm, "LayerNorm2d": ChannelLayerNorm, "RMSNorm": nn.RMSNorm,
    "RMSNorm2d": ChannelRMSNorm, "GRN": GRN,
}  # fmt: skip
TORCH_ACTIVATIONS = (
    "CELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LogSigmoid", "LogSoftmax",
    "Mish", "SELU", "Softmax", "Softmax2d", "Softmin", "Softplus", "Softshrink", "Softsign",
    "Tanhshrink", "Threshold",
)  # fmt: skip
ACTIVATIONS = {
    "ReLU": nn.ReLU, "LeakyReLU": nn.LeakyReLU, "PReLU": nn.PReLU, "RReLU": nn.RReLU,
    "ReLU6": nn.ReLU6, "ELU": nn.ELU, "Sigmoid": nn.Sigmoid, "Tanh": nn.Tanh, "SiLU": nn.SiLU,
    "Clamp": Clamp, "Clip": Clamp, "GELU": nn.GELU, "HSigmoid": HSigmoid, "HSwish": nn.Hardswish,
    "Swish": Swish,
    **{name: getattr(nn, name) for name in TORCH_ACTIVATIONS},
}  # fmt: skip
PAD_CLASSES = {
    "zero": "ZeroPad", "reflect": "ReflectionPad", "replicate": "ReplicationPad",
    "circular": "CircularPad", "constant": "ConstantPad",
}  # fmt: skip
PADDINGS = {name: getattr(nn, f"{kind}2d") for name, kind in PAD_CLASSES.items()} | {
    f"{name}{axes}d": getattr(nn, f"{kind}{axes}d")
    for axes in (1, 2, 3)
    for name, kind in PAD_CLASSES.items()
}
INTERPOLATED = (
    "nearest", "bilinear", "linear", "trilinear", "bicubic", "area", "nearest-exact",
)  # fmt: skip
UPSAMPLES = {
    "nearest": nn.Upsample, "bilinear": nn.Upsample, "pixel_shuffle": PixelShufflePack,
    "deconv": ConvTranspose2d, "deconv3d": ConvTranspose3d,
    **dict.fromkeys(INTERPOLATED[2:], nn.Upsample),
}  # fmt: skip
DROPOUTS = {"DropPath": DropPath, "Dropout": Dropout}

# What a row needs besides its name.
CONV_ARGS = dict(in_channels=16, out_channels=8, kernel_size=3)
EXTRA = {
    "GN": dict(num_groups=2),
    "GLU": dict(dim=1),
    "LogSoftmax": dict(dim=1),
    "Softmax": dict(dim=1),
    "Softmin": dict(dim=1),
    "Threshold": dict(threshold=0.1, value=-0.2),
    **{name: dict(value=0.5) for name in PADDINGS if name.startswith("constant")},
    **{name: dict(scale_factor=2) for name in INTERPOLATED},
    "deconv": dict(**CONV_ARGS),
    "deconv3d": dict(**CONV_ARGS),
    "pixel_shuffle": dict(in_channels=16, out_channels=8, scale_factor=2, upsample_kernel=3),
}
AXES = {"LN": 1, "RMSNorm": 1, "linear": 1, "trilinear": 3}
LAST = ("LN", "RMSNorm")  # their channels come last


def build_norm(cfg):
    """Build a norm of 16 channels."""
    return build_norm_layer(cfg, 16)[1]


def build_conv(cfg):
    """Build a convolution of 16 to 8 channels."""
    return build_conv_layer(cfg, **({} if "in_channels" in cfg else CONV_ARGS))


FAMILIES = {
    "conv": (CONV_LAYERS, CONVS, build_conv),
    "norm": (NORM_LAYERS, NORMS, build_norm),
    "activation": (ACTIVATION_LAYERS, ACTIVATIONS, build_activation_layer),
    "padding": (PADDING_LAYERS, PADDINGS, partial(build_padding_layer, padding=2)),
    "upsample": (UPSAMPLE_LAYERS, UPSAMPLES, build_upsample_layer),
    "drop": (DROPOUT_LAYERS, DROPOUTS, build_dropout),
}
ROWS_OF_ALL = [(family, name) for family, (_, rows, _) in FAMILIES.items() for name in rows]


def config_of(name):
    """Return a config that is enough for a row."""
    return {"type": name, **EXTRA.get(name, {})}


def shape_for(family, name, batch=2):
    """Return the shape of an input: 16 channels, as many axes as the class says."""
    kind = FAMILIES[family][1][name].__name__
    digits = (int(digit) for digit in "13" if kind.endswith((f"{digit}d", f"{digit}D")))
    axes = AXES.get(name) or next(digits, 2)
    return (batch, 6, 16) if name in LAST else (batch, 16, *[6] * axes)


def input_for(family, name, batch=2):
    """Return an input for a row."""
    return torch.rand(shape_for(family, name, batch))
