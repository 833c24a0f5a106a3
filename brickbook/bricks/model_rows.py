"""What `MODELS` knows by itself: plain torch layers and the bundles of this package."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from brickbook.blueprint import MODELS
from brickbook.bricks.containers import Add, Concat, Repeat, Residual, sequential
from brickbook.bricks.conv_module import ConvModule
from brickbook.bricks.depthwise_separable_conv_module import DepthwiseSeparableConvModule
from brickbook.bricks.layer_scale import LayerScale
from brickbook.bricks.scale import Scale

__all__ = ["ROWS"]

ROWS: dict[str, Callable[..., nn.Module]] = {
    "ConvModule": ConvModule,
    "Linear": nn.Linear,
    "Flatten": nn.Flatten,
    "Dropout": nn.Dropout,
    "MaxPool1d": nn.MaxPool1d,
    "MaxPool2d": nn.MaxPool2d,
    "MaxPool3d": nn.MaxPool3d,
    "AvgPool2d": nn.AvgPool2d,
    "AdaptiveAvgPool2d": nn.AdaptiveAvgPool2d,
    "AdaptiveMaxPool2d": nn.AdaptiveMaxPool2d,
    "Identity": nn.Identity,
    "Embedding": nn.Embedding,
    "DepthwiseSeparableConvModule": DepthwiseSeparableConvModule,
    "Scale": Scale,
    "LayerScale": LayerScale,
    "AvgPool1d": nn.AvgPool1d,
    "AvgPool3d": nn.AvgPool3d,
    "AdaptiveAvgPool1d": nn.AdaptiveAvgPool1d,
    "AdaptiveAvgPool3d": nn.AdaptiveAvgPool3d,
    "AdaptiveMaxPool1d": nn.AdaptiveMaxPool1d,
    "AdaptiveMaxPool3d": nn.AdaptiveMaxPool3d,
    "Sequential": sequential,
    "Residual": Residual,
    "Add": Add,
    "Concat": Concat,
    "Repeat": Repeat,
}

MODELS.register_replaceable(ROWS)
