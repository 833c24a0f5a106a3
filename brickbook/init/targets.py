"""What of a layer a law may fill: its weight and bias, if their shape and dtype take the law."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.init.laws import Law

__all__ = ["DTYPES", "out_of_range", "targets", "unfit", "unreachable"]

Role = Literal["weight", "bias"]
ROLES: tuple[Role, ...] = ("weight", "bias")
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def targets(part: nn.Module) -> Iterator[tuple[Role, str, Tensor]]:
    """Yield (role, attribute, parameter) of a layer's own weight and bias.

    Of a layer under ``torch.nn.utils.spectral_norm`` it is ``weight_orig``, from which the weight
    is computed.
    """
    for role in ROLES:
        for key in (role, f"{role}_orig"):
            tensor = part._parameters.get(key)
            if tensor is not None:
                yield role, key, tensor
                break


def unreachable(part: nn.Module) -> Iterator[Role]:
    """Yield the roles that a layer computes from other parameters, so that no write would last."""
    for role in ROLES:
        computed = role in getattr(part, "parametrizations", ())
        if computed or f"{role}_v" in part._parameters:  # the old weight_norm
            yield role


def unfit(tensor: Tensor) -> str:
    """Say why no law can fill a parameter; "" if one can."""
    if is_lazy(tensor):
        return "it has no shape yet: run one batch through the lazy module"
    if tensor.dtype not in DTYPES and not tensor.is_complex():
        return f"its dtype {str(tensor.dtype).removeprefix('torch.')} takes no law"
    return ""


def out_of_range(law: Law, dtype: torch.dtype) -> str:
    """Say which number of a law a dtype cannot hold; "" if it holds them all."""
    most = torch.finfo(dtype).max
    ends = [end for end in law.support if math.isfinite(end)]
    for number in (law.mean, law.std, *ends, *([ends[1] - ends[0]] if len(ends) == 2 else [])):
        if not abs(number) <= most:
            kind = str(dtype).removeprefix("torch.")
            return f"{law} has {number:.4g}, and {kind} ends at {most:.4g}"
    return ""
