"""The numbers of one output: what is kept of an activation when it is gone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["dead_share", "first_of", "numbers", "saturated_share"]

TANHS, SIGMOIDS = (nn.Tanh,), (nn.Sigmoid,)
NEAR = 0.97  # of a tanh's bound: as in Karpathy's makemore, part 3


def first_of(tensors: Sequence[Tensor]) -> Tensor | None:
    """Return the first tensor that has numbers to look at."""
    for value in tensors:
        plain = value.layout == torch.strided and not value.is_meta
        if plain and (value.is_floating_point() or value.is_complex()):
            return value
    return None


@torch.no_grad()
def numbers(value: Tensor) -> dict[str, Any]:
    """Return mean, std, largest |x|, share of zeros, and how many elements are not finite."""
    x = value.detach()
    x = torch.view_as_real(x.resolve_conj()) if x.is_complex() else x
    x = x if x.dtype in (torch.float32, torch.float64) else x.float()
    found: dict[str, Any] = dict.fromkeys(("mean", "std", "max"))
    found |= {"zeros": 0.0, "nan": 0, "inf": 0}
    if not x.numel():
        return found
    found["zeros"] = 1 - int(x.count_nonzero()) / x.numel()
    top = largest(x)
    if not math.isfinite(top):
        found |= {"nan": int(x.isnan().sum()), "inf": int(x.isinf().sum())}
        x = x[x.isfinite()]
        if not x.numel():
            return found
        top = largest(x)
    # Squares of very small and very large numbers are no float32: measured in units of the largest.
    unit = 1.0 if not top or 1e-12 < top < 1e12 else top
    std, mean = torch.std_mean(x / unit if unit != 1 else x, correction=0)
    return found | {"mean": float(mean) * unit, "std": float(std) * unit, "max": top}


def largest(x: Tensor) -> float:
    """Return the largest absolute value; NaN if any is."""
    low, high = x.aminmax()
    return max(-float(low), float(high)) if low == low else math.nan


@torch.no_grad()
def dead_share(value: Tensor, axis: int) -> float | None:
    """Return the share of the units that are 0 everywhere."""
    if not value.numel():
        return None
    others = [at for at in range(value.dim()) if at != axis]
    most = value.detach().abs().amax(others) if others else value.detach().abs()
    return float((most == 0).double().mean())


@torch.no_grad()
def saturated_share(module: nn.Module, value: Tensor) -> float | None:
    """Return the share of a tanh's or sigmoid's outputs that are near its bounds."""
    if not isinstance(module, (*TANHS, *SIGMOIDS)) or not value.numel():
        return None
    x = value.detach()
    x = x if isinstance(module, TANHS) else 2 * x - 1
    return float((x.abs() > NEAR).double().mean())
