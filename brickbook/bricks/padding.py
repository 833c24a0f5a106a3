"""Paddings by name; the class for a convolution's number of spatial axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from brickbook.bricks.registry import PADDING_LAYERS, build_family, register_rows
from brickbook.errors import BadArgumentError, BadValueError, UnknownNameError, nearest
from brickbook.registry import Config

__all__ = ["build_padding_layer", "padding_class"]

# What each way of padding is called for 1, 2 and 3 spatial axes.
PADS: dict[str, tuple[type[nn.Module], ...]] = {
    "zero": (nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d),
    "reflect": (nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d),
    "replicate": (nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d),
    "circular": (nn.CircularPad1d, nn.CircularPad2d, nn.CircularPad3d),
    "constant": (nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d),
}
CONV_MODES = ("zeros", "circular")

# As with norms, a bare name is the 2-D class and a digit says otherwise: BN, BN1d; zero, zero1d.
register_rows(PADDING_LAYERS, {name: pads[1] for name, pads in PADS.items()})
for axes in (1, 2, 3):
    register_rows(PADDING_LAYERS, {f"{name}{axes}d": pads[axes - 1] for name, pads in PADS.items()})


def build_padding_layer(cfg: Config, *args: Any, **kwargs: Any) -> Any:
    """Build a padding layer; the amount in pixels is its first argument.

    ``zero``, ``reflect``, ``replicate``, ``circular`` and ``constant`` (which also needs a
    ``value``) pad two spatial axes; with ``1d``, ``2d`` or ``3d`` behind the name as many as that.
    One amount is for all ends, else there is one an end, those of the last axis first.

    Raises TypeError if ``cfg`` is no dict or the layer does not take an argument, KeyError if
    ``type`` is missing or unknown.

    >>> build_padding_layer(dict(type="reflect"), 2)
    ReflectionPad2d((2, 2, 2, 2))
    >>> build_padding_layer(dict(type="constant1d", value=0.5), (2, 0))
    ConstantPad1d(padding=(2, 0), value=0.5)
    """
    return build_family(cfg, PADDING_LAYERS, args, kwargs, "padding_cfg")


def padding_class(mode: str, axes: int) -> Callable[..., Any]:
    """Return the class that pads ``axes`` spatial axes in a registered mode.

    A name without a digit stands for the class of as many axes. Raises KeyError for an unknown
    mode, ValueError for the class of another number of axes and for ``"constant"``, whose value
    there is nowhere to say.
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
