"""What a ConvModule asks of its arguments and parts."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

from brickbook.errors import BadValueError, CheckError
from brickbook.registry import Config

__all__ = ["STEPS", "check_arguments", "copy_cfg", "has_init_weights", "is_disabled"]

STEPS = ("conv", "norm", "act")
ORDERS = tuple(permutations(STEPS))


def check_arguments(
    conv_cfg: object, norm_cfg: object, act_cfg: object, order: object, bias: object
) -> None:
    """Raise for the arguments that no layer would refuse."""
    for key, cfg in (("conv_cfg", conv_cfg), ("norm_cfg", norm_cfg), ("act_cfg", act_cfg)):
        if not (cfg is None or isinstance(cfg, Mapping)):
            raise CheckError(key, f"expected a dict or None, got {cfg!r}.")
    if not isinstance(order, tuple) or order not in ORDERS:
        raise CheckError(
            "order", f"expected a tuple of 'conv', 'norm' and 'act', each once, got {order!r}."
        )
    if isinstance(bias, str) and bias != "auto":
        raise BadValueError("bias", f"expected True, False or 'auto', got {bias!r}.")


def copy_cfg(cfg: Config | None) -> dict[str, Any] | None:
    """Return a copy: the default of ``act_cfg`` is one object for all modules."""
    return None if cfg is None else dict(cfg)


def has_init_weights(layer: object) -> bool:
    """Whether a layer has an ``init_weights`` of its own."""
    return hasattr(layer, "init_weights")


def is_disabled(flag: object) -> bool:
    """False for a tracer's stand-in too, whose truth cannot be asked."""
    return isinstance(flag, (bool, int, type(None))) and not flag
