"""Paddings by name; the class for a convolution's number of spatial axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from brickbook.arguments import parameters
from brickbook.bricks.registry import PADDING_LAYERS, build_family, register_rows, unwrap
from brickbook.errors import BadArgumentError, BadValueError, UnknownNameError, nearest
from brickbook.registry import Config

__all__ = [
    "build_padding_layer",
    "padding_amounts",
    "padding_for",
    "pads_itself",
    "spatial_axes",
]

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
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


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


def padding_for(conv: Any, padding: Any, mode: str) -> Any:
    """Build the layer that pads in the place of ``conv``, by ``conv``'s own padding argument."""
    axes = spatial_axes(conv)
    return padding_class(mode, axes)(padding_amounts(padding, axes, mode))
