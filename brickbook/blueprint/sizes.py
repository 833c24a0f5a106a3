"""Sizes that no layer can have: torch takes some of them, and says others in words of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brickbook.blueprint.building import resolve
from brickbook.blueprint.slots import unwrapped
from brickbook.errors import BadValueError

__all__ = ["check_sizes"]

# The least that each of these can be.
LEAST: Mapping[str, int] = {
    **dict.fromkeys(("kernel_size", "stride", "dilation", "groups", "num_groups"), 1),
    **dict.fromkeys(("in_channels", "out_channels", "num_features", "num_channels"), 1),
    **dict.fromkeys(("in_features", "out_features"), 1),
    "padding": 0,
}


def check_sizes(cfg: Mapping[str, Any], path: str) -> None:
    """Raise BadValueError for a size that is too small, with the path of its argument.

    Only for the layers of torch and of this package: elsewhere the same names may mean anything.
    A padding layer may take away, which is a padding below 0.
    """
    make = unwrapped(resolve(cfg.get("type"), path)[1])
    if (getattr(make, "__module__", None) or "").partition(".")[0] not in ("torch", "brickbook"):
        return
    for name, least in LEAST.items():
        value = cfg.get(name)
        sizes = value if isinstance(value, (tuple, list)) else (value,)
        small = any(type(size) is int and size < least for size in sizes)
        if small and (name != "padding" or "kernel_size" in cfg):
            what = "sizes" if sizes is value else "a size"
            raise BadValueError(
                f"{path}.{name}", f"expected {what} of {least} or more, got {value}."
            )
