"""One layer of a transformer, made of operations in any order."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from brickbook.bricks.norm import build_norm_layer
from brickbook.bricks.registry import (
    ATTENTION,
    FEEDFORWARD_NETWORK,
    TRANSFORMER_LAYER,
    build_with_defaults,
)
from brickbook.bricks.transformer.builders import (
    ATTENTIONS,
    Configs,
    check_operation_order,
    expand_configs,
)
from brickbook.errors import CheckError
from brickbook.modules import BaseModule, InitCfg, ModuleList
from brickbook.registry import Config

__all__ = ["BaseTransformerLayer"]

LN: Config = {"type": "LN"}

# Without embed_dims: they are the attention's.
DEFAULT_FFN: Config = {
    "type": "FFN",
    "feedforward_channels": 1024,
    "num_fcs": 2,
    "ffn_drop": 0.0,
    "act_cfg": {"type": "ReLU", "inplace": True},
}

OLD_NAMES = {
    "feedforward_channels": "feedforward_channels",
    "ffn_dropout": "ffn_drop",
    "ffn_num_fcs": "num_fcs",
}


@TRANSFORMER_LAYER.register_module()
class BaseTransformerLayer(BaseModule):
    """Attentions, feed-forward networks and norms, one after the other in any order.

    They are ``attentions``, ``ffns`` and ``norms``. Where the first operation is a norm
    (``pre_norm``), shortcuts go around the norms: Xiong et al. 2020, arXiv 2002.04745, fig. 1;
    else it is the layer of Vaswani et al. 2017, arXiv 1706.03762, §3.1.

    Args:
        attn_cfgs: One config for all attentions, or one for each.
        ffn_cfgs: One config for all feed-forward networks, or one for each. ``embed_dims`` may be
            left out: they are the attention's.
        operation_order: Of ``"self_attn"``, ``"cross_attn"``, ``"ffn"`` and ``"norm"``.
        norm_cfg: The normalisations.
        init_cfg: How its parameters are initialised.
        batch_first: Whether tensors are (N, L, embed_dims), and not (L, N, embed_dims).
        **kwargs: The old ``feedforward_channels``, ``ffn_dropout`` and ``ffn_num_fcs``, which go to
            ``ffn_cfgs``; all else has no effect, as in mmcv, but here it is said in a warning.

    Raises:
        TypeError: There is no order.
        AssertionError: The order or the configs do not fit.
    """

    def __init__(
        self,
        attn_cfgs: Configs = None,
        ffn_cfgs: Configs = DEFAULT_FFN,
        operation_order: Sequence[str] | None = None,
        norm_cfg: Config = LN,
        init_cfg: InitCfg = None,
        batch_first: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(init_cfg)
        order = check_operation_order(operation_order)
        self.batch_first = batch_first
        self.operation_order = order
        self.norm_cfg = norm_cfg
        self.pre_norm = order[0] == "norm"
        self.num_attn = sum(order.count(kind) for kind in ATTENTIONS)
        attn_cfgs = expand_configs(attn_cfgs, self.num_attn, "attn_cfgs", "attention")
        ffn_cfgs = expand_configs(ffn_cfgs, order.count("ffn"), "ffn_cfgs", "feed-forward network")
        self._add_attentions(attn_cfgs, [kind for kind in order if kind in ATTENTIONS])
        self.embed_dims = self.attentions[0].embed_dims
        self._add_ffns(ffn_cfgs, self._map_old_names(kwargs))
        self.norms = ModuleList(
            build_norm_layer(norm_cfg, self.embed_dims)[1] for _ in range(order.count("norm"))
        )

    def _add_attentions(self, cfgs: list[dict[str, Any]], kinds: list[str]) -> None:
        self.attentions: Any = ModuleList()
        for at, (cfg, kind) in enumerate(zip(cfgs, kinds, strict=True)):
            path = f"attn_cfgs[{at}]"
            if cfg.setdefault("batch_first", self.batch_first) != self.batch_first:
                raise CheckError(
                    f"{path}.batch_first",
                    f"the layer has batch_first={self.batch_first}, got {cfg['batch_first']!r}.",
                )
            attention = build_with_defaults(cfg, ATTENTION, None, path)
            attention.operation_name = kind
            self.attentions.append(attention)

    def _add_ffns(self, cfgs: list[dict[str, Any]], more: dict[str, Any]) -> None:
        self.ffns: Any = ModuleList()
        for at, cfg in enumerate(cfgs):
            path = f"ffn_cfgs[{at}]"
            width = cfg.setdefault("embed_dims", self.embed_dims)
            if width != self.embed_dims:
                raise CheckError(
                    f"{path}.embed_dims",
                    f"the attention has embed_dims={self.embed_dims}, got {width!r}.",
                )
            defaults = {"type": "FFN"}
            self.ffns.append(
                build_with_defaults({**cfg, **more}, FEEDFORWARD_NETWORK, defaults, path)
            )

    def _map_old_names(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return what arguments under old names say of the feed-forward networks."""
        name = type(self).__name__
        for old in kwargs:
            if old in OLD_NAMES:
                warnings.warn(
                    f"{name} has no {old} any more: write {OLD_NAMES[old]} in ffn_cfgs.",
                    DeprecationWarning,
                    stacklevel=3,
                )
            else:
                warnings.warn(f"{name} does nothing with {old}.", stacklevel=3)
        return {OLD_NAMES[old]: value for old, value in kwargs.items() if old in OLD_NAMES}

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        query_pos: Tensor | None = None,
        key_pos: Tensor | None = None,
        attn_masks: Tensor | Sequence[Tensor | None] | None = None,
        query_key_padding_mask: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Return a tensor of the shape of ``query``.

        Args:
            query: Shape (L, N, embed_dims), with ``batch_first`` (N, L, embed_dims).
            key: What cross attentions see.
            value: Their values; None is ``key``.
            query_pos: Positions of the queries.
            key_pos: Positions of the keys.
            attn_masks: One mask for all attentions, or one for each (None for none).
            query_key_padding_mask: The padding mask of self attentions.
            key_padding_mask: The padding mask of cross attentions.
            **kwargs: Handed on to the attentions.

        Raises:
            AssertionError: There are more or fewer masks than attentions.
        """
        masks = self._masks_per_attention(attn_masks)
        attentions = zip(self.attentions, masks, strict=True)
        norms, ffns = iter(self.norms), iter(self.ffns)
        identity = query
        for operation in self.operation_order:
            shortcut = identity if self.pre_norm else None
            if operation == "norm":
                query = next(norms)(query)
                continue
            if operation == "ffn":
                query = next(ffns)(query, shortcut)
                continue
            attention, mask = next(attentions)
            if operation == "self_attn":
                inputs = (query, query, query)
                more = {"key_pos": query_pos, "key_padding_mask": query_key_padding_mask}
            else:
                inputs = (query, key, value)
                more = {"key_pos": key_pos, "key_padding_mask": key_padding_mask}
            query = attention(
                *inputs, shortcut, query_pos=query_pos, attn_mask=mask, **more, **kwargs
            )
            identity = query
        return query

    def _masks_per_attention(
        self, masks: Tensor | Sequence[Tensor | None] | None
    ) -> Sequence[Tensor | None]:
        """Return a mask for each attention."""
        if masks is None or isinstance(masks, Tensor):
            return [masks] * self.num_attn
        if len(masks) != self.num_attn:
            raise CheckError(
                "attn_masks", f"expected one for each of {self.num_attn}, got {len(masks)}."
            )
        return masks
