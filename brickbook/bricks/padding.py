"""Paddings by name; the class for a convolution's number of spatial axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from brickbook.bricks.registry import PADDING_LAYERS, build_family, register_rows
from brickbook.errors import BadArgumentError, UnknownNameError, nearest
from brickbook.registry import Config

__all__ = ["build_padding_layer", "padding_class"]

register_rows(PADDING_LAYERS, {
    "zero": nn.ZeroPad2d,
    "reflect": nn.ReflectionPad2d,
    "replicate": nn.ReplicationPad2d,
})  # fmt: skip

# The relatives of the registered 2-D classes: for 1, 2 and 3 spatial axes.
BY_AXES: dict[Any, tuple[Callable[..., Any], ...]] = {
    nn.ZeroPad2d: (nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d),
    nn.ReflectionPad2d: (nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d),
    nn.ReplicationPad2d: (nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d),
    nn.CircularPad2d: (nn.CircularPad1d, nn.CircularPad2d, nn.CircularPad3d),
}
CONV_MODES = ("zeros", "circular")


def build_padding_layer(cfg: Config, *args: Any, **kwargs: Any) -> Any:
    """Build a 2-D padding layer; the amount in pixels is its first argument.

    Raises TypeError if ``cfg`` is no dict or the layer does not take an argument, KeyError if
    ``type`` is missing or unknown.

    >>> build_padding_layer(dict(type="reflect"), 2)
    ReflectionPad2d((2, 2, 2, 2))
    """
    return build_family(cfg, PADDING_LAYERS, args, kwargs, "padding_cfg")


def padding_class(mode: str, axes: int) -> Callable[..., Any]:
    """Return the class that pads ``axes`` spatial axes in a registered mode or in ``"circular"``.

    Raises KeyError for an unknown mode.
    """
    if not isinstance(mode, str):
        raise BadArgumentError("padding_mode", f"expected str, got {mode!r}.")
    make = nn.CircularPad2d if mode == "circular" else PADDING_LAYERS.get(mode)
    if make is None:
        raise UnknownNameError(
            "padding_mode",
            f"{mode} is not in the {PADDING_LAYERS.name} registry.",
            nearest(mode, (*CONV_MODES, *PADDING_LAYERS.module_dict)),
        )
    relatives = BY_AXES.get(make, ())
    return relatives[axes - 1] if 0 < axes <= len(relatives) else make
