"""Layers that run one after the other without a norm or a branch between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules.conv import _ConvNd

from brickbook.introspect.activations import (
    Activation,
    UnknownActivationError,
    activation_after,
    conv_module_order,
    is_sequential,
    is_weight_layer,
    passes_signal,
)
from brickbook.introspect.layers import is_norm_layer
from brickbook.introspect.names import plain_module_name, unwrap

__all__ = ["ChainedLayer", "find_chains", "is_rectifier", "maps_zero_to_zero"]

RECTIFIER_FUNCTIONS: tuple[Any, ...] = (F.relu, torch.relu, F.relu6)


@dataclass(frozen=True)
class ChainedLayer:
    """A layer of a chain: its plain name, and the activation that follows it.

    ``known`` is False where what follows cannot be known, ``normed`` True where a norm comes
    before anything else that changes the signal's size.
    """

    name: str
    layer: nn.Module
    activation: Activation | None = None
    known: bool = True
    followed_by_norm: bool = False


def find_chains(model: nn.Module) -> list[list[ChainedLayer]]:
    """Return the layers that run one after the other with no norm and no branch in between.

    Only what stands in an ``nn.Sequential`` or a ConvModule is known to; a layer whose output goes
    through a norm ends its chain.
    """
    found: list[list[ChainedLayer]] = [[]]
    for step in walk_in_order("", model, found):
        found[-1].append(describe_layer(model, *step))
    return [chain for chain in found if chain]


def walk_in_order(
    name: str, module: nn.Module, found: list[list[ChainedLayer]]
) -> Iterator[tuple[str, nn.Module]]:
    """Yield (name, layer) in the order they run; start a new chain in ``found`` at each break."""
    module = unwrap(module)
    order = conv_module_order(module)
    if is_sequential(module) or order:
        keys = list(module._modules)
        if order:
            norm = getattr(module, "norm_name", None)
            keys = [{"conv": "conv", "norm": norm or ""}.get(step, "") for step in order]
        for key in keys:
            child = module._modules.get(key)
            if child is not None:
                yield from walk_in_order(f"{name}.{key}".lstrip("."), child, found)
    elif looks_like_norm(module):
        if found[-1]:
            last = found[-1][-1]
            found[-1][-1] = ChainedLayer(last.name, last.layer, last.activation, last.known, True)
        found.append([])
    elif isinstance(module, (nn.Linear, _ConvNd)):
        yield plain_module_name(name), module
    elif passes_signal(module) or (not module._modules and not is_weight_layer(module)):
        return
    else:
        found.append([])
        for key, child in module._modules.items():
            if child is not None:
                yield from walk_in_order(f"{name}.{key}".lstrip("."), child, found)
                found.append([])


def describe_layer(model: nn.Module, name: str, layer: nn.Module) -> ChainedLayer:
    """Return a layer with what follows it."""
    try:
        return ChainedLayer(name, layer, activation_after(model, name))
    except UnknownActivationError:
        return ChainedLayer(name, layer, known=False)


def looks_like_norm(module: nn.Module) -> bool:
    """Whether a module is a norm: one of torch's, or one that is called so."""
    return is_norm_layer(module) or (
        "norm" in type(module).__name__.lower() and not module._modules
    )


def is_rectifier(activation: Activation | None) -> bool:
    """Whether an activation is flat at 0 and below, so that no gradient comes back from there."""
    return isinstance(activation, (nn.ReLU, nn.ReLU6)) or activation in RECTIFIER_FUNCTIONS


def maps_zero_to_zero(activation: Activation | None) -> bool:
    """Whether an activation turns 0 into 0."""
    if activation is None or is_rectifier(activation):
        return True
    try:
        with torch.no_grad():
            return float(activation(torch.zeros(1, device="cpu"))) == 0
    except Exception:  # not for one number, or not on this device
        return False
