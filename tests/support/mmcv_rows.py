"""What mmcv-lite and brickbook are compared on, and how each row is built and called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

IMAGE = (2, 8, 9, 7)


@dataclass(frozen=True)
class Row:
    """A class, or a function that builds a layer, and one call of what it makes."""

    name: str  # under the packages: "bricks.conv_ws:ConvWS2d"
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    shapes: tuple[tuple[int, ...], ...] = (IMAGE,)  # of the tensors that forward takes
    call: Mapping[str, Any] = field(default_factory=dict)  # its other arguments
    other_start: str = ""  # why a new one starts otherwise than mmcv's
    ours: str = ""  # the name here, where it is another
    dtype: torch.dtype = torch.float32  # a long chain of products is no question of rounding

    def __str__(self) -> str:
        sentences = [
            *map(repr, self.args),
            *(f"{key}={value!r}" for key, value in self.kwargs.items()),
        ]
        return f"{self.name.rpartition(':')[2]}({', '.join(sentences)})"


def builds(builder: str, *names: str, args: tuple[Any, ...] = (), **more: Any) -> list[Row]:
    """Return a row a registered name."""
    return [Row(f"bricks:{builder}", (dict(type=name), *args), **more) for name in names]


CONV = dict(in_channels=8, out_channels=6, kernel_size=3)
BN = dict(type="BN")
GAIN = "the gain is that of the activation"

BIASES = "the free biases are drawn with the other sign"
T = "bricks.transformer"
ATTENTION = dict(type="MultiheadAttention", embed_dims=8, num_heads=2)
TOKENS = ((5, 2, 8), (4, 2, 8))
HIDDEN = torch.tensor([[0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 1, 0]]) == 1
PADS = torch.tensor([[False, False, False, True], [False] * 4])
OTHER = torch.linspace(-1, 1, 80).view(5, 2, 8)

ROWS: list[Row] = [
    # layers by name
    *builds("build_conv_layer", "Conv1d", kwargs=CONV, shapes=((2, 8, 9),)),
    *builds("build_conv_layer", "Conv3d", "deconv3d", "ConvTranspose3d", kwargs=CONV,
            shapes=((2, 8, 5, 4, 6),)),
    *builds("build_conv_layer", "Conv2d", "Conv", "Conv2dAdaptivePadding", "ConvWS", "ConvAWS",
            "deconv", "ConvTranspose2d", kwargs=CONV),
    *builds("build_norm_layer", "BN", "BN2d", "IN", "IN2d", "SyncBN", args=(8, 1)),
    *builds("build_norm_layer", "BN1d", "IN1d", args=(8, "_x"), shapes=((4, 8, 9),)),
    *builds("build_norm_layer", "BN3d", "IN3d", args=(8,), shapes=((2, 8, 3, 4, 5),)),
    *builds("build_norm_layer", "LN", args=(7,)),
    Row("bricks:build_norm_layer", (dict(type="GN", num_groups=2, requires_grad=False), 8)),
    *builds("build_activation_layer", "ReLU", "LeakyReLU", "PReLU", "RReLU", "ReLU6", "ELU",
            "Sigmoid", "Tanh", "SiLU", "Clamp", "Clip", "GELU", "HSigmoid", "HSwish", "Swish"),
    *builds("build_padding_layer", "zero", "reflect", "replicate", args=(2,)),
    *builds("build_upsample_layer", "nearest", "bilinear", kwargs=dict(scale_factor=2)),
    *builds("build_upsample_layer", "deconv", kwargs=CONV),
    *builds("build_upsample_layer", "pixel_shuffle", args=(8, 3, 2, 3)),
    Row("bricks.drop:build_dropout", (dict(type="DropPath", drop_prob=0.4),)),
    Row("bricks.drop:build_dropout", (dict(type="Dropout"), dict(drop_prob=0.3))),
    # classes
    Row("bricks:HSigmoid", (1.0, 2.0, -1.0, 0.5)),
    Row("bricks:HSwish", (True,)),
    Row("bricks:Conv2d", (8, 6, 3), dict(stride=2, padding=1, bias=False)),
    Row("bricks:ConvTranspose2d", (8, 6, 3), dict(stride=2, output_padding=1)),
    Row("bricks:Conv3d", (8, 6, 3), shapes=((2, 8, 5, 4, 6),)),
    Row("bricks:ConvTranspose3d", (8, 6, 3), dict(stride=2), shapes=((2, 8, 3, 4, 3),)),
    Row("bricks:MaxPool2d", (3, 2, 1)),
    Row("bricks:MaxPool3d", (2,), shapes=((2, 8, 5, 4, 6),)),
    Row("bricks:Linear", (7, 3)),
    Row("bricks:ConvWS2d", (8, 6, (3, 1), 2), dict(padding=1, groups=2, bias=False, eps=1e-3)),
    Row("bricks:ConvAWS2d", (8, 6, 3), dict(padding=2, dilation=2, groups=2)),
    Row("bricks:Conv2dAdaptivePadding", (8, 6, (5, 2), (3, 2)), dict(dilation=(1, 2))),
    Row("bricks:Conv2dAdaptivePadding", (8, 6, 1, 2)),
    Row("bricks:DropPath", (0.5,)),
    Row("bricks:Dropout"),
    Row("bricks:Scale", (10.0,)),
    Row("bricks:LayerScale", (7,)),
    Row("bricks:LayerScale", (8,), dict(data_format="channels_first", scale=0.1)),
    Row("bricks:ConvModule", (8, 6, 3), dict(norm_cfg=BN)),
    Row("bricks:ConvModule", (8, 6, 3), dict(padding=1, stride=2, groups=2)),
    Row("bricks:ConvModule", (8, 6, 3), dict(act_cfg=None, norm_cfg=dict(type="GN", num_groups=2))),
    Row("bricks:ConvModule", (8, 6, 3), dict(act_cfg=dict(type="Tanh"), padding_mode="reflect",
        padding=1), other_start=GAIN),
    Row("bricks:ConvModule", (8, 6, 3), dict(norm_cfg=dict(type="IN"), with_spectral_norm=True)),
    Row("bricks:ConvModule", (8, 6, 3), dict(norm_cfg=BN, bias=True,
        order=("norm", "conv", "act"))),
    Row("bricks:ConvModule", (8, 6, 3), dict(norm_cfg=BN), call=dict(activate=False)),
    Row("bricks:ConvModule", (8, 6, 3), dict(norm_cfg=BN), call=dict(norm=False)),
    Row("bricks:ConvModule", (8, 6, 3), dict(conv_cfg=dict(type="Conv1d"),
        norm_cfg=dict(type="BN1d")), shapes=((2, 8, 9),)),
    Row("bricks:ConvModule", (8, 6, 3), dict(conv_cfg=dict(type="ConvAWS"), norm_cfg=BN,
        act_cfg=dict(type="LeakyReLU", negative_slope=0.2))),
    Row("bricks:ConvModule", (8, 6, 3), dict(norm_cfg=BN, efficient_conv_bn_eval=True)),
    Row("bricks:DepthwiseSeparableConvModule", (8, 6, 3), dict(norm_cfg=BN, padding=1)),
    Row("bricks:DepthwiseSeparableConvModule", (8, 6, 3), dict(dw_norm_cfg=BN, stride=2,
        pw_act_cfg=dict(type="LeakyReLU"))),
    Row("bricks:DepthwiseSeparableConvModule", (8, 6, 3), dict(pw_norm_cfg=BN, padding=1,
        padding_mode="reflect", dw_act_cfg=dict(type="HSwish")), other_start=GAIN),
    Row("bricks.upsample:PixelShufflePack", (8, 2, 3, 5)),
    # plugins
    *(Row(f"bricks:NonLocal{axes}d", (8, sub), dict(mode=mode, norm_cfg=norm and {**norm,
        "type": f"BN{axes}d"}, zeros_init=not sub), shapes=((2, 8, *[4, 6, 4][:axes]),),
        dtype=torch.float64)
      for axes, sub, norm in ((1, False, None), (2, True, BN), (3, True, None), (2, False, BN))
      for mode in ("gaussian", "embedded_gaussian", "dot_product")),
    *(Row("bricks:ContextBlock", (8, 0.5, pooling, fusions))
      for pooling in ("att", "avg")
      for fusions in (["channel_add"], ("channel_mul",), ("channel_add", "channel_mul"))),
    *(Row("bricks:GeneralizedAttention", (8,), dict(num_heads=2, attention_type=digits, q_stride=q),
        shapes=((2, 8, 6, 6),), other_start=BIASES if "1" in digits[2:] else "")
      for q, digits in ((1, "0000"), (1, "1000"), (1, "0010"), (1, "0001"), (2, "1010"),
                        (2, "0101"), (1, "1001"), (1, "0111"), (1, "1111"), (2, "1111"))),
    Row("bricks:build_plugin_layer", (dict(type="NonLocal2d", reduction=16), "_x"),
        dict(in_channels=8)),
    # transformers
    *(Row(f"{T}:AdaptivePadding", (3, 5, (1, 2), padding)) for padding in ("same", "corner")),
    Row(f"{T}:PatchEmbed", (8, 6), dict(kernel_size=4, stride=None)),
    Row(f"{T}:PatchEmbed", (8, 6), dict(kernel_size=(3, 2), stride=2, dilation=2, padding="same",
        norm_cfg=dict(type="LN"), input_size=(9, 7))),
    Row(f"{T}:PatchEmbed", (8, 6), dict(kernel_size=3, stride=2, padding=1, bias=False)),
    *(Row(f"{T}:PatchMerging", (8, 6), kwargs, shapes=((2, 63, 8),), call=dict(input_size=(9, 7)))
      for kwargs in (dict(), dict(kernel_size=3, stride=2, padding=1, dilation=2),
                     dict(kernel_size=(2, 3), padding="same", norm_cfg=None, bias=True))),
    *(Row(f"{T}:MultiheadAttention", (8, 2), dict(batch_first=False, **kwargs), TOKENS, call)
      for kwargs in (dict(), dict(bias=False, add_zero_attn=True), dict(add_bias_kv=True))
      for call in (dict(), dict(attn_mask=HIDDEN), dict(attn_mask=HIDDEN, key_padding_mask=PADS),
                   dict(attn_mask=HIDDEN * 0.5, identity=OTHER, query_pos=OTHER,
                        key_pos=OTHER[1:]))),
    Row(f"{T}:MultiheadAttention", (8, 2), dict(batch_first=True, dropout_layer=None), TOKENS[:1],
        dict(query_pos=OTHER)),
    Row(f"{T}:MultiheadAttention", (8, 2), dict(kdim=8, vdim=6), (*TOKENS, (4, 2, 6))),
    *(Row(f"{T}:FFN", (8, 12), kwargs, ((5, 2, 8),), call)
      for kwargs in (dict(), dict(num_fcs=3, layer_scale_init_value=0.1), dict(add_identity=False),
                     dict(act_cfg=dict(type="GELU"), dropout_layer=dict(type="DropPath")))
      for call in (dict(), dict(identity=OTHER)) if kwargs.get("num_fcs") or not call),
    *(Row(f"{T}:BaseTransformerLayer", (ATTENTION, dict(type="FFN", feedforward_channels=12)),
        dict(operation_order=order, batch_first=first), ((5, 2, 8),) if first else TOKENS,
        dict(query_pos=OTHER) if first else dict(query_pos=OTHER, key_pos=OTHER[1:],
        key_padding_mask=PADS), dtype=torch.float64)
      for first, order in ((False, ("self_attn", "norm", "cross_attn", "norm", "ffn", "norm")),
                           (False, ("norm", "self_attn", "norm", "cross_attn", "norm", "ffn")),
                           (True, ["self_attn", "norm", "ffn", "norm"]))),
    Row(f"{T}:TransformerLayerSequence", (dict(type="BaseTransformerLayer", attn_cfgs=ATTENTION,
        ffn_cfgs=dict(feedforward_channels=12), operation_order=("norm", "self_attn", "cross_attn",
        "ffn")), 2), shapes=(*TOKENS, (4, 2, 8)), dtype=torch.float64),
]  # fmt: skip
