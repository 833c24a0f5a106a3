"""Paddings by name, padding to cover a map, and convolutions with a padding layer before them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, fx, nn

from brickbook.bricks.conv import CONV2D
from brickbook.bricks.conv2d_adaptive_padding import same_pad_amounts
from brickbook.bricks.registry import (
    CONV_LAYERS,
    PADDING_LAYERS,
    build_from_family,
    build_layer,
    find_layer,
    register_rows,
)
from brickbook.config import signature_of, unwrap_partial
from brickbook.errors import BadArgumentError, BadValueError, CheckError, UnknownNameError, nearest
from brickbook.registry import Config, split_type

__all__ = [
    "AdaptivePadding",
    "Pair",
    "Size",
    "build_padded_conv",
    "build_padding_layer",
    "padding_class",
    "to_layer_padding",
    "to_pair",
]

# What each way of padding is called for 1, 2 and 3 spatial axes.
PADS: dict[str, tuple[type[nn.Module], ...]] = {
    "zero": (nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d),
    "reflect": (nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d),
    "replicate": (nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d),
    "circular": (nn.CircularPad1d, nn.CircularPad2d, nn.CircularPad3d),
    "constant": (nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d),
}

CONV_MODES = ("zeros", "circular")
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)

# As with norms, a bare name is the 2-D class and a digit says otherwise: BN, BN1d; zero, zero1d.
register_rows(PADDING_LAYERS, {name: pads[1] for name, pads in PADS.items()})


for axes in (1, 2, 3):
    register_rows(PADDING_LAYERS, {f"{name}{axes}d": pads[axes - 1] for name, pads in PADS.items()})


def build_padding_layer(cfg: Config, *args: Any, **kwargs: Any) -> Any:
    """Build a padding layer; the amount in pixels is its first argument.

    ``zero``, ``reflect``, ``replicate``, ``circular`` and ``constant`` (which also needs a
    ``value``) pad two spatial axes; with ``1d``, ``2d`` or ``3d`` behind the name as many as that.
    One amount is for all ends, else there is one an end, those of the last axis first.

    Raises:
        TypeError: ``cfg`` is no dict, or the layer does not take an argument.
        KeyError: ``type`` is missing or unknown.

    >>> build_padding_layer(dict(type="reflect"), 2)
    ReflectionPad2d((2, 2, 2, 2))
    >>> build_padding_layer(dict(type="constant1d", value=0.5), (2, 0))
    ConstantPad1d(padding=(2, 0), value=0.5)
    """
    return build_from_family(cfg, PADDING_LAYERS, args, kwargs, "padding_cfg")


def padding_class(mode: str, axes: int) -> Callable[..., Any]:
    """Return the class that pads ``axes`` spatial axes in a registered mode.

    A name without a digit stands for the class of as many axes.

    Raises:
        KeyError: The mode is unknown.
        ValueError: It is the class of another number of axes, or ``"constant"``, whose value there
            is nowhere to say.
    """
    if not isinstance(mode, str):
        raise BadArgumentError("padding_mode", f"expected str, got {mode!r}.")
    make = PADDING_LAYERS.get(mode)
    if make is None:
        raise UnknownNameError(
            "padding_mode",
            f"{mode} is not in the {PADDING_LAYERS.name} registry.",
            nearest(mode, (*CONV_MODES, *PADDING_LAYERS.module_dict)),
        )
    pads = next((pads for pads in PADS.values() if make in pads), ())
    if pads is PADS["constant"]:
        raise BadValueError(
            "padding_mode", f"{mode} needs a value, which can be said in a padding layer only."
        )
    if not 0 < axes <= len(pads):
        return make
    if mode.endswith(("1d", "2d", "3d")) and make is not pads[axes - 1]:
        raise BadValueError(
            "padding_mode",
            f"{mode} pads {pads.index(make) + 1} axes, the convolution has {axes}.",
            "A name without a digit fits any.",
        )
    return pads[axes - 1]


Pair = tuple[int, int]
Size = int | Sequence[int]


def to_pair(value: Size, key: str) -> Pair:
    """Return one number for each of two axes.

    Raises:
        ValueError: A sequence has any other length.
    """
    numbers = (value, value) if isinstance(value, int) else tuple(value)
    if len(numbers) != 2:
        raise BadValueError(key, f"expected one number or two, got {value!r}.")
    return numbers


class AdaptivePadding(nn.Module):
    """Zeros around (N, C, H, W), so that a filter that moves over it covers every pixel.

    ``"corner"`` adds them at the bottom and at the right, ``"same"`` on both sides as TensorFlow
    does. There are then ``ceil(size / stride)`` places along each axis.

    Raises:
        AssertionError: ``padding`` is neither word.

    >>> import torch
    >>> AdaptivePadding(kernel_size=16, stride=16)(torch.ones(1, 1, 15, 17)).shape
    torch.Size([1, 1, 16, 32])
    """

    def __init__(
        self, kernel_size: Size = 1, stride: Size = 1, dilation: Size = 1, padding: str = "corner"
    ) -> None:
        super().__init__()
        if padding not in ("same", "corner"):
            raise CheckError("padding", f"expected 'same' or 'corner', got {padding!r}.")
        self.padding = padding
        self.kernel_size = to_pair(kernel_size, "kernel_size")
        self.stride = to_pair(stride, "stride")
        self.dilation = to_pair(dilation, "dilation")

    def get_pad_shape(self, input_shape: Sequence[int]) -> Pair:
        """Return how many zeros are added to a height and a width."""
        rows, columns = same_padding(input_shape, self.kernel_size, self.stride, self.dilation)
        return sum(rows), sum(columns)

    def forward(self, x: Tensor) -> Tensor:
        """Return the padded map; ``x`` itself where nothing is to be added."""
        return pad_adaptively(x, self.kernel_size, self.stride, self.dilation, self.padding)


def same_padding(
    size: Sequence[int], kernel: Pair, stride: Pair, dilation: Pair
) -> tuple[Pair, Pair]:
    """Return how many zeros stand before and after a height and a width, evenly."""
    sides = zip(size, kernel, stride, dilation, strict=True)
    rows, columns = (same_pad_amounts(n, d * (k - 1) + 1, s) for n, k, s, d in sides)
    return rows, columns


def pad_adaptively(x: Tensor, kernel: Pair, stride: Pair, dilation: Pair, padding: str) -> Tensor:
    """Pad the last two axes."""
    rows, columns = same_padding(x.shape[-2:], kernel, stride, dilation)
    if not any((*rows, *columns)):
        return x
    if padding == "corner":
        rows, columns = (0, sum(rows)), (0, sum(columns))
    return F.pad(x, (*columns, *rows))


fx.wrap("pad_adaptively")  # a tracer takes it as one step: what it does depends on the input's size


def build_padded_conv(
    cfg: Config | None, args: tuple[Any, ...], kwargs: Config, padding: Any, mode: str
) -> tuple[Any, Any]:
    """Build a convolution; return it and the layer that pads before it, None where it pads itself.

    A convolution pads with zeros itself, and in a circle if its class takes ``padding_mode``.

    Raises:
        KeyError: The mode is unknown.
        ValueError: The mode or the amount cannot be had.
    """
    kind, own = split_type(CONV2D if cfg is None else cfg, "conv_cfg")
    make = find_layer(kind, CONV_LAYERS, "conv_cfg")
    if mode == "zeros":
        return build_layer(make, args, {**kwargs, "padding": padding}, own, "conv_cfg"), None
    if mode == "circular" and takes_circular_padding(make):
        kwargs = {**kwargs, "padding": padding, "padding_mode": mode}
        return build_layer(make, args, kwargs, own, "conv_cfg"), None
    padding_class(mode, 0)  # an unknown mode is an error before anything is built
    conv = build_layer(make, args, {**kwargs, "padding": 0}, own, "conv_cfg")
    axes = spatial_axes(conv)
    return conv, padding_class(mode, axes)(to_layer_padding(padding, axes, mode))


def takes_circular_padding(make: Callable[..., Any]) -> bool:
    """True if a convolution takes ``padding_mode="circular"``.

    Raises:
        ValueError: It is a transposed one of torch, which pads its output, with zeros only.
    """
    kind = unwrap_partial(make)
    if isinstance(kind, type) and issubclass(kind, TRANSPOSED):
        raise BadValueError(
            "padding_mode", f"{kind.__name__} pads with zeros only, got 'circular'."
        )
    return "padding_mode" in signature_of(make).named


def spatial_axes(conv: Any) -> int:
    """Return a convolution's number of spatial axes, 2 where it does not tell."""
    weight, kernel = getattr(conv, "weight", None), getattr(conv, "kernel_size", None)
    if isinstance(weight, Tensor) and weight.dim() > 2:
        return weight.dim() - 2
    return len(kernel) if isinstance(kernel, tuple) else 2


def to_layer_padding(padding: Any, axes: int, mode: str) -> Any:
    """Turn a convolution's padding into a padding layer's, whose last axis comes first.

    One number for all axes stays; one number an axis is doubled to both its ends; two numbers an
    axis are taken as they are.

    Raises:
        ValueError: The padding is none of these.

    >>> to_layer_padding((1, 2), 2, "reflect"), to_layer_padding(3, 2, "reflect")
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
