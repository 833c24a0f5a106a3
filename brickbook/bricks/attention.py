"""Attention with its shortcut, as a transformer layer takes it."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, fx, nn

from brickbook.bricks.deprecated import renamed, shortcut
from brickbook.bricks.drop import build_dropout
from brickbook.bricks.registry import ATTENTION
from brickbook.modules import BaseModule, InitCfg
from brickbook.registry import Config

__all__ = ["MultiheadAttention"]

NO_DROPOUT: Config = {"type": "Dropout", "drop_prob": 0.0}
Inputs = tuple[Tensor, Tensor, Tensor]


@ATTENTION.register_module()
class MultiheadAttention(BaseModule):
    """``identity + dropout(attention(query, key, value))`` over ``nn.MultiheadAttention``.

    The attention is the attribute ``attn``; nobody asks it for its weights, so that torch takes
    its fused kernels (``scaled_dot_product_attention``) wherever masks and dropout allow. Source:
    Vaswani et al. 2017, arXiv 1706.03762, §3.2.

    Args:
        embed_dims: Length of an embedding.
        num_heads: A divisor of it.
        attn_drop: Probability that a weight of the attention is dropped.
        proj_drop: Probability that a number after the last projection is.
        dropout_layer: What is between that and the shortcut; None is nothing.
        init_cfg: How it starts.
        batch_first: Whether tensors are (N, L, embed_dims), and not (L, N, embed_dims).
        bias: As in ``nn.MultiheadAttention``, like all that follow.
        add_bias_kv: See there.
        add_zero_attn: See there.
        kdim: See there.
        vdim: See there.
        device: See there.
        dtype: See there.
        dropout: The old name of ``attn_drop`` and of the probability of ``dropout_layer`` in one.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
        dropout_layer: Config | None = NO_DROPOUT,
        init_cfg: InitCfg = None,
        batch_first: bool = False,
        *,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        dropout: float | None = None,
    ) -> None:
        super().__init__(init_cfg)
        new = "attn_drop, proj_drop and dropout_layer"
        if dropout is not None and dropout_layer:
            dropout_layer = {**dropout_layer, "drop_prob": dropout}
        attn_drop = renamed(type(self).__name__, "dropout", new, dropout, attn_drop, 0.0)
        self.embed_dims = embed_dims
        self.num_heads = num_heads
        self.batch_first = batch_first
        self.attn = nn.MultiheadAttention(
            embed_dims,
            num_heads,
            attn_drop,
            bias=bias,
            add_bias_kv=add_bias_kv,
            add_zero_attn=add_zero_attn,
            kdim=kdim,
            vdim=vdim,
            device=device,
            dtype=dtype,
        )
        self.proj_drop = nn.Dropout(proj_drop)
        self.dropout_layer = build_dropout(dropout_layer) if dropout_layer else nn.Identity()

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        identity: Tensor | None = None,
        query_pos: Tensor | None = None,
        key_pos: Tensor | None = None,
        attn_mask: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
        *,
        residual: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Return a tensor of the shape of ``query``.

        A query that may see nothing gets the bias of the last projection.

        Args:
            query: Shape (L, N, embed_dims), with ``batch_first`` (N, L, embed_dims).
            key: Shape (S, N, kdim) or (N, S, kdim); None is ``query``.
            value: Shape (S, N, vdim) or (N, S, vdim); None is ``key``.
            identity: What the result is added to; None is ``query``.
            query_pos: Added to the query before.
            key_pos: Added to the key before; None is ``query_pos`` where the shapes are equal.
            attn_mask: Shape (L, S) or (N·num_heads, L, S): True is hidden; numbers are added.
            key_padding_mask: Shape (N, S), likewise.
            residual: The old name of ``identity``.
            **kwargs: Taken and left alone: a transformer layer hands on what others need.
        """
        identity = shortcut("MultiheadAttention", query, identity, residual)
        query, key, value = prepared(query, key, value, query_pos, key_pos, self.batch_first)
        out = self.attn(
            query,
            key,
            value,
            key_padding_mask=as_mask(key_padding_mask),
            need_weights=False,
            attn_mask=as_mask(attn_mask),
        )[0]
        if self.batch_first:
            out = out.transpose(0, 1)
        return identity + self.dropout_layer(self.proj_drop(out))


def prepared(
    query: Tensor,
    key: Tensor | None,
    value: Tensor | None,
    query_pos: Tensor | None,
    key_pos: Tensor | None,
    batch_first: bool,
) -> Inputs:
    """Fill in what is left out, add the positions, and put the batch second.

    What is one tensor stays one: then the attention has one product for all that it is used as.
    """
    key = query if key is None else key
    value = key if value is None else value
    if key_pos is None and query_pos is not None:
        if query_pos.shape == key.shape:
            key_pos = query_pos
        else:
            warnings.warn(
                "MultiheadAttention adds no positions to the key: key_pos is not given, "
                f"and query_pos has the shape {tuple(query_pos.shape)}.",
                stacklevel=3,
            )
    asked = query if query_pos is None else query + query_pos
    if key is query and key_pos is query_pos:
        found = asked
    else:
        found = key if key_pos is None else key + key_pos
    if not batch_first:
        return asked, found, value
    first = asked.transpose(0, 1)
    second = first if found is asked else found.transpose(0, 1)
    if value is asked:
        return first, second, first
    return first, second, second if value is found else value.transpose(0, 1)


def as_mask(mask: Tensor | None) -> Tensor | None:
    """Return a mask of bytes, which torch took once, as one of bools."""
    return mask.bool() if mask is not None and mask.dtype == torch.uint8 else mask


# Steps that a tracer takes as one: None is a value of the input.
fx.wrap("prepared")
fx.wrap("as_mask")
fx.wrap("shortcut")
