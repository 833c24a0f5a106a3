"""Batch norms absorbed by the convolutions before them: one layer less each, in evaluation.

With ``s = gamma / sqrt(var + eps)`` per output channel, ``bn(conv(x))`` is one convolution with
the weight ``w · s`` and the bias ``(b - mean) · s + beta``. Source: Jacob et al. 2018,
arXiv 1712.05877, §3.2.
"""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy

from brickbook.bricks.conv2d_adaptive_padding import Conv2dAdaptivePadding
from brickbook.bricks.transforms.efficient_eval import CONVS, NORM_FORWARDS, is_altered
from brickbook.bricks.transforms.fx_pairs import ModulePair, find_pairs
from brickbook.bricks.wrappers import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from brickbook.errors import BadArgumentError

__all__ = ["fuse_conv_bn"]

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)

# Classes with a forward of their own that computes with the weight as it stands.
OWN_CONVS = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Conv2dAdaptivePadding)


def fuse_conv_bn(module: nn.Module) -> nn.Module:
    """Let convolutions absorb the batch norms that take their output; return the same module.

    For a model in evaluation: what is absorbed are the running statistics, whatever the mode. The
    batch norm's place is taken by an ``nn.Identity``. Convolutions in 1, 2 and 3 dimensions,
    transposed ones too, and batch norms with or without weight and bias are fused.

    Which batch norm takes which output is not guessed from the order of the attributes: the
    ``forward`` is followed by torch.fx, that of the whole model or, where that cannot be, part by
    part. Left as they are: a convolution whose output something else reads too, that has other
    callers or hooks, or whose weight is computed (spectral norm, `ConvWS2d`); a batch norm of
    several convolutions or without running statistics. A warning names the parts whose ``forward``
    cannot be followed. A weight that is tied to another layer's is not afterwards.

    Raises:
        TypeError: ``module`` is no module.
    """
    if not isinstance(module, nn.Module):
        raise BadArgumentError("module", f"expected a module, got {module!r}.")
    lost: list[str] = []
    seen: list[ModulePair] = []
    find_pairs(module, is_conv, lambda part: isinstance(part, _BatchNorm), seen, lost)
    everywhere = count_positions(module)
    inside = {id(pair.scope): count_positions(pair.scope) for pair in seen}
    for scope, conv, bn in seen:
        alone = all(everywhere[id(part)] == inside[id(scope)][id(part)] for part in (conv, bn))
        if alone and can_absorb(conv, bn):
            absorb(conv, bn)
            replace_by_identity(module, bn)
    if lost:
        names = ", ".join(name or type(module).__name__ for name in lost)
        problem = f"fuse_conv_bn leaves the batch norms of {names}: its forward cannot be followed."
        warnings.warn(problem, stacklevel=2)
    return module


def count_positions(module: nn.Module) -> Counter[int]:
    """Count in how many places of a model each of its modules stands, by its id."""
    return Counter(id(child) for part in module.modules() for child in part._modules.values())


def is_conv(part: nn.Module) -> bool:
    """Whether a module is a convolution that computes with its weight as it stands."""
    base = next(
        (kind for kind in (*OWN_CONVS, *CONVS, *TRANSPOSED) if isinstance(part, kind)), None
    )
    return base is not None and all(
        getattr(type(part), name, None) is getattr(base, name, None)
        for name in ("forward", "_conv_forward")
    )


def can_absorb(conv: Any, bn: Any) -> bool:
    """Whether a convolution can absorb a batch norm."""
    weight = conv._parameters.get("weight")  # a parametrised one is not there
    return (
        weight is not None
        and not is_lazy(weight)
        and weight.is_floating_point()
        and type(bn).forward in NORM_FORWARDS
        and bn.running_mean is not None
        and not is_lazy(bn.running_mean)
        and bn.num_features == conv.out_channels
        and not (is_altered(conv) or is_altered(bn))
    )


@torch.no_grad()
def absorb(conv: Any, bn: Any) -> None:
    """Write a batch norm's effect into weight and bias of a convolution."""
    weight, bias = conv.weight, conv.bias
    # Rounded once, at the end; Apple's devices have no float64.
    exact = torch.float32 if weight.device.type == "mps" else torch.float64
    mean, scale = bn.running_mean.to(exact), torch.rsqrt(bn.running_var.to(exact) + bn.eps)
    scale = scale if bn.weight is None else scale * bn.weight.to(exact)
    shift = -mean * scale if bias is None else (bias.to(exact) - mean) * scale
    shift = shift if bn.bias is None else shift + bn.bias.to(exact)
    fused = (weight.to(exact) * scale_for_weight(conv, scale)).to(weight.dtype)
    conv.weight = nn.Parameter(fused, weight.requires_grad)
    learns = weight.requires_grad if bias is None else bias.requires_grad
    conv.bias = nn.Parameter(shift.to(weight.dtype), learns)


def scale_for_weight(conv: Any, scale: Tensor) -> Tensor:
    """Return a factor per output channel in a shape that a convolution's weight takes."""
    ones = [1] * len(conv.kernel_size)
    if not conv.transposed:
        return scale.reshape(-1, 1, *ones)
    # (in_channels, out_channels / groups, …): each group of rows has its own columns
    rows = scale.reshape(conv.groups, -1).repeat_interleave(conv.in_channels // conv.groups, dim=0)
    return rows.reshape(*rows.shape, *ones)


def replace_by_identity(module: nn.Module, old: nn.Module) -> None:
    """Put an identity wherever a module stands."""
    new = nn.Identity().train(old.training)
    for part in module.modules():
        for name, child in part._modules.items():
            if child is old:
                part._modules[name] = new
