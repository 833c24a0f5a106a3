"""The transformer family at mmcv's place: patches, attention, feed-forward networks, layers."""

from __future__ import annotations

from brickbook.bricks.drop import build_dropout
from brickbook.bricks.padding import AdaptivePadding
from brickbook.bricks.registry import (
    ATTENTION,
    FEEDFORWARD_NETWORK,
    POSITIONAL_ENCODING,
    TRANSFORMER_LAYER,
    TRANSFORMER_LAYER_SEQUENCE,
)
from brickbook.bricks.transformer.attention import MultiheadAttention
from brickbook.bricks.transformer.builders import (
    build_attention,
    build_feedforward_network,
    build_positional_encoding,
    build_transformer_layer,
    build_transformer_layer_sequence,
)
from brickbook.bricks.transformer.ffn import FFN, FeedForward, GatedFFN
from brickbook.bricks.transformer.layer import BaseTransformerLayer
from brickbook.bricks.transformer.patches import PatchEmbed, PatchMerging
from brickbook.bricks.transformer.sequence import TransformerLayerSequence

__all__ = [
    "ATTENTION",
    "FEEDFORWARD_NETWORK",
    "FFN",
    "POSITIONAL_ENCODING",
    "TRANSFORMER_LAYER",
    "TRANSFORMER_LAYER_SEQUENCE",
    "AdaptivePadding",
    "BaseTransformerLayer",
    "FeedForward",
    "GatedFFN",
    "MultiheadAttention",
    "PatchEmbed",
    "PatchMerging",
    "TransformerLayerSequence",
    "build_attention",
    "build_dropout",
    "build_feedforward_network",
    "build_positional_encoding",
    "build_transformer_layer",
    "build_transformer_layer_sequence",
]
