"""Build transformer parts from configs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

from brickbook.bricks.registry import (
    ATTENTION,
    FEEDFORWARD_NETWORK,
    POSITIONAL_ENCODING,
    TRANSFORMER_LAYER,
    TRANSFORMER_LAYER_SEQUENCE,
    build_with_defaults,
)
from brickbook.config import copy_config
from brickbook.errors import BadArgumentError, CheckError, format_value, nearest
from brickbook.registry import Config

__all__ = [
    "ATTENTIONS",
    "Configs",
    "build_attention",
    "build_feedforward_network",
    "build_positional_encoding",
    "build_transformer_layer",
    "build_transformer_layer_sequence",
    "check_count",
    "check_operation_order",
    "expand_configs",
]

Configs = Config | Sequence[Config] | None
ATTENTIONS = ("self_attn", "cross_attn")
MAX_LAYERS = 10_000
OPERATIONS = (*ATTENTIONS, "norm", "ffn")


def check_count(key: str, value: object, least: int) -> None:
    """Raise unless ``value`` is a whole number of layers, from ``least`` to `MAX_LAYERS`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        problem = f"expected a whole number, got {format_value(value)} ({type(value).__name__})."
        raise BadArgumentError(key, problem)
    if not least <= int(value) <= MAX_LAYERS:
        wanted = f"{least} or more" if int(value) < least else f"{MAX_LAYERS:,} or less"
        raise CheckError(key, f"expected {wanted}, got {format_value(value)}.")


def check_operation_order(order: Any) -> Sequence[str]:
    """Return an order of operations, or raise."""
    if not isinstance(order, (list, tuple)):
        raise BadArgumentError(
            "operation_order", f"expected a list or a tuple of operations, got {order!r}."
        )
    for at, word in enumerate(order):
        if word not in OPERATIONS:
            raise CheckError(
                f"operation_order[{at}]",
                f"{word!r} is no operation.",
                nearest(word, OPERATIONS),
            )
    if not set(order) & set(ATTENTIONS):
        raise CheckError(
            "operation_order", f"expected a 'self_attn' or a 'cross_attn', got {order!r}."
        )
    return order


def expand_configs(cfgs: Configs, count: int, key: str, part: str) -> list[dict[str, Any]]:
    """Return a config of its own for each of ``count`` parts, from one for all or one for each."""
    if isinstance(cfgs, Mapping):
        return [copy_config(cfgs) for _ in range(count)]
    given = [] if cfgs is None else cfgs
    if not isinstance(given, (list, tuple)):
        raise BadArgumentError(key, f"expected a dict or a list of dict, got {cfgs!r}.")
    if len(given) != count:
        raise CheckError(key, f"expected one config for each {part}: {count}, got {len(given)}.")
    for at, cfg in enumerate(given):
        if not isinstance(cfg, Mapping):
            raise BadArgumentError(f"{key}[{at}]", f"cfg must be a dict, but got {type(cfg)}.")
    return [copy_config(cfg) for cfg in given]


def build_positional_encoding(cfg: Config, default_args: Config | None = None) -> Any:
    """Build a positional encoding.

    None is registered: there are those of users.

    Raises:
        TypeError: ``cfg`` or ``default_args`` is no dict, or the layer does not take an argument.
        KeyError: ``type`` is missing or unknown.
    """
    return build_with_defaults(cfg, POSITIONAL_ENCODING, default_args, "positional_encoding_cfg")


def build_attention(cfg: Config, default_args: Config | None = None) -> Any:
    """Build an attention from its config; ``default_args`` stand where it has no such key.

    Raises:
        TypeError: ``cfg`` or ``default_args`` is no dict, or the layer does not take an argument.
        KeyError: ``type`` is missing or unknown.

    >>> build_attention(dict(type="MultiheadAttention", embed_dims=8, num_heads=2)).attn.head_dim
    4
    """
    return build_with_defaults(cfg, ATTENTION, default_args, "attn_cfg")


def build_feedforward_network(cfg: Config, default_args: Config | None = None) -> Any:
    """Build a feed-forward network.

    Raises:
        TypeError: ``cfg`` or ``default_args`` is no dict, or the layer does not take an argument.
        KeyError: ``type`` is missing or unknown.
    """
    return build_with_defaults(cfg, FEEDFORWARD_NETWORK, default_args, "ffn_cfg")


def build_transformer_layer(cfg: Config, default_args: Config | None = None) -> Any:
    """Build a transformer layer.

    Raises:
        TypeError: ``cfg`` or ``default_args`` is no dict, or the layer does not take an argument.
        KeyError: ``type`` is missing or unknown.
    """
    return build_with_defaults(cfg, TRANSFORMER_LAYER, default_args, "transformer_layer_cfg")


def build_transformer_layer_sequence(cfg: Config, default_args: Config | None = None) -> Any:
    """Build a sequence of transformer layers.

    Raises:
        TypeError: ``cfg`` or ``default_args`` is no dict, or the layer does not take an argument.
        KeyError: ``type`` is missing or unknown.
    """
    return build_with_defaults(cfg, TRANSFORMER_LAYER_SEQUENCE, default_args, "transformer_cfg")
