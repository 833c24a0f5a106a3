"""The activation that really follows each layer, as far as a model tells without running."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from brickbook.init.matching import is_norm_layer
from brickbook.init.walking import parents, plain_module_name, unwrapped

__all__ = [
    "Activation", "TellsActivations", "UnknownActivationError", "activation_after", "elementwise",
    "following",
]  # fmt: skip

Activation = nn.Module | Callable[[Tensor], Tensor]
TRANSFORMER_LAYERS = (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
SOFTMAXES = (nn.Softmax, nn.LogSoftmax, nn.Softmin, nn.Softmax2d)
# Modules of these files hand a signal on as it is, as far as a gain goes.
PASSING = {
    f"torch.nn.modules.{name}"
    for name in (
        "dropout", "pooling", "padding", "flatten", "upsampling", "pixelshuffle", "channelshuffle",
        "normalization", "batchnorm", "instancenorm",
    )
}  # fmt: skip


class Step(Enum):
    """What is known of a signal that has met no activation yet."""

    PASSES = "it goes on to the next module"


Found = Activation | None | Step


class UnknownActivationError(LookupError):
    """Nobody can say what follows a layer; the text says why."""


@runtime_checkable
class TellsActivations(Protocol):
    """A bundle of layers that can say what follows each of its children."""

    def activation_after(self, child_name: str) -> Activation | None:
        """Return the activation that a child's output meets first inside the bundle.

        None where the output leaves the bundle before it meets one; an ``nn.Identity`` where none
        can follow, as before a residual sum.
        """
        ...


def following(model: nn.Module) -> dict[str, Activation | None]:
    """Return, by plain module name, the activation that each layer's output meets first.

    None: another layer or the end of the model comes first. A layer for which that cannot be known
    is not in the dict; `activation_after` says why.

    >>> following(nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)))
    {'0': ReLU(), '3': None}
    """
    found: dict[str, Activation | None] = {}
    for name, part in model.named_modules(remove_duplicate=False):
        if is_layer(part):
            plain = plain_module_name(name)
            try:
                found[plain] = activation_after(model, plain)
            except UnknownActivationError:
                continue
    return found


def activation_after(model: nn.Module, name: str) -> Activation | None:
    """Return the activation that follows the layer ``name``, None if nothing does.

    Known are what stands in an ``nn.Sequential`` (norms, dropout, pooling, padding and flattening
    in between do not count), ConvModule, the layers of torch's transformers, and every module with
    a method of its own, see `TellsActivations`. Raises UnknownActivationError for others.
    """
    try:
        chain = parents(model, name)
    except KeyError:
        raise UnknownActivationError(f"the model has no module {name!r}") from None
    layer = unwrapped(model) if not chain else unwrapped(chain[-1][0].get_submodule(chain[-1][1]))
    found: Found = own_activation(layer)
    for parent, key in reversed(chain):
        if found is not Step.PASSES:
            break
        found = after_child(parent, key)
    if isinstance(found, nn.Identity):
        return None
    return None if isinstance(found, Step) else found


def own_activation(layer: nn.Module) -> Found:
    """Return the activation inside of a layer, which its weights meet before anything outside."""
    if isinstance(layer, nn.MultiheadAttention):  # its own weights make queries, keys and values
        return None
    kind = getattr(layer, "nonlinearity", "")
    if isinstance(layer, (nn.RNN, nn.RNNCell)) and kind in ("tanh", "relu"):
        return nn.Tanh() if kind == "tanh" else nn.ReLU()
    if isinstance(layer, (nn.RNNBase, nn.RNNCellBase)):
        raise UnknownActivationError(f"{type(layer).__name__} has gates of several kinds")
    return Step.PASSES


def after_child(parent: nn.Module, key: str) -> Found:
    """Return what the output of a child meets inside of its parent."""
    if isinstance(parent, TellsActivations):
        told = parent.activation_after(key)
        return Step.PASSES if told is None else told
    order = conv_order(parent)
    if order:
        after = order[order.index("conv") + 1 :] if key == "conv" else ()
        return in_bundle(parent, after)
    if is_sequential(parent):
        keys = list(parent._modules)
        rest = [parent._modules[after] for after in keys[keys.index(key) + 1 :]]
        return first_of(part for part in rest if part is not None)
    if isinstance(parent, TRANSFORMER_LAYERS):
        activation: Any = parent.activation
        return activation if key == "linear1" else None
    if isinstance(parent, nn.MultiheadAttention):
        return Step.PASSES
    raise UnknownActivationError(
        f"{type(parent).__name__} does not say in which order its parts run"
    )


def first_of(modules: Iterable[nn.Module]) -> Found:
    """Return what a signal meets first that goes through modules one after the other."""
    found: Found = Step.PASSES
    for module in modules:
        found = entering(unwrapped(module))
        if found is not Step.PASSES:
            break
    return found


def entering(module: nn.Module) -> Found:
    """Return what a signal meets first that goes into a module."""
    if passes(module):
        return Step.PASSES
    order = conv_order(module)
    if order:
        found = in_bundle(module, order[: order.index("conv")])
        return None if found is Step.PASSES else found
    if is_sequential(module):
        return first_of(part for part in module._modules.values() if part is not None)
    if isinstance(module, (*TRANSFORMER_LAYERS, *SOFTMAXES)) or is_layer(module):
        return None
    if isinstance(module, nn.PReLU):
        return module
    if next(module.children(), None) is None and not module._parameters:
        if not elementwise(module):
            raise UnknownActivationError(
                f"{type(module).__name__} follows, which is not elementwise"
            )
        return Step.PASSES if elementwise(module, nn.Identity()) else module
    raise UnknownActivationError(
        f"{type(module).__name__} follows, which does not say what it does first"
    )


def in_bundle(bundle: Any, steps: Iterable[str]) -> Found:
    """Return the activation among some steps of a ConvModule."""
    return bundle.activate if "act" in steps and bundle.with_activation else Step.PASSES


def conv_order(module: Any) -> tuple[str, ...]:
    """Return the order of a ConvModule's steps (brickbook's or mmcv's), () for other modules."""
    order = getattr(module, "order", None)
    known = isinstance(order, tuple) and "conv" in order and hasattr(module, "with_activation")
    return tuple(order or ()) if known else ()


def is_sequential(module: nn.Module) -> bool:
    """Whether a module runs its children one after the other."""
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def is_layer(module: nn.Module) -> bool:
    """Whether a module has weights of its own, and they are no norm's and no activation's."""
    if is_norm_layer(module) or isinstance(module, nn.PReLU):
        return False
    chains = module._modules.get("parametrizations")
    return bool(chains and len(chains._modules)) or any(
        tensor is not None and (isinstance(tensor, nn.UninitializedParameter) or tensor.dim() > 1)
        for tensor in module._parameters.values()
    )


def passes(module: nn.Module) -> bool:
    """Whether a module hands a signal on: a norm, dropout, pooling, padding, a new shape."""
    kinds = type(module).__mro__
    return isinstance(module, nn.Identity) or any(kind.__module__ in PASSING for kind in kinds)


@torch.no_grad()
def elementwise(function: Activation, like: Activation | None = None) -> bool:
    """Whether a function takes each number for itself (and gives what ``like`` gives)."""
    # On the CPU even where a model is being built on the meta device.
    z = torch.linspace(-9, 9, 19, dtype=torch.float64, device="cpu")
    try:
        if isinstance(function, nn.Module):
            function = copy.deepcopy(function).eval()  # RReLU draws while it trains
        whole, part = function(z.clone()), function(z[6:11].clone())
        return torch.allclose(whole[6:11], part) and (
            like is None or torch.allclose(whole, like(z))
        )
    except Exception:  # a function of something else
        return False
