"""Which activation follows each layer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from brickbook.errors import Sentence
from brickbook.introspect.layers import is_norm_layer
from brickbook.introspect.names import plain_module_name, unwrap
from brickbook.introspect.traverse import find_parents

__all__ = [
    "Activation",
    "UnknownActivationError",
    "activation_after",
    "conv_module_order",
    "following",
    "is_elementwise",
    "is_sequential",
    "is_weight_layer",
    "passes_signal",
]

Activation = nn.Module | Callable[[Tensor], Tensor]
TRANSFORMER_LAYERS = (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
SOFTMAXES = (nn.Softmax, nn.LogSoftmax, nn.Softmin, nn.Softmax2d)

# Modules of these files hand a signal on as it is, as far as a gain goes.
PASS_THROUGH_FILES = {
    f"torch.nn.modules.{name}"
    for name in (
        "dropout", "pooling", "padding", "flatten", "upsampling", "pixelshuffle", "channelshuffle",
        "normalization", "batchnorm", "instancenorm",
    )
}  # fmt: skip


class SignalFlow(Enum):
    """What is known of a signal that has passed no activation yet."""

    PASSES = "it goes on to the next module"


FirstActivation = Activation | None | SignalFlow


class UnknownActivationError(LookupError):
    """It cannot be known what follows a layer; the message says why."""


@runtime_checkable
class ReportsActivations(Protocol):
    """A bundle of layers that knows what follows each of its children."""

    def activation_after(self, child_name: str) -> Activation | None:
        """Return the first activation that a child's output passes inside the bundle.

        None where the output leaves the bundle before it passes one; an ``nn.Identity`` where none
        can follow, as before a residual sum.
        """
        ...


def following(model: nn.Module) -> dict[str, Activation | None]:
    """Return, by plain module name, the first activation that each layer's output passes.

    None: another layer or the end of the model comes first. A layer for which that cannot be known
    is not in the dict; `activation_after` says why.

    >>> following(nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)))
    {'0': ReLU(), '3': None}
    """
    found: dict[str, Activation | None] = {}
    for name, part in model.named_modules(remove_duplicate=False):
        if is_weight_layer(part):
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
    a method of its own, see `ReportsActivations`.

    Raises:
        UnknownActivationError: there is no such layer, or it is none of these.
    """
    try:
        chain = find_parents(model, name)
    except KeyError:
        problem = Sentence("the model has no module {name}", name=repr(name))
        raise UnknownActivationError(problem) from None
    layer = unwrap(model) if not chain else unwrap(chain[-1][0].get_submodule(chain[-1][1]))
    found: FirstActivation = inner_activation(layer)
    for parent, key in reversed(chain):
        if found is not SignalFlow.PASSES:
            break
        found = activation_after_child(parent, key)
    if isinstance(found, nn.Identity):
        return None
    return None if isinstance(found, SignalFlow) else found


def inner_activation(layer: nn.Module) -> FirstActivation:
    """Return the activation inside of a layer, which follows its weights first."""
    if isinstance(layer, nn.MultiheadAttention):  # its own weights make queries, keys and values
        return None
    kind = getattr(layer, "nonlinearity", "")
    if isinstance(layer, (nn.RNN, nn.RNNCell)) and kind in ("tanh", "relu"):
        return nn.Tanh() if kind == "tanh" else nn.ReLU()
    if isinstance(layer, (nn.RNNBase, nn.RNNCellBase)):
        problem = "{layer} has gates of several kinds"
        raise UnknownActivationError(Sentence(problem, layer=type(layer).__name__))
    return SignalFlow.PASSES


def activation_after_child(parent: nn.Module, key: str) -> FirstActivation:
    """Return what the output of a child passes first inside of its parent."""
    if isinstance(parent, ReportsActivations):
        activation = parent.activation_after(key)
        return SignalFlow.PASSES if activation is None else activation
    order = conv_module_order(parent)
    if order:
        after = order[order.index("conv") + 1 :] if key == "conv" else ()
        return bundle_activation(parent, after)
    if is_sequential(parent):
        keys = list(parent._modules)
        rest = [parent._modules[after] for after in keys[keys.index(key) + 1 :]]
        return first_activation(part for part in rest if part is not None)
    if isinstance(parent, TRANSFORMER_LAYERS):
        activation: Any = parent.activation
        return activation if key == "linear1" else None
    if isinstance(parent, nn.MultiheadAttention):
        return SignalFlow.PASSES
    problem = "{module} does not say in which order its parts run"
    raise UnknownActivationError(Sentence(problem, module=type(parent).__name__))


def first_activation(modules: Iterable[nn.Module]) -> FirstActivation:
    """Return the first activation of a signal that goes through modules one after the other."""
    found: FirstActivation = SignalFlow.PASSES
    for module in modules:
        found = activation_inside(unwrap(module))
        if found is not SignalFlow.PASSES:
            break
    return found


def activation_inside(module: nn.Module) -> FirstActivation:
    """Return the first activation of a signal that goes into a module."""
    if passes_signal(module):
        return SignalFlow.PASSES
    order = conv_module_order(module)
    if order:
        found = bundle_activation(module, order[: order.index("conv")])
        return None if found is SignalFlow.PASSES else found
    if is_sequential(module):
        return first_activation(part for part in module._modules.values() if part is not None)
    if isinstance(module, (*TRANSFORMER_LAYERS, *SOFTMAXES)) or is_weight_layer(module):
        return None
    if isinstance(module, nn.PReLU):
        return module
    if next(module.children(), None) is None and not module._parameters:
        if not is_elementwise(module):
            problem = "{name} follows, which is not elementwise"
            raise UnknownActivationError(Sentence(problem, name=type(module).__name__))
        return SignalFlow.PASSES if is_elementwise(module, nn.Identity()) else module
    problem = "{module} follows, which does not say what it does first"
    raise UnknownActivationError(Sentence(problem, module=type(module).__name__))


def bundle_activation(bundle: Any, steps: Iterable[str]) -> FirstActivation:
    """Return the activation among some steps of a ConvModule."""
    return bundle.activate if "act" in steps and bundle.with_activation else SignalFlow.PASSES


def conv_module_order(module: Any) -> tuple[str, ...]:
    """Return the order of a ConvModule's steps (brickbook's or mmcv's), () for other modules."""
    order = getattr(module, "order", None)
    known = isinstance(order, tuple) and "conv" in order and hasattr(module, "with_activation")
    return tuple(order or ()) if known else ()


def is_sequential(module: nn.Module) -> bool:
    """Whether a module runs its children one after the other."""
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def is_weight_layer(module: nn.Module) -> bool:
    """Whether a module has weights of its own, and they are no norm's and no activation's."""
    if is_norm_layer(module) or isinstance(module, nn.PReLU):
        return False
    chains = module._modules.get("parametrizations")
    return bool(chains and len(chains._modules)) or any(
        tensor is not None and (isinstance(tensor, nn.UninitializedParameter) or tensor.dim() > 1)
        for tensor in module._parameters.values()
    )


def passes_signal(module: nn.Module) -> bool:
    """Whether a module hands a signal on: a norm, dropout, pooling, padding, a new shape."""
    kinds = type(module).__mro__
    return isinstance(module, nn.Identity) or any(
        kind.__module__ in PASS_THROUGH_FILES for kind in kinds
    )


@torch.no_grad()
def is_elementwise(function: Activation, reference: Activation | None = None) -> bool:
    """Whether a function takes each number for itself (and gives what ``like`` gives)."""
    # On the CPU even where a model is being built on the meta device.
    z = torch.linspace(-9, 9, 19, dtype=torch.float64, device="cpu")
    try:
        if isinstance(function, nn.Module):
            function = copy.deepcopy(function).eval()  # RReLU draws while it trains
        whole, part = function(z.clone()), function(z[6:11].clone())
        return torch.allclose(whole[6:11], part) and (
            reference is None or torch.allclose(whole, reference(z))
        )
    except Exception:  # a function of something else
        return False
