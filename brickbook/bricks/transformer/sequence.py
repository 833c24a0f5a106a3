"""Transformer layers, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from brickbook.bricks.registry import (
    TRANSFORMER_LAYER,
    TRANSFORMER_LAYER_SEQUENCE,
    build_with_defaults,
)
from brickbook.bricks.transformer.builders import Configs, check_count, expand_configs
from brickbook.errors import CheckError
from brickbook.modules import BaseModule, InitCfg, ModuleList

__all__ = ["TransformerLayerSequence"]


@TRANSFORMER_LAYER_SEQUENCE.register_module()
class TransformerLayerSequence(BaseModule):
    """Transformer layers, one after the other: an encoder or a decoder.

    Args:
        transformerlayers: One config for all, or one for each.
        num_layers: How many layers there are; None is one for each config of a list.
        init_cfg: How its parameters are initialised.

    Raises:
        AssertionError: There is no layer, or another number than ``num_layers`` says.
    """

    def __init__(
        self,
        transformerlayers: Configs = None,
        num_layers: int | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(init_cfg)
        if num_layers is None and isinstance(transformerlayers, (list, tuple)):
            num_layers = len(transformerlayers)
        if num_layers is None:
            raise CheckError("num_layers", "expected 1 or more, got None.")
        check_count("num_layers", num_layers, 1)
        cfgs = expand_configs(transformerlayers, num_layers, "transformerlayers", "layer")
        self.num_layers = num_layers
        self.layers: Any = ModuleList(
            build_with_defaults(cfg, TRANSFORMER_LAYER, None, f"transformerlayers[{at}]")
            for at, cfg in enumerate(cfgs)
        )
        self.embed_dims = self.layers[0].embed_dims
        self.pre_norm = self.layers[0].pre_norm

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
        """Return a tensor of the shape of ``query``; arguments as in `BaseTransformerLayer`."""
        for layer in self.layers:
            query = layer(
                query,
                key,
                value,
                query_pos=query_pos,
                key_pos=key_pos,
                attn_masks=attn_masks,
                query_key_padding_mask=query_key_padding_mask,
                key_padding_mask=key_padding_mask,
                **kwargs,
            )
        return query
