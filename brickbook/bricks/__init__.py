"""Layers by name, one registry and one builder a kind, and bundles of them."""

from __future__ import annotations

from brickbook.bricks.activation import Clamp, HSigmoid, HSwish, Swish, build_activation_layer
from brickbook.bricks.catalogue import ROWS as _ROWS  # noqa: F401 - fills MODELS
from brickbook.bricks.combine import Add, Concat, Repeat, Residual
from brickbook.bricks.conv import build_conv_layer
from brickbook.bricks.conv_module import ConvModule
from brickbook.bricks.efficient_conv_bn_eval import (
    turn_on_efficient_conv_bn_eval_for_single_model,
)
from brickbook.bricks.norm import ChannelLayerNorm, build_norm_layer, infer_abbr, is_norm
from brickbook.bricks.padding import build_padding_layer
from brickbook.bricks.registry import (
    ACTIVATION_LAYERS,
    ATTENTION,
    CONV_LAYERS,
    DROPOUT_LAYERS,
    FEEDFORWARD_NETWORK,
    NORM_LAYERS,
    PADDING_LAYERS,
    PLUGIN_LAYERS,
    POSITIONAL_ENCODING,
    TRANSFORMER_LAYER,
    TRANSFORMER_LAYER_SEQUENCE,
    UPSAMPLE_LAYERS,
)
from brickbook.bricks.upsample import PixelShufflePack, build_upsample_layer

__all__ = [
    "ACTIVATION_LAYERS",
    "ATTENTION",
    "CONV_LAYERS",
    "DROPOUT_LAYERS",
    "FEEDFORWARD_NETWORK",
    "NORM_LAYERS",
    "PADDING_LAYERS",
    "PLUGIN_LAYERS",
    "POSITIONAL_ENCODING",
    "TRANSFORMER_LAYER",
    "TRANSFORMER_LAYER_SEQUENCE",
    "UPSAMPLE_LAYERS",
    "Add",
    "ChannelLayerNorm",
    "Clamp",
    "Concat",
    "ConvModule",
    "HSigmoid",
    "HSwish",
    "PixelShufflePack",
    "Repeat",
    "Residual",
    "Swish",
    "build_activation_layer",
    "build_conv_layer",
    "build_norm_layer",
    "build_padding_layer",
    "build_upsample_layer",
    "infer_abbr",
    "is_norm",
    "turn_on_efficient_conv_bn_eval_for_single_model",
]
