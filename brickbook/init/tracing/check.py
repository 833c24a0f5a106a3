"""Whether the numbers in a tensor can have been drawn from a law."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from brickbook.init.laws import Law, RowSections, TruncNormal

__all__ = ["follows"]

MOST_ELEMENTS = 1 << 17  # of a tensor that are looked at
STANDARD_ERRORS = 7.0  # one tensor in 10¹¹ is refused by chance


def follows(tensor: Tensor, law: Law, padding: int | None = None) -> bool:
    """Whether the values of a tensor are consistent with a law: support, mean and std.

    Mean and std may be off by 7 standard errors: ``σ/√n`` for the mean, for the std
    ``σ √((κ - 1)/(4n))`` with κ at most 3. Of more than 2¹⁷ elements some are looked at, evenly.
    Two of them, and one of a million, may stand on a cut point of a truncated normal law: the
    inverse CDF in float32, with which many libraries draw it, puts them there.

    Args:
        tensor: one with values, of a floating dtype.
        law: the law.
        padding: a row that is 0, which the law does not speak of.
    """
    if isinstance(law, RowSections):
        sections = zip(tensor.split(law.rows), law.laws, strict=True)
        return all(follows(part, each) for part, each in sections)
    if padding is not None:
        above, below = tensor[:padding], tensor[padding + 1 :]
        return follows(above, law) and follows(below, law) and not tensor[padding].any()
    flat = tensor.detach().reshape(-1) if tensor.is_contiguous() else tensor.detach().flatten()
    flat = flat[:: math.ceil(flat.numel() / MOST_ELEMENTS)] if flat.numel() else flat
    if not flat.numel():
        return True
    values = flat.double()
    if isinstance(law, TruncNormal):
        on_cut = (values == law.low) | (values == law.high)
        if 0 < int(on_cut.sum()) <= 2 + len(values) / 1e6:
            values = values[~on_cut]
        if not len(values):
            return True
    epsilon = torch.finfo(tensor.dtype).eps
    least, most = (float(end) for end in values.aminmax())
    if not (math.isfinite(least) and math.isfinite(most)):
        return False
    low, high = law.support
    rounding = 4 * epsilon * max(abs(least), abs(most), 1e-30)
    if least < low - rounding or most > high + rounding:
        return False
    if not law.std:
        return most - least <= rounding
    if not law.is_random():
        return tensor.numel() > MOST_ELEMENTS or holds(tensor, law)
    n = len(values)
    mean, std = float(values.mean()), float(values.std(correction=0))
    error = STANDARD_ERRORS * law.std / math.sqrt(n) + epsilon * abs(law.mean)
    if abs(mean - law.mean) > error:
        return False
    centred = math.hypot(std, mean - law.mean)  # about the law's mean: no bias for small n
    slack = STANDARD_ERRORS * math.sqrt(1 / (2 * n)) + 4 * epsilon
    return n < 30 or abs(centred / law.std - 1) <= slack


def holds(tensor: Tensor, law: Law) -> bool:
    """Whether a tensor is what a law without chance writes."""
    expected = torch.empty_like(tensor, requires_grad=False)
    law.fill(expected)
    return torch.allclose(tensor.detach(), expected, atol=1e-6)
