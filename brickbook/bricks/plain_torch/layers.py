"""A layer of torch as the expression that makes it again, found from the layer itself."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter, signature
from typing import Any

import torch
from torch import Tensor, nn

from brickbook.bricks import wrappers
from brickbook.bricks.drop import Dropout
from brickbook.config import to_quoted_literal

__all__ = ["torch_class", "write_layer"]

# Classes of this package that do what torch's do.
TORCH_CLASSES: Mapping[type[nn.Module], type[nn.Module]] = {
    wrappers.ConvTranspose1d: nn.ConvTranspose1d,
    wrappers.ConvTranspose2d: nn.ConvTranspose2d,
    wrappers.ConvTranspose3d: nn.ConvTranspose3d,
    Dropout: nn.Dropout,
}


def torch_class(layer: nn.Module) -> type[nn.Module] | None:
    """Return the class of ``torch.nn`` that a layer is, or that does what it does; else None."""
    kind = TORCH_CLASSES.get(type(layer), type(layer))
    return kind if getattr(nn, kind.__name__, None) is kind else None


def write_layer(layer: nn.Module, kind: type[nn.Module]) -> str | None:
    """Return the call of ``kind`` that makes a layer with the same arguments; None if none does.

    What it makes is compared with the layer: attributes, parameters and buffers by name, shape and
    dtype. The numbers in them come with a state dict.
    """
    needed, optional = read_arguments(layer, kind)
    if not makes(layer, kind, needed, optional):
        return None
    for name in list(optional):
        rest = {key: value for key, value in optional.items() if key != name}
        if makes(layer, kind, needed, rest):
            optional = rest
    words = [to_quoted_literal(value) for value in needed]
    words += [f"{name}={to_quoted_literal(value)}" for name, value in optional.items()]
    return f"nn.{kind.__name__}({', '.join(words)})"


def read_arguments(layer: nn.Module, kind: type[nn.Module]) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments that a layer keeps as attributes: those without default, and others."""
    needed: list[Any] = []
    optional: dict[str, Any] = {}
    for name, parameter in signature(kind).parameters.items():
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            continue
        if name.startswith("_") or name in ("device", "dtype"):
            continue
        value = read_argument(layer, name)
        if parameter.default is Parameter.empty:
            needed.append(value)
        elif value is not Parameter.empty:
            optional[name] = value
    return needed, optional


def read_argument(layer: nn.Module, name: str) -> Any:
    """Return what a layer keeps of an argument; an axis-wise size that is one number as that."""
    if isinstance(layer, nn.MultiheadAttention) and name in ("bias", "add_bias_kv"):
        return getattr(layer, {"bias": "in_proj_bias", "add_bias_kv": "bias_k"}[name]) is not None
    value: Any = getattr(layer, name, Parameter.empty)
    if name == "bias" and (value is None or isinstance(value, Tensor)):
        return value is not None
    if type(value) is tuple and len(set(value)) == 1 and name != "output_size":
        return value[0]
    return value


def makes(
    layer: nn.Module, kind: type[nn.Module], needed: list[Any], optional: Mapping[str, Any]
) -> bool:
    """Whether a call of ``kind`` makes a layer that differs from this one in its numbers alone."""
    try:
        with torch.device("meta"):
            made = kind(*needed, **optional)
    except Exception:
        return False
    old, new = dict(layer.named_modules()), dict(made.named_modules())
    return old.keys() == new.keys() and all(is_alike(old[name], new[name]) for name in new)


def is_alike(old: nn.Module, new: nn.Module) -> bool:
    """Whether a module has the plain attributes of a new one, and its tensors but for the numbers.

    What was added to it later, such as an ``init_cfg``, does not count.
    """
    for name, value in vars(new).items():
        if name.startswith("_") or name == "training":
            continue
        found = vars(old).get(name)
        if type(found) is not type(value) or found != value:
            return False
    return describe_tensors(old) == describe_tensors(new)


def describe_tensors(part: nn.Module) -> dict[str, Any]:
    """Return shape and dtype of a module's own parameters and buffers, None for one left out."""
    tensors = {**part._parameters, **part._buffers}
    return {
        name: None if value is None else (value.shape, value.dtype)
        for name, value in tensors.items()
    }
