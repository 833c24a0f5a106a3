"""Global response normalisation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from brickbook.bricks.norm.channel import DataFormat, check_channels, check_data_format
from brickbook.init.planning import plan_driven

__all__ = ["GRN"]


class GRN(nn.Module):
    """``gamma * (x * n) + beta + x``, with n the share that a channel has in the response.

    A channel's response g is its L2 norm over all positions, and ``n = g / (mean(g) + eps)`` with
    the mean over the channels. ``gamma`` and ``beta``, shape (num_channels,), are 0 at first: the
    layer passes its input on. Source: Woo et al. 2023 (ConvNeXt V2), arXiv 2301.00808, eq. 1 to 3.

    Args:
        num_channels: C.
        eps: Keeps the division from 0.
        data_format: ``"channels_first"`` for (N, C, ...), ``"channels_last"`` for (N, ..., C).
    """

    _abbr_ = "grn"

    def __init__(
        self,
        num_channels: int,
        eps: float = 1e-6,
        data_format: DataFormat = "channels_first",
    ) -> None:
        super().__init__()
        check_data_format(data_format)
        check_channels("num_channels", num_channels)
        self.num_channels = num_channels
        self.eps = eps
        self.data_format = data_format
        self.gamma = nn.Parameter(torch.zeros(num_channels))
        self.beta = nn.Parameter(torch.zeros(num_channels))

    @plan_driven
    def init_weights(self) -> None:
        """Set scale and shift to 0, so that the layer is the identity."""
        nn.init.zeros_(self.gamma)
        nn.init.zeros_(self.beta)

    def default_init_cfg(self) -> list[dict[str, Any]]:
        """Return the ``init_cfg`` that says what `init_weights` does."""
        return [{"type": "Zeros", "layer": ["GRN:gamma", "GRN:beta"]}]

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of ``x``."""
        first = self.data_format == "channels_first"
        rows = x.movedim(1, -1) if first else x
        flat = rows.flatten(1, -2)  # (N, positions, C)
        response = torch.linalg.vector_norm(flat, dim=1, keepdim=True)
        share = response / (response.mean(-1, keepdim=True) + self.eps)
        rows = (self.gamma * (flat * share) + self.beta + flat).reshape(rows.shape)
        return rows.movedim(-1, 1) if first else rows

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{self.num_channels}, eps={self.eps}, data_format={self.data_format!r}"
