"""Convolution and batch norm in one step, for a batch norm that uses its running statistics.

In evaluation ``bn(conv(x))`` is one convolution with the weight ``w · s`` and the bias
``(b - mean) · s + beta``, where ``s = gamma / sqrt(var + eps)`` per output channel. Scaling the
weight instead of the feature map costs less time and memory, and gradients still reach the weight,
gamma and beta. Source: You et al. 2023, arXiv 2305.11624, §3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from brickbook.errors import NoSuchModuleError, nearest

__all__ = [
    "CONVS",
    "NORM_FORWARDS",
    "conv_bn",
    "fold",
    "is_altered",
    "is_foldable",
    "turn_on_efficient_conv_bn_eval",
    "turn_on_efficient_conv_bn_eval_for_single_model",
]

CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)

# What folding replaces: a class with a forward of its own may compute something else.
CONV_FORWARDS = tuple(kind.forward for kind in CONVS)
NORM_FORWARDS = (_BatchNorm.forward, nn.SyncBatchNorm.forward)


def is_foldable(conv: object, bn: object) -> bool:
    """True if ``bn(conv(x))`` may be computed as one convolution now.

    That needs plain torch layers without hooks, and a batch norm in evaluation mode that has
    running statistics.
    """
    return (
        isinstance(conv, CONVS)
        and isinstance(bn, _BatchNorm)
        and not bn.training
        and bn.running_mean is not None
        and type(conv).forward in CONV_FORWARDS
        and type(bn).forward in NORM_FORWARDS
        and not (is_altered(conv) or is_altered(bn))
    )


def is_altered(layer: nn.Module) -> bool:
    """True if a call of ``layer`` does more or other than its class's forward.

    Spectral norm is a hook, for one.
    """
    return bool(
        "forward" in vars(layer)
        or layer._forward_hooks
        or layer._forward_pre_hooks
        or layer._backward_hooks
        or layer._backward_pre_hooks
    )


def fold(conv: Any, bn: Any, x: Tensor) -> Tensor:
    """Return ``bn(conv(x))`` as one convolution; only for a pair that is `is_foldable`."""
    weight, mean = conv.weight, bn.running_mean
    # from the weight on, so that torch.fx records the statistics instead of freezing their values
    eps = weight.new_full((), bn.eps, dtype=mean.dtype)
    scale = torch.rsqrt(eps + bn.running_var)
    if bn.weight is not None:
        scale = scale * bn.weight
    bias = -scale * mean if conv.bias is None else scale * (conv.bias - mean)
    if bn.bias is not None:
        bias = bias + bn.bias
    folded = weight * scale.reshape(-1, *[1] * len(conv.kernel_size), 1)
    return conv._conv_forward(x, folded.to(weight.dtype), bias.to(weight.dtype))


def conv_bn(conv: Any, bn: Any, x: Tensor) -> Tensor:
    """Return ``bn(conv(x))``, as one convolution where that is the same."""
    return fold(conv, bn, x) if is_foldable(conv, bn) else bn(conv(x))


def turn_on_efficient_conv_bn_eval(model: nn.Module, modules: str | Sequence[str]) -> None:
    """Do `turn_on_efficient_conv_bn_eval_for_single_model` for parts of a model, by dotted names.

    Raises:
        RuntimeError: A name is not in the model; no part is changed then.
    """
    parts = []
    for at, name in enumerate([modules] if isinstance(modules, str) else modules):
        try:
            parts.append(model.get_submodule(name))
        except AttributeError:
            known = (known for known, _ in model.named_modules() if known)
            raise NoSuchModuleError(
                f"modules[{at}]", f"the model has no module {name!r}.", nearest(name, known)
            ) from None
    for part in parts:
        turn_on_efficient_conv_bn_eval_for_single_model(part)


def turn_on_efficient_conv_bn_eval_for_single_model(model: nn.Module) -> None:
    """Let ``model`` compute its batch norms together with the convolutions before them.

    The forward of ``model`` is traced by torch.fx and replaced, in place; modules, parameters and
    state-dict keys stay. A pair is changed where a batch norm is the only reader of a convolution's
    output; whether it is folded is decided at each call, so training is as before. Move the model
    to its device first: the traced forward does not see a buffer that is replaced later on.

    Raises:
        Exception: What ``torch.fx.symbolic_trace`` raises for a model it cannot trace.
    """
    traced = fx.symbolic_trace(model)
    modules = dict(traced.named_modules())
    for node in list(traced.graph.nodes):
        source = node.args[0] if node.op == "call_module" and node.args else None
        if not isinstance(source, fx.Node) or source.op != "call_module" or len(source.users) != 1:
            continue
        conv, bn = modules[str(source.target)], modules[node.target]
        if isinstance(conv, CONVS) and isinstance(bn, _BatchNorm):
            replace_pair(traced.graph, source, node)
    traced.recompile()
    model.forward = traced.forward


def replace_pair(graph: fx.Graph, conv: fx.Node, bn: fx.Node) -> None:
    """Put one call of `conv_bn` in the place of two calls of modules."""
    with graph.inserting_before(bn):
        layers = tuple(graph.get_attr(str(node.target)) for node in (conv, bn))
        both = graph.call_function(conv_bn, (*layers, *conv.args), dict(conv.kwargs))
    bn.replace_all_uses_with(both)
    graph.erase_node(bn)
    graph.erase_node(conv)
