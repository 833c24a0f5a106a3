"""What a new brick starts with: numbers that fit the shape before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import nn

from brickbook.blueprint import Blueprint
from brickbook.lab.fields import Field, fields_of

__all__ = ["CHANNELS", "FEATURES", "start_values", "starter", "suggest"]

# Arguments that must be the size of an axis of the input: the first after the batch, the last.
CHANNELS = (
    "in_channels", "num_features", "num_channels", "channels", "inplanes", "in_planes",
    "in_chans", "planes",
)  # fmt: skip
FEATURES = (
    "in_features", "normalized_shape", "embed_dims", "embed_dim", "dim", "d_model", "input_size",
)  # fmt: skip

# The widest of these that divides the channels becomes the number of groups.
GROUPS = (32, 16, 8, 4, 2, 1)

# What other required arguments start at.
COMMON: Mapping[str, Any] = {
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
}


def start_values(fields: Iterable[Field]) -> dict[str, Any]:
    """Return something that can be meant for every required number, check box and choice."""
    found: dict[str, Any] = {}
    for field in fields:
        if field.required and field.kind == "choice":
            found[field.name] = field.choices[0]
        elif field.required and field.kind in ("int", "float", "bool"):
            found[field.name] = {"int": 1, "float": 0.0, "bool": False}[field.kind]
    return found


def suggest(make: Callable[..., Any], shape: Sequence[int] | None) -> dict[str, Any]:
    """Return arguments for a new brick after an output of ``shape`` (without the batch).

    Sizes of the input are taken from ``shape`` where it is known; a convolution of 3 gets the
    padding that keeps the size, a pooling halves it.
    """
    fields = fields_of(make)
    found = start_values(fields)
    for field in fields:
        name = field.name
        if field.required and name in COMMON:
            found[name] = COMMON[name]
        if field.required and shape and name in CHANNELS:
            found[name] = shape[0]
        if field.required and shape and name in FEATURES:
            found[name] = shape[-1]
    if "num_groups" in found:
        channels = found.get("num_channels", 1)
        found["num_groups"] = next(n for n in GROUPS if channels % n == 0)
    names = {field.name for field in fields}
    if {"in_channels", "kernel_size", "padding"} <= names and found.get("kernel_size") == 3:
        found["padding"] = 1
    elif "kernel_size" in found and "in_channels" not in names:
        found["kernel_size"] = 2
    if "scale_factor" in names and make_of(make) is nn.Upsample:
        found["scale_factor"] = 2
    return found


def make_of(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return what is under a ``functools.partial``."""
    while isinstance(make, partial):
        make = make.func
    return make


def starter(input_shape: Sequence[int]) -> Blueprint:
    """Return a small net for pictures of ``input_shape`` (channels, height, width), 10 classes.

    Anything that is no picture of 4 pixels a side or more gets an empty blueprint.
    """
    if len(input_shape) != 3 or min(input_shape[1:]) < 4:
        return Blueprint()
    channels, height, width = input_shape
    same = {"kernel_size": 3, "padding": 1, "norm_cfg": {"type": "BN"}}
    pool = {"type": "MaxPool2d", "kernel_size": 2}
    return Blueprint(
        (
            {"type": "ConvModule", "in_channels": channels, "out_channels": 16, **same},
            pool,
            {"type": "ConvModule", "in_channels": 16, "out_channels": 32, **same},
            pool,
            {"type": "Flatten"},
            {
                "type": "Linear",
                "in_features": 32 * (height // 4) * (width // 4),
                "out_features": 10,
            },
        )
    )
