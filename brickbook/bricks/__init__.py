"""Layers by name, one registry and one builder a kind, and bundles of them."""

from __future__ import annotations

from brickbook.bricks.activation import Clamp, build_activation_layer
from brickbook.bricks.cbam import CBAM
from brickbook.bricks.containers import Add, Concat, Repeat, Residual
from brickbook.bricks.context_block import ContextBlock
from brickbook.bricks.conv import build_conv_layer
from brickbook.bricks.conv2d_adaptive_padding import Conv2dAdaptivePadding
from brickbook.bricks.conv_module import ConvModule
from brickbook.bricks.conv_ws import ConvAWS2d, ConvWS2d, conv_ws_2d
from brickbook.bricks.depthwise_separable_conv_module import DepthwiseSeparableConvModule
from brickbook.bricks.drop import Dropout, DropPath, build_dropout
from brickbook.bricks.generalized_attention import GeneralizedAttention
from brickbook.bricks.hsigmoid import HSigmoid
from brickbook.bricks.hswish import HSwish
from brickbook.bricks.layer_scale import LayerScale
from brickbook.bricks.model_rows import ROWS as _ROWS  # noqa: F401 - fills MODELS
from brickbook.bricks.non_local import NonLocal1d, NonLocal2d, NonLocal3d
from brickbook.bricks.norm import build_norm_layer, infer_abbr, is_norm
from brickbook.bricks.norm.channel import ChannelLayerNorm, ChannelRMSNorm, LayerNorm2d
from brickbook.bricks.norm.grn import GRN
from brickbook.bricks.padding import AdaptivePadding, build_padding_layer
from brickbook.bricks.plugin import build_plugin_layer
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
from brickbook.bricks.registry import let_replace_extras as _let_replace_extras
from brickbook.bricks.scale import Scale
from brickbook.bricks.squeeze_excite import SqueezeExcite
from brickbook.bricks.swish import Swish
from brickbook.bricks.transformer.attention import MultiheadAttention
from brickbook.bricks.transformer.builders import (
    build_attention,
    build_feedforward_network,
    build_positional_encoding,
    build_transformer_layer,
    build_transformer_layer_sequence,
)
from brickbook.bricks.transformer.ffn import FFN, GatedFFN
from brickbook.bricks.transformer.layer import BaseTransformerLayer
from brickbook.bricks.transformer.patches import PatchEmbed, PatchMerging
from brickbook.bricks.transformer.sequence import TransformerLayerSequence
from brickbook.bricks.transforms.efficient_eval import (
    turn_on_efficient_conv_bn_eval,
    turn_on_efficient_conv_bn_eval_for_single_model,
)
from brickbook.bricks.upsample import PixelShufflePack, build_upsample_layer
from brickbook.bricks.wrappers import (
    Conv2d,
    Conv3d,
    ConvTranspose2d,
    ConvTranspose3d,
    Linear,
    MaxPool2d,
    MaxPool3d,
)

__all__ = [
    "ACTIVATION_LAYERS",
    "ATTENTION",
    "CBAM",
    "CONV_LAYERS",
    "DROPOUT_LAYERS",
    "FEEDFORWARD_NETWORK",
    "FFN",
    "GRN",
    "NORM_LAYERS",
    "PADDING_LAYERS",
    "PLUGIN_LAYERS",
    "POSITIONAL_ENCODING",
    "TRANSFORMER_LAYER",
    "TRANSFORMER_LAYER_SEQUENCE",
    "UPSAMPLE_LAYERS",
    "AdaptivePadding",
    "Add",
    "BaseTransformerLayer",
    "ChannelLayerNorm",
    "ChannelRMSNorm",
    "Clamp",
    "Concat",
    "ContextBlock",
    "Conv2d",
    "Conv2dAdaptivePadding",
    "Conv3d",
    "ConvAWS2d",
    "ConvModule",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "ConvWS2d",
    "DepthwiseSeparableConvModule",
    "DropPath",
    "Dropout",
    "GatedFFN",
    "GeneralizedAttention",
    "HSigmoid",
    "HSwish",
    "LayerNorm2d",
    "LayerScale",
    "Linear",
    "MaxPool2d",
    "MaxPool3d",
    "MultiheadAttention",
    "NonLocal1d",
    "NonLocal2d",
    "NonLocal3d",
    "PatchEmbed",
    "PatchMerging",
    "PixelShufflePack",
    "Repeat",
    "Residual",
    "Scale",
    "SqueezeExcite",
    "Swish",
    "TransformerLayerSequence",
    "build_activation_layer",
    "build_attention",
    "build_conv_layer",
    "build_dropout",
    "build_feedforward_network",
    "build_norm_layer",
    "build_padding_layer",
    "build_plugin_layer",
    "build_positional_encoding",
    "build_transformer_layer",
    "build_transformer_layer_sequence",
    "build_upsample_layer",
    "conv_ws_2d",
    "infer_abbr",
    "is_norm",
    "turn_on_efficient_conv_bn_eval",
    "turn_on_efficient_conv_bn_eval_for_single_model",
]

_let_replace_extras()
