"""Feed-forward networks with their shortcut, as a transformer layer takes them."""

from __future__ import annotations

from functools import partial

from torch import Tensor, fx, nn

from brickbook.bricks.activation import build_activation_layer
from brickbook.bricks.deprecated import resolve_identity, resolve_renamed
from brickbook.bricks.drop import build_dropout
from brickbook.bricks.layer_scale import LayerScale
from brickbook.bricks.registry import FEEDFORWARD_NETWORK, register_rows
from brickbook.bricks.transformer.builders import check_count
from brickbook.bricks.wrappers import Linear
from brickbook.modules import BaseModule, InitCfg, Sequential
from brickbook.registry import Config, split_type

__all__ = ["FFN", "GatedFFN"]

RELU: Config = {"type": "ReLU", "inplace": True}
SILU: Config = {"type": "SiLU"}


class FeedForward(BaseModule):
    """``identity + dropout(gamma2(layers(x)))``: what all feed-forward networks share.

    A subclass gives the layers.
    """

    layers: nn.Module

    def __init__(
        self,
        embed_dims: int,
        feedforward_channels: int,
        act_cfg: Config,
        add_identity: bool,
        init_cfg: InitCfg,
    ) -> None:
        super().__init__(init_cfg)
        self.embed_dims = embed_dims
        self.feedforward_channels = feedforward_channels
        split_type(act_cfg, "act_cfg")
        self.act_cfg = dict(act_cfg)
        self.add_identity = add_identity

    def _add_dropout_and_scale(
        self, dropout_layer: Config | None, layer_scale_init_value: float
    ) -> None:
        """Add what comes after the layers."""
        self.dropout_layer = build_dropout(dropout_layer) if dropout_layer else nn.Identity()
        self.gamma2 = (
            LayerScale(self.embed_dims, scale=layer_scale_init_value)
            if layer_scale_init_value > 0
            else nn.Identity()
        )

    def forward(
        self, x: Tensor, identity: Tensor | None = None, *, residual: Tensor | None = None
    ) -> Tensor:
        """Return a tensor of the shape of ``x``, (..., embed_dims).

        Args:
            x: The input.
            identity: What the result is added to; None is ``x``.
            residual: The old name of ``identity``.
        """
        out = self.dropout_layer(self.gamma2(self.layers(x)))
        if not self.add_identity:
            return out
        return resolve_identity(type(self).__name__, x, identity, residual) + out


@FEEDFORWARD_NETWORK.register_module()
class FFN(FeedForward):
    """Linear layers with activations between, and a shortcut around them.

    The state-dict keys are ``layers.0.0.weight``, …, ``layers.1.weight`` for two layers. Source:
    Vaswani et al. 2017, arXiv 1706.03762, eq. 2.

    Args:
        embed_dims: Length of an embedding.
        feedforward_channels: Width between the layers.
        num_fcs: How many linear layers there are.
        act_cfg: The activation after each but the last.
        ffn_drop: Probability that a number after each layer is dropped.
        dropout_layer: What is before the shortcut; None is nothing.
        add_identity: Whether there is a shortcut.
        init_cfg: How its parameters are initialised.
        layer_scale_init_value: Initial factors of a `LayerScale`; 0 is none.
        dropout: The old name of ``ffn_drop``.
        add_residual: The old name of ``add_identity``.

    Raises:
        AssertionError: ``num_fcs`` is less than 2.
    """

    def __init__(
        self,
        embed_dims: int = 256,
        feedforward_channels: int = 1024,
        num_fcs: int = 2,
        act_cfg: Config = RELU,
        ffn_drop: float = 0.0,
        dropout_layer: Config | None = None,
        add_identity: bool = True,
        init_cfg: InitCfg = None,
        layer_scale_init_value: float = 0.0,
        *,
        dropout: float | None = None,
        add_residual: bool | None = None,
    ) -> None:
        check_count("num_fcs", num_fcs, 2)
        name = type(self).__name__
        ffn_drop = resolve_renamed(name, "dropout", "ffn_drop", dropout, ffn_drop, 0.0)
        add_identity = resolve_renamed(
            name, "add_residual", "add_identity", add_residual, add_identity, True
        )
        super().__init__(embed_dims, feedforward_channels, act_cfg, add_identity, init_cfg)
        self.num_fcs = num_fcs
        widths = [embed_dims, *[feedforward_channels] * (num_fcs - 1)]
        inner = (
            Sequential(
                Linear(width, feedforward_channels),
                build_activation_layer(act_cfg),
                nn.Dropout(ffn_drop),
            )
            for width in widths[:-1]
        )
        self.layers = Sequential(
            *inner, Linear(feedforward_channels, embed_dims), nn.Dropout(ffn_drop)
        )
        self._add_dropout_and_scale(dropout_layer, layer_scale_init_value)


class GatedLayers(nn.Module):
    """``(act(x W) * x V) W2``, with a dropout after the product and one at the end."""

    def __init__(self, width: int, inner: int, act: nn.Module, drop: float, bias: bool) -> None:
        super().__init__()
        self.gate_proj = Linear(width, inner, bias=bias)
        self.activate = act
        self.up_proj = Linear(width, inner, bias=bias)
        self.drop = nn.Dropout(drop)
        self.down_proj = Linear(inner, width, bias=bias)
        self.drop_out = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of ``x``."""
        hidden = self.activate(self.gate_proj(x)) * self.up_proj(x)
        return self.drop_out(self.down_proj(self.drop(hidden)))


@FEEDFORWARD_NETWORK.register_module()
class GatedFFN(FeedForward):
    """``(act(x W) * x V) W2`` with a shortcut around it: GEGLU with GELU, SwiGLU with SiLU.

    Those two are registered under their names. The three layers are ``layers.gate_proj``,
    ``layers.up_proj`` and ``layers.down_proj``. With 2/3 of an `FFN`'s ``feedforward_channels`` it
    has as many weights. Source: Shazeer 2020, arXiv 2002.05202, eq. 6.

    Args:
        embed_dims: Length of an embedding.
        feedforward_channels: Width between the layers.
        act_cfg: The activation of the gate.
        ffn_drop: Probability that a number of the product, and of the output, is dropped.
        dropout_layer: What is before the shortcut; None is nothing.
        add_identity: Whether there is a shortcut.
        init_cfg: How its parameters are initialised.
        layer_scale_init_value: Initial factors of a `LayerScale`; 0 is none.
        bias: Whether the linear layers have one.
    """

    def __init__(
        self,
        embed_dims: int = 256,
        feedforward_channels: int = 1024,
        act_cfg: Config = SILU,
        ffn_drop: float = 0.0,
        dropout_layer: Config | None = None,
        add_identity: bool = True,
        init_cfg: InitCfg = None,
        layer_scale_init_value: float = 0.0,
        bias: bool = False,
    ) -> None:
        super().__init__(embed_dims, feedforward_channels, act_cfg, add_identity, init_cfg)
        act = build_activation_layer(act_cfg)
        self.layers = GatedLayers(embed_dims, feedforward_channels, act, ffn_drop, bias)
        self._add_dropout_and_scale(dropout_layer, layer_scale_init_value)


fx.wrap("resolve_identity")  # a tracer takes it as one step: None is a value of the input

register_rows(FEEDFORWARD_NETWORK, {
    "GEGLU": partial(GatedFFN, act_cfg={"type": "GELU"}),
    "SwiGLU": GatedFFN,
})  # fmt: skip
