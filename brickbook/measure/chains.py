"""Which layers stand in a chain, so that their gains multiply: what a model tells unasked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules.conv import _ConvNd

from brickbook.init.following import (
    Activation,
    UnknownActivationError,
    activation_after,
    conv_order,
    is_layer,
    is_sequential,
    passes,
)
from brickbook.init.matching import is_norm_layer
from brickbook.init.walking import plain_module_name, unwrapped

__all__ = ["Link", "chains", "is_norm", "rectifies", "starts_at_zero"]

RECTIFYING: tuple[Any, ...] = (F.relu, torch.relu, F.relu6)


@dataclass(frozen=True)
class Link:
    """A layer of a chain: its plain name, and the activation that follows it.

    ``known`` is False where what follows cannot be known, ``normed`` True where a norm comes
    before anything else that changes the signal's size.
    """

    name: str
    layer: nn.Module
    activation: Activation | None = None
    known: bool = True
    normed: bool = False


def chains(model: nn.Module) -> list[list[Link]]:
    """Return the layers that run one after the other with no norm and no branch in between.

    Only what stands in an ``nn.Sequential`` or a ConvModule is known to; a layer whose output goes
    through a norm ends its chain.
    """
    found: list[list[Link]] = [[]]
    for step in steps("", model, found):
        found[-1].append(linked(model, *step))
    return [chain for chain in found if chain]


def steps(name: str, module: nn.Module, found: list[list[Link]]) -> Iterator[tuple[str, nn.Module]]:
    """Yield (name, layer) in the order they run; start a new chain in ``found`` at each break."""
    module = unwrapped(module)
    order = conv_order(module)
    if is_sequential(module) or order:
        keys = list(module._modules)
        if order:
            norm = getattr(module, "norm_name", None)
            keys = [{"conv": "conv", "norm": norm or ""}.get(step, "") for step in order]
        for key in keys:
            child = module._modules.get(key)
            if child is not None:
                yield from steps(f"{name}.{key}".lstrip("."), child, found)
    elif is_norm(module):
        if found[-1]:
            last = found[-1][-1]
            found[-1][-1] = Link(last.name, last.layer, last.activation, last.known, True)
        found.append([])
    elif isinstance(module, (nn.Linear, _ConvNd)):
        yield plain_module_name(name), module
    elif passes(module) or (not module._modules and not is_layer(module)):
        return
    else:
        found.append([])
        for key, child in module._modules.items():
            if child is not None:
                yield from steps(f"{name}.{key}".lstrip("."), child, found)
                found.append([])


def linked(model: nn.Module, name: str, layer: nn.Module) -> Link:
    """Return a layer with what follows it."""
    try:
        return Link(name, layer, activation_after(model, name))
    except UnknownActivationError:
        return Link(name, layer, known=False)


def is_norm(module: nn.Module) -> bool:
    """Whether a module is a norm: one of torch's, or one that is called so."""
    return is_norm_layer(module) or (
        "norm" in type(module).__name__.lower() and not module._modules
    )


def rectifies(activation: Activation | None) -> bool:
    """Whether an activation is flat at 0 and below, so that no gradient comes back from there."""
    return isinstance(activation, (nn.ReLU, nn.ReLU6)) or activation in RECTIFYING


def starts_at_zero(activation: Activation | None) -> bool:
    """Whether an activation turns 0 into 0."""
    if activation is None or rectifies(activation):
        return True
    try:
        with torch.no_grad():
            return float(activation(torch.zeros(1, device="cpu"))) == 0
    except Exception:  # not for one number, or not on this device
        return False
