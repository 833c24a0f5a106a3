"""Norm layers by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from brickbook.bricks.norm.channel import ChannelLayerNorm, ChannelRMSNorm, LayerNorm2d
from brickbook.bricks.norm.grn import GRN
from brickbook.bricks.registry import (
    NORM_LAYERS,
    build_layer,
    find_layer,
    register_rows,
)
from brickbook.config import signature_of, unwrap_partial
from brickbook.errors import BadArgumentError, CheckError
from brickbook.registry import Config, split_type

__all__ = [
    "GRN",
    "ChannelLayerNorm",
    "ChannelRMSNorm",
    "LayerNorm2d",
    "attribute_stem",
    "build_norm_layer",
    "infer_abbr",
    "is_norm",
    "make_norm",
    "to_channel_norm",
]

ABBREVIATIONS: tuple[tuple[type[nn.Module], str], ...] = (
    (_InstanceNorm, "in"),
    (_BatchNorm, "bn"),
    (nn.GroupNorm, "gn"),
    (nn.LayerNorm, "ln"),
)

NAME_HINTS = {"batch": "bn", "group": "gn", "layer": "ln", "instance": "in"}
NORMS = (*(base for base, _ in ABBREVIATIONS), nn.RMSNorm, GRN)

# Where nn.LayerNorm and nn.RMSNorm take the last axis, these take that of the channels.
CHANNEL_NORMS = ((nn.LayerNorm, ChannelLayerNorm), (nn.RMSNorm, ChannelRMSNorm))

register_rows(NORM_LAYERS, {
    "BN": nn.BatchNorm2d,
    "BN1d": nn.BatchNorm1d,
    "BN2d": nn.BatchNorm2d,
    "BN3d": nn.BatchNorm3d,
    "SyncBN": nn.SyncBatchNorm,
    "GN": nn.GroupNorm,
    "LN": nn.LayerNorm,
    "IN": nn.InstanceNorm2d,
    "IN1d": nn.InstanceNorm1d,
    "IN2d": nn.InstanceNorm2d,
    "IN3d": nn.InstanceNorm3d,
    "LN2d": ChannelLayerNorm,
    "LayerNorm2d": ChannelLayerNorm,
    "RMSNorm": nn.RMSNorm,
    "RMSNorm2d": ChannelRMSNorm,
    "GRN": GRN,
})  # fmt: skip


def infer_abbr(class_type: type) -> str:
    """Return the attribute name that layers of a class go by in a parent: ``"bn"`` → ``self.bn1``.

    The first that applies: the class's ``_abbr_``; the torch norm it derives from; a word in its
    name (batch, group, layer, instance); ``"norm_layer"``.

    Raises:
        TypeError: ``class_type`` is no class.

    >>> infer_abbr(nn.InstanceNorm2d), infer_abbr(nn.Identity)
    ('in', 'norm_layer')
    """
    if not inspect.isclass(class_type):
        raise BadArgumentError("class_type", f"expected a class, got {class_type!r}.")
    if own := getattr(class_type, "_abbr_", None):
        return own
    for base, abbreviation in ABBREVIATIONS:
        if issubclass(class_type, base):
            return abbreviation
    name = class_type.__name__.lower()
    return next((short for word, short in NAME_HINTS.items() if word in name), "norm_layer")


def build_norm_layer(cfg: Config, num_features: int, postfix: int | str = "") -> tuple[str, Any]:
    """Build a normalisation of ``num_features`` channels; return (attribute name, layer).

    Args:
        cfg: The layer's ``type`` and arguments. ``requires_grad`` (default True) is set on every
            parameter, ``eps`` is 1e-5 by default, GN needs ``num_groups``.
        num_features: How many channels.
        postfix: What follows the abbreviation in the attribute name.

    Raises:
        TypeError: ``cfg`` is no dict, or the layer does not take an argument.
        KeyError: ``type`` is missing or unknown.
        AssertionError: ``postfix`` is no int or str, or ``num_groups`` is missing.

    >>> build_norm_layer(dict(type="BN"), 8, postfix=1)[0]
    'bn1'
    """
    kind, own = split_type(cfg, "norm_cfg")
    make = find_layer(kind, NORM_LAYERS, "norm_cfg")
    if not isinstance(postfix, (int, str)):
        raise CheckError("postfix", f"expected an int or a str, got {postfix!r}.")
    layer = make_norm(make, own, num_features)
    return f"{attribute_stem(make, layer)}{postfix}", layer


def make_norm(make: Callable[..., Any], own: Config, num_features: int) -> Any:
    """Call ``make`` for ``num_features`` channels with the keys ``own`` of a ``norm_cfg``."""
    takes = signature_of(make)
    own = dict(own)
    trainable = own.pop("requires_grad", True)
    if not isinstance(trainable, bool):
        raise BadArgumentError("norm_cfg.requires_grad", f"expected bool, got {trainable!r}.")
    if "num_groups" in takes.required and "num_groups" not in own:
        raise CheckError("norm_cfg", f"{unwrap_partial(make).__name__} also needs num_groups.")
    if "eps" in takes.named or takes.any_keyword:
        own.setdefault("eps", 1e-5)
    if "num_channels" in takes.named or is_subclass(make, nn.GroupNorm):
        layer = build_layer(make, (), {"num_channels": num_features}, own, "norm_cfg")
    else:
        layer = build_layer(make, (num_features,), {}, own, "norm_cfg")
    for parameter in layer.parameters():
        parameter.requires_grad = trainable
    return layer


def attribute_stem(make: Callable[..., Any], layer: Any) -> str:
    """Return the abbreviation of what was called, or of what a function returned."""
    made = unwrap_partial(make)
    return infer_abbr(made if isinstance(made, type) else type(layer))


def is_subclass(make: Callable[..., Any], base: type) -> bool:
    """True if ``make`` is a subclass of ``base``, or a partial of one."""
    made = unwrap_partial(make)
    return isinstance(made, type) and issubclass(made, base)


def to_channel_norm(make: Callable[..., Any]) -> Callable[..., Any]:
    """Put a norm over the channels in the place of torch's over the last axis.

    That is nn.LayerNorm itself or nn.RMSNorm itself, also under a partial.
    """
    for last, own in CHANNEL_NORMS:
        if isinstance(make, partial) and make.func is last:
            return partial(own, *make.args, **make.keywords)
        if make is last:
            return own
    return make


def is_norm(layer: object, exclude: type | tuple[type, ...] | None = None) -> bool:
    """True for batch, instance, group, layer and RMS norms and GRN, but for those of ``exclude``.

    Raises:
        TypeError: ``exclude`` is neither a class nor a tuple of classes.
    """
    excluded = exclude if isinstance(exclude, tuple) else (exclude,)
    if exclude is not None:
        if not all(isinstance(kind, type) for kind in excluded):
            raise BadArgumentError(
                "exclude", f"expected a class or a tuple of classes, got {exclude!r}."
            )
        if isinstance(layer, excluded):  # pyright: ignore[reportArgumentType] - all are classes
            return False
    return isinstance(layer, NORMS)
