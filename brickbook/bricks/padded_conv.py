"""A convolution, and the padding layer before it where its padding mode asks for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from brickbook.arguments import parameters
from brickbook.bricks.conv import CONV2D
from brickbook.bricks.padding import padding_class
from brickbook.bricks.registry import CONV_LAYERS, build_layer, find_layer, unwrap
from brickbook.errors import BadValueError
from brickbook.registry import Config, split_type

__all__ = ["padded_conv", "padding_amounts"]

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def padded_conv(
    cfg: Config | None, args: tuple[Any, ...], kwargs: Config, padding: Any, mode: str
) -> tuple[Any, Any]:
    """Build a convolution; return it and the layer that pads before it, None where it pads itself.

    A convolution pads with zeros itself, and in a circle if its class takes ``padding_mode``.
    Raises KeyError for an unknown mode, ValueError for a mode or an amount that cannot be had.
    """
    kind, own = split_type(CONV2D if cfg is None else cfg, "conv_cfg")
    make = find_layer(kind, CONV_LAYERS, "conv_cfg")
    if mode == "zeros":
        return build_layer(make, args, {**kwargs, "padding": padding}, own, "conv_cfg"), None
    if mode == "circular" and pads_itself(make):
        kwargs = {**kwargs, "padding": padding, "padding_mode": mode}
        return build_layer(make, args, kwargs, own, "conv_cfg"), None
    padding_class(mode, 0)  # an unknown mode is an error before anything is built
    conv = build_layer(make, args, {**kwargs, "padding": 0}, own, "conv_cfg")
    axes = spatial_axes(conv)
    return conv, padding_class(mode, axes)(padding_amounts(padding, axes, mode))


def pads_itself(make: Callable[..., Any]) -> bool:
    """True if a convolution takes ``padding_mode="circular"``.

    Raises ValueError for a transposed one of torch: it pads its output, with zeros only.
    """
    kind = unwrap(make)
    if isinstance(kind, type) and issubclass(kind, TRANSPOSED):
        raise BadValueError(
            "padding_mode", f"{kind.__name__} pads with zeros only, got 'circular'."
        )
    return "padding_mode" in parameters(make).named


def spatial_axes(conv: Any) -> int:
    """Return a convolution's number of spatial axes, 2 where it does not tell."""
    weight, kernel = getattr(conv, "weight", None), getattr(conv, "kernel_size", None)
    if isinstance(weight, Tensor) and weight.dim() > 2:
        return weight.dim() - 2
    return len(kernel) if isinstance(kernel, tuple) else 2


def padding_amounts(padding: Any, axes: int, mode: str) -> Any:
    """Turn a convolution's padding into a padding layer's, whose last axis comes first.

    One number for all axes stays; one number an axis is doubled to both its ends; two numbers an
    axis are taken as they are. Raises ValueError for anything else.

    >>> padding_amounts((1, 2), 2, "reflect"), padding_amounts(3, 2, "reflect")
    ((2, 2, 1, 1), 3)
    """
    if isinstance(padding, (list, tuple)):
        if len(padding) == 2 * axes:
            return tuple(padding)
        if len(padding) == axes:
            return tuple(amount for amount in reversed(padding) for _ in range(2))
    if isinstance(padding, (str, list, tuple)):
        raise BadValueError(
            "padding",
            f"expected one number, {axes} or {2 * axes} with padding_mode={mode!r}, "
            f"got {padding!r}.",
        )
    return padding
