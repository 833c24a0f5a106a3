"""The parts of a transformer by name."""

from __future__ import annotations

from typing import Any

from brickbook.bricks.registry import (
    ATTENTION,
    FEEDFORWARD_NETWORK,
    POSITIONAL_ENCODING,
    TRANSFORMER_LAYER,
    TRANSFORMER_LAYER_SEQUENCE,
    build_with_defaults,
)
from brickbook.registry import Config

__all__ = [
    "build_attention",
    "build_feedforward_network",
    "build_positional_encoding",
    "build_transformer_layer",
    "build_transformer_layer_sequence",
]


def build_positional_encoding(cfg: Config, default_args: Config | None = None) -> Any:
    """Build a positional encoding; raises as `build_attention` does.

    None is registered: there are those of users.
    """
    return build_with_defaults(cfg, POSITIONAL_ENCODING, default_args, "positional_encoding_cfg")


def build_attention(cfg: Config, default_args: Config | None = None) -> Any:
    """Build an attention from its config; ``default_args`` stand where it has no such key.

    Raises TypeError if one of both is no dict or the layer does not take an argument, KeyError if
    ``type`` is missing or unknown.

    >>> build_attention(dict(type="MultiheadAttention", embed_dims=8, num_heads=2)).attn.head_dim
    4
    """
    return build_with_defaults(cfg, ATTENTION, default_args, "attn_cfg")


def build_feedforward_network(cfg: Config, default_args: Config | None = None) -> Any:
    """Build a feed-forward network; raises as `build_attention` does."""
    return build_with_defaults(cfg, FEEDFORWARD_NETWORK, default_args, "ffn_cfg")


def build_transformer_layer(cfg: Config, default_args: Config | None = None) -> Any:
    """Build a transformer layer; raises as `build_attention` does."""
    return build_with_defaults(cfg, TRANSFORMER_LAYER, default_args, "transformer_layer_cfg")


def build_transformer_layer_sequence(cfg: Config, default_args: Config | None = None) -> Any:
    """Build a sequence of transformer layers; raises as `build_attention` does."""
    return build_with_defaults(cfg, TRANSFORMER_LAYER_SEQUENCE, default_args, "transformer_cfg")
