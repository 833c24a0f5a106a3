"""Attention with its shortcut, as a transformer layer takes it."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, fx, nn

from brickbook.bricks.deprecated import resolve_identity, resolve_renamed
from brickbook.bricks.drop import build_dropout
from brickbook.bricks.registry import ATTENTION
from brickbook.bricks.transformer.fused import Inputs, attend, is_stock_attention, to_batch_second
from brickbook.modules import BaseModule, InitCfg
from brickbook.registry import Config

__all__ = ["MultiheadAttention"]

NO_DROPOUT: Config = {"type": "Dropout", "drop_prob": 0.0}


@ATTENTION.register_module()
class MultiheadAttention(BaseModule):
    """``identity + dropout(attention(query, key, value))`` over ``nn.MultiheadAttention``.

    The attention is the attribute ``attn``; nobody asks it for its weights, so that torch takes
    its fused kernels (``scaled_dot_product_attention``) wherever masks and dropout allow. While it
    is as torch made it and has no hooks, its numbers are computed by its weights, without calling
    it. Source: Vaswani et al. 2017, arXiv 1706.03762, §3.2.

    Args:
        embed_dims: Length of an embedding.
        num_heads: A divisor of it.
        attn_drop: Probability that a weight of the attention is dropped.
        proj_drop: Probability that a number after the last projection is.
        dropout_layer: What is between that and the shortcut; None is nothing.
        init_cfg: How its parameters are initialised.
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
        attn_drop = resolve_renamed(type(self).__name__, "dropout", new, dropout, attn_drop, 0.0)
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
        identity = resolve_identity("MultiheadAttention", query, identity, residual)
        inputs = prepare_inputs(query, key, value, query_pos, key_pos)
        out = self._attend(inputs, as_bool_mask(attn_mask), as_bool_mask(key_padding_mask))
        return identity + self.dropout_layer(self.proj_drop(out))

    def _attend(self, inputs: Inputs, mask: Tensor | None, pads: Tensor | None) -> Tensor:
        """Return the attention's output for what comes in, in the shape of the query."""
        attn = self.attn
        query, key, value = inputs
        if is_stock_attention(attn):
            drop = attn.dropout if attn.training else 0.0
            weight, bias = attn.in_proj_weight, attn.in_proj_bias
            heads, first = attn.num_heads, self.batch_first
            seen = attend(query, key, value, weight, bias, heads, mask, pads, drop, first)
            return attn.out_proj(seen)
        if self.batch_first:
            query, key, value = to_batch_second(query, key, value)
        more = {"attn_mask": mask, "key_padding_mask": pads, "need_weights": False}
        out = attn(query, key, value, **more)[0]
        return out.transpose(0, 1) if self.batch_first else out


def prepare_inputs(
    query: Tensor,
    key: Tensor | None,
    value: Tensor | None,
    query_pos: Tensor | None,
    key_pos: Tensor | None,
) -> Inputs:
    """Fill in what is left out, and add the positions.

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
        return asked, asked, value
    return asked, key if key_pos is None else key + key_pos, value


def as_bool_mask(mask: Tensor | None) -> Tensor | None:
    """Return a mask of bytes, which torch took once, as one of bools."""
    return mask.bool() if mask is not None and mask.dtype == torch.uint8 else mask


# Steps that a tracer takes as one: None is a value of the input.
fx.wrap("prepare_inputs")
fx.wrap("attend")
fx.wrap("to_batch_second")
fx.wrap("as_bool_mask")
fx.wrap("resolve_identity")
