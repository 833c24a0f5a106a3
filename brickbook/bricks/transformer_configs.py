"""What the configs of a transformer's parts must be, read before anything is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brickbook.arguments import copied
from brickbook.errors import BadArgumentError, CheckError, nearest
from brickbook.registry import Config

__all__ = ["ATTENTIONS", "Configs", "checked_order", "one_each"]

Configs = Config | Sequence[Config] | None
ATTENTIONS = ("self_attn", "cross_attn")
OPERATIONS = (*ATTENTIONS, "norm", "ffn")


def checked_order(order: Any) -> Sequence[str]:
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


def one_each(cfgs: Configs, count: int, key: str, what: str) -> list[dict[str, Any]]:
    """Return a config of its own for each of ``count`` parts, from one for all or one for each."""
    if isinstance(cfgs, Mapping):
        return [copied(cfgs) for _ in range(count)]
    given = [] if cfgs is None else cfgs
    if not isinstance(given, (list, tuple)):
        raise BadArgumentError(key, f"expected a dict or a list of dict, got {cfgs!r}.")
    if len(given) != count:
        raise CheckError(key, f"expected one config for each {what}: {count}, got {len(given)}.")
    for at, cfg in enumerate(given):
        if not isinstance(cfg, Mapping):
            raise BadArgumentError(f"{key}[{at}]", f"cfg must be a dict, but got {type(cfg)}.")
    return [copied(cfg) for cfg in given]
