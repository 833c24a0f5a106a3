"""Convolutions by name."""

from __future__ import annotations

from typing import Any

from torch import nn

from brickbook.bricks.conv2d_adaptive_padding import Conv2dAdaptivePadding
from brickbook.bricks.conv_ws import ConvAWS2d, ConvWS2d
from brickbook.bricks.registry import CONV_LAYERS, build_from_family, register_rows
from brickbook.bricks.wrappers import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from brickbook.registry import Config

__all__ = ["CONV2D", "build_conv_layer"]

CONV2D: Config = {"type": "Conv2d"}

register_rows(CONV_LAYERS, {
    "Conv1d": nn.Conv1d,
    "Conv2d": nn.Conv2d,
    "Conv3d": nn.Conv3d,
    "Conv": nn.Conv2d,
    "Conv2dAdaptivePadding": Conv2dAdaptivePadding,
    "ConvWS": ConvWS2d,
    "ConvAWS": ConvAWS2d,
    "deconv": ConvTranspose2d,
    "ConvTranspose2d": ConvTranspose2d,
    "deconv3d": ConvTranspose3d,
    "ConvTranspose3d": ConvTranspose3d,
    "ConvTranspose1d": ConvTranspose1d,
})  # fmt: skip


def build_conv_layer(cfg: Config | None, *args: Any, **kwargs: Any) -> Any:
    """Build a convolution: the config's keys join the arguments of the call.

    ``None`` means Conv2d.

    Raises:
        TypeError: ``cfg`` is no dict, or the layer does not take an argument.
        KeyError: ``type`` is missing or unknown.

    >>> build_conv_layer(dict(type="Conv3d"), in_channels=3, out_channels=8, kernel_size=3)
    Conv3d(3, 8, kernel_size=(3, 3, 3), stride=(1, 1, 1))
    """
    return build_from_family(CONV2D if cfg is None else cfg, CONV_LAYERS, args, kwargs, "conv_cfg")
