"""Arguments that are suggested for a new brick: numbers that fit the shape before it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from torch import nn

from brickbook.blueprint import (
    ARGUMENT_AXES,
    CHANNEL_ARGUMENTS,
    FEATURE_ARGUMENTS,
    Blueprint,
    slots_of,
)
from brickbook.config import signature_of, unwrap_partial
from brickbook.lab.form.fields import Field, fields_of

__all__ = ["default_blueprint", "default_values", "suggest"]

# The widest of these that divides the channels becomes the number of groups.
GROUP_COUNTS = (32, 16, 8, 4, 2, 1)

SOFTMAXES = (nn.Softmax, nn.LogSoftmax, nn.Softmin)  # without an axis they warn

# Suggested values of other required arguments.
DEFAULT_VALUES: Mapping[str, Any] = {
    "out_channels": 16,
    "out_features": 10,
    "kernel_size": 3,
    "output_size": 1,
    "padding": 1,
    "scale_factor": 2,
    "upsample_kernel": 3,
    "num_embeddings": 100,
    "embedding_dim": 16,
    "num_heads": 1,
    "times": 2,
}


def default_values(fields: Iterable[Field]) -> dict[str, Any]:
    """Return a valid value for every required number, check box and choice."""
    found: dict[str, Any] = {}
    for field in fields:
        if field.required and field.kind == "choice":
            found[field.name] = field.choices[0]
        elif field.required and field.kind in ("int", "float", "bool"):
            found[field.name] = {"int": 1, "float": 0.0, "bool": False}[field.kind]
    return found


def suggest(make: Callable[..., Any], shape: Sequence[int] | None) -> dict[str, Any]:
    """Return arguments for a new brick after an output of ``shape`` (without the batch).

    Sizes that the blueprint infers are left out; other sizes of the input are taken from ``shape``
    where it is known. A convolution of 3 gets the padding that keeps the size, a pooling halves
    it. A container begins empty. Attention takes the axes of a sample, the batch first; its layers
    and feed-forward networks are as wide as the sample.

    >>> suggest(nn.GroupNorm, (24, 8, 8))
    {'num_groups': 8}
    """
    fields = fields_of(make)
    found = {
        name: value for name, value in default_values(fields).items() if name not in ARGUMENT_AXES
    }
    for field in fields:
        name = field.name
        if field.required and name in DEFAULT_VALUES:
            found[name] = DEFAULT_VALUES[name]
        if field.required and shape and name not in ARGUMENT_AXES:
            if name in CHANNEL_ARGUMENTS:
                found[name] = shape[0]
            if name in FEATURE_ARGUMENTS:
                found[name] = shape[-1]
    names = {field.name for field in fields}
    found.update(suggest_transformer_parts(names, shape[-1] if shape else 64))
    depths = getattr(make, "arch_settings", {})
    if "depth" in found and depths:
        found["depth"] = min(depths)
    if "ratio" in found and shape:
        found["ratio"] = 0.25 if shape[0] >= 4 else 1.0
    if {"num_heads", "in_channels"} <= names and shape:
        found["num_heads"] = next(n for n in (8, 4, 2, 1) if shape[0] % n == 0)
    if unwrap_partial(make) in SOFTMAXES:
        found["dim"] = 1
    if "num_groups" in found:
        channels = shape[0] if shape else 1
        found["num_groups"] = next(n for n in GROUP_COUNTS if channels % n == 0)
    if {"in_channels", "kernel_size", "padding"} <= names and found.get("kernel_size") == 3:
        found["padding"] = 1
    elif "kernel_size" in found and "in_channels" not in names:
        found["kernel_size"] = 2
    if "scale_factor" in names and unwrap_partial(make) is nn.Upsample:
        found["scale_factor"] = 2
    for name, slot in slots_of(make).items():
        if name in signature_of(make).required:
            found[name] = [[], []] if slot == "chains" else []
    return found


def suggest_transformer_parts(names: Collection[str], width: int) -> dict[str, Any]:
    """Return arguments of attention, feed-forward networks and their layers, of those in names."""
    attention = {"type": "MultiheadAttention", "embed_dims": width, "num_heads": 1}
    network = {"type": "FFN", "embed_dims": width, "feedforward_channels": 4 * width}
    layer = {
        "attn_cfgs": attention,
        "ffn_cfgs": network,
        "operation_order": ("self_attn", "norm", "ffn", "norm"),
        "batch_first": True,
    }
    found: dict[str, Any] = {"batch_first": True} if "batch_first" in names else {}
    if {"embed_dims", "feedforward_channels"} <= set(names):
        found |= {"embed_dims": width, "feedforward_channels": 4 * width}
    if {"attn_cfgs", "operation_order"} <= set(names):
        found |= layer
    if "transformerlayers" in names:
        found["transformerlayers"] = {"type": "BaseTransformerLayer", **layer}
        found["num_layers"] = 2
    return found


def default_blueprint(input_shape: Sequence[int]) -> Blueprint:
    """Return a small net of 10 classes for pictures of ``input_shape`` (channels, height, width).

    Anything that is no picture of 4 pixels a side or more gets an empty blueprint.
    """
    if len(input_shape) != 3 or min(input_shape[1:]) < 4:
        return Blueprint()
    same = {"kernel_size": 3, "padding": 1, "norm_cfg": {"type": "BN"}}
    pool = {"type": "MaxPool2d", "kernel_size": 2}
    return Blueprint(
        (
            {"type": "ConvModule", "out_channels": 16, **same},
            pool,
            {"type": "ConvModule", "out_channels": 32, **same},
            pool,
            {"type": "Flatten"},
            {"type": "Linear", "out_features": 10},
        )
    )
