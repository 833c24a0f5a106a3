"""Norms over the channels of (N, C, ...), each position by itself."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from brickbook.errors import BadValueError, CheckError, format_value

__all__ = [
    "ChannelLayerNorm",
    "ChannelRMSNorm",
    "DataFormat",
    "LayerNorm2d",
    "check_channels",
    "check_data_format",
]

DataFormat = Literal["channels_first", "channels_last"]  # (N, C, ...) and (N, ..., C)


def check_data_format(data_format: object) -> None:
    """Raise AssertionError for a word that is none of the two."""
    if data_format not in ("channels_first", "channels_last"):
        raise CheckError(
            "data_format",
            f"expected 'channels_first' or 'channels_last', got {format_value(data_format)}.",
        )


def check_channels(key: str, count: object) -> None:
    """Raise ValueError for a number of channels below 0, which torch takes for one of memory."""
    if isinstance(count, int) and count < 0:
        raise BadValueError(key, f"expected a size of 0 or more, got {format_value(count)}.")


class ChannelLayerNorm(nn.LayerNorm):
    """Layer norm over axis 1 of (N, C, ...), each position by itself; keys as in nn.LayerNorm.

    The types ``LN2d`` and ``LayerNorm2d`` of a config. `ConvModule` uses it where a config says LN,
    since nn.LayerNorm would take the last axis.
    """

    def __init__(
        self,
        num_channels: int,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__(num_channels, eps, elementwise_affine, bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``input``, shape (N, C, ...); the shape stays."""
        rows = input.movedim(1, -1)
        rows = F.layer_norm(rows, self.normalized_shape, self.weight, self.bias, self.eps)
        return rows.movedim(-1, 1)


LayerNorm2d = ChannelLayerNorm


class ChannelRMSNorm(nn.RMSNorm):
    """RMS norm over axis 1 of (N, C, ...), each position by itself; keys as in nn.RMSNorm.

    The type ``RMSNorm2d`` of a config. `ConvModule` uses it where a config says RMSNorm. Source:
    Zhang & Sennrich 2019, arXiv 1910.07467, eq. 4.
    """

    def __init__(
        self, num_channels: int, eps: float | None = None, elementwise_affine: bool = True
    ) -> None:
        super().__init__(num_channels, eps, elementwise_affine)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x``, shape (N, C, ...); the shape stays."""
        rows = x.movedim(1, -1)
        rows = F.rms_norm(rows, self.normalized_shape, self.weight, self.eps)
        return rows.movedim(-1, 1)
