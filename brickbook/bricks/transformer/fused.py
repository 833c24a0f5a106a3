"""The numbers of ``nn.MultiheadAttention`` by torch's fused kernels, without its detours.

It lays the batch second and the heads beside it, and copies the packed projection; here both stay
views.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brickbook.errors import BadValueError, CheckError

__all__ = ["Inputs", "attend", "is_stock_attention", "to_batch_second"]

Inputs = tuple[Tensor, Tensor, Tensor]
Mask = Tensor | None


def is_stock_attention(attn: nn.Module) -> bool:
    """Whether `attend` may stand for a module: torch's own attention, with nobody listening.

    Not with keys and values of its own, with weights for other widths, parametrised or wrapped.
    """
    return (
        type(attn) is nn.MultiheadAttention
        and attn.in_proj_weight is not None
        and attn.bias_k is None
        and not attn.add_zero_attn
        and not (attn._forward_hooks or attn._forward_pre_hooks)
        and not (attn._backward_hooks or attn._backward_pre_hooks)
    )


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    num_heads: int,
    attn_mask: Mask,
    key_padding_mask: Mask,
    dropout: float,
    batch_first: bool,
) -> Tensor:
    """Return what the heads see, side by side, in the shape of ``query``.

    Arguments as in ``nn.MultiheadAttention``, with its packed projection. Source: Vaswani et al.
    2017, arXiv 1706.03762, eq. 1 and §3.2.2.
    """
    alone = query.dim() == 2
    batch_first = batch_first or alone
    parts = project_packed((query, key, value), weight, bias)
    if alone:
        parts = tuple(part.unsqueeze(0) for part in parts)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    heads = (part.unflatten(-1, (num_heads, -1)) for part in parts)
    order = (0, 2, 1, 3) if batch_first else (1, 2, 0, 3)
    q, k, v = (part.permute(order) for part in heads)
    mask = merge_masks(attn_mask, key_padding_mask, q, k)
    seen = F.scaled_dot_product_attention(q, k, v, mask, dropout)
    seen = seen.permute((0, 2, 1, 3) if batch_first else (2, 0, 1, 3)).flatten(2)
    return seen.squeeze(0) if alone else seen


def project_packed(inputs: Inputs, weight: Tensor, bias: Tensor | None) -> Inputs:
    """Project queries, keys and values by one packed weight; what is one tensor, in one product."""
    query, key, value = inputs
    width = weight.shape[0] // 3
    ends = (0, width, 2 * width, 3 * width)

    def part(x: Tensor, first: int, last: int) -> tuple[Tensor, ...]:
        rows = slice(ends[first], ends[last])
        out = F.linear(x, weight[rows], None if bias is None else bias[rows])
        return out.chunk(last - first, dim=-1)

    if query is key and key is value:
        q, k, v = part(query, 0, 3)
    elif key is value:
        (q,), (k, v) = part(query, 0, 1), part(key, 1, 3)
    elif query is key:
        (q, k), (v,) = part(query, 0, 2), part(value, 2, 3)
    else:
        (q,), (k,), (v,) = part(query, 0, 1), part(key, 1, 2), part(value, 2, 3)
    return q, k, v


def merge_masks(attn_mask: Mask, key_padding_mask: Mask, q: Tensor, k: Tensor) -> Mask:
    """Return both masks as one for (N, heads, L, S): True is seen, numbers are added."""
    n, heads, length, size = *q.shape[:3], k.shape[2]
    masks: list[Tensor] = []
    if attn_mask is not None:
        known = (length, size), (n * heads, length, size)
        if tuple(attn_mask.shape) not in known:
            raise BadValueError(
                "attn_mask",
                f"expected the shape {known[0]} or {known[1]}, got {tuple(attn_mask.shape)}.",
            )
        masks.append(attn_mask.unflatten(0, (n, heads)) if attn_mask.dim() == 3 else attn_mask)
    if key_padding_mask is not None:
        if tuple(key_padding_mask.shape) != (n, size):
            raise CheckError(
                "key_padding_mask",
                f"expected the shape {(n, size)}, got {tuple(key_padding_mask.shape)}.",
            )
        masks.append(key_padding_mask[:, None, None])
    if all(mask.dtype == torch.bool for mask in masks):
        masks = [mask.logical_not() for mask in masks]
        return masks[0] & masks[1] if len(masks) == 2 else next(iter(masks), None)
    numbers = [as_additive_mask(mask, q.dtype) for mask in masks]
    return numbers[0] + numbers[1] if len(numbers) == 2 else numbers[0]


def as_additive_mask(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a mask as numbers to add: -inf for what is hidden."""
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.zeros_like(mask, dtype=dtype).masked_fill(mask, -torch.inf)


def to_batch_second(query: Tensor, key: Tensor, value: Tensor) -> Inputs:
    """Swap the first two axes; what is one tensor stays one."""
    first = query.transpose(0, 1)
    second = first if key is query else key.transpose(0, 1)
    if value is key:
        return first, second, second
    return first, second, first if value is query else value.transpose(0, 1)
