"""A convolution in two: one a channel, then one a position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor, nn

from brickbook.bricks.conv_module import RELU, ConvModule, Size
from brickbook.config import signature_of
from brickbook.errors import BadArgumentError, CheckError, nearest
from brickbook.registry import Config

__all__ = ["DepthwiseSeparableConvModule"]

PartConfig = Config | Literal["default"] | None


class DepthwiseSeparableConvModule(nn.Module):
    """A `ConvModule` with a filter a channel, then one of 1×1 over all channels.

    (N, in_channels, ...) becomes (N, out_channels, ...). The parts are ``depthwise_conv``, which
    takes stride, padding and dilation, and ``pointwise_conv``. Source: Howard et al. 2017
    (MobileNet), arXiv 1704.04861, §3.1.

    Args:
        in_channels: Channels that come in, which is also the number of depthwise filters.
        out_channels: Channels that go out.
        kernel_size: Of the depthwise convolution.
        stride: Of the depthwise convolution.
        padding: Of the depthwise convolution.
        dilation: Of the depthwise convolution.
        norm_cfg: The normalisation of both.
        act_cfg: The activation of both.
        dw_norm_cfg: That of the depthwise one if it differs; None is none.
        dw_act_cfg: That of the depthwise one if it differs; None is none.
        pw_norm_cfg: That of the pointwise one if it differs; None is none.
        pw_act_cfg: That of the pointwise one if it differs; None is none.
        **kwargs: Other arguments of `ConvModule`, for both.

    Raises:
        AssertionError: ``groups`` is among the arguments; else as in `ConvModule`.
        KeyError: As in `ConvModule`.
        TypeError: `ConvModule` does not take an argument.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        norm_cfg: Config | None = None,
        act_cfg: Config | None = RELU,
        dw_norm_cfg: PartConfig = "default",
        dw_act_cfg: PartConfig = "default",
        pw_norm_cfg: PartConfig = "default",
        pw_act_cfg: PartConfig = "default",
        **kwargs: Any,
    ) -> None:
        super().__init__()
        check_arguments(kwargs)
        self.depthwise_conv = ConvModule(
            in_channels,
            in_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=in_channels,
            norm_cfg=own_or_common("dw_norm_cfg", dw_norm_cfg, norm_cfg),
            act_cfg=own_or_common("dw_act_cfg", dw_act_cfg, act_cfg),
            **kwargs,
        )
        self.pointwise_conv = ConvModule(
            in_channels,
            out_channels,
            1,
            norm_cfg=own_or_common("pw_norm_cfg", pw_norm_cfg, norm_cfg),
            act_cfg=own_or_common("pw_act_cfg", pw_act_cfg, act_cfg),
            **kwargs,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of both, one after the other."""
        return self.pointwise_conv(self.depthwise_conv(x))


def check_arguments(kwargs: Config) -> None:
    """Raise for what cannot be handed on to both parts."""
    if "groups" in kwargs:
        raise CheckError("groups", "it is in_channels and 1: leave it out.")
    known = signature_of(ConvModule).named
    for key in kwargs:
        if key not in known:
            raise BadArgumentError(key, "ConvModule has no such argument.", nearest(key, known))


def own_or_common(key: str, own: PartConfig, common: Config | None) -> Any:
    """Return a part's own config, the common one where it is ``"default"``."""
    if isinstance(own, str) and own == "default":
        return common
    if not (own is None or isinstance(own, Mapping)):
        raise CheckError(key, f"expected a dict, None or 'default', got {own!r}.")
    return own
