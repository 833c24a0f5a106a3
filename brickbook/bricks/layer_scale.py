"""A learned factor a channel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from brickbook.bricks.norm.channel import DataFormat, check_channels, check_data_format

__all__ = ["LayerScale"]


class LayerScale(nn.Module):
    """``x * weight`` with one learned number a channel, small at first.

    Source: Touvron et al. 2021 (CaiT), arXiv 2103.17239, eq. 4.

    Args:
        dim: How many channels.
        inplace: Change ``x`` itself.
        data_format: ``"channels_last"`` for (N, ..., C), ``"channels_first"`` for (N, C, ...).
        scale: The initial number of all.

    Raises:
        AssertionError: ``data_format`` is neither.
    """

    def __init__(
        self,
        dim: int,
        inplace: bool = False,
        data_format: DataFormat = "channels_last",
        scale: float = 1e-5,
    ) -> None:
        super().__init__()
        check_data_format(data_format)
        check_channels("dim", dim)
        self.inplace = inplace
        self.data_format = data_format
        self.initial_value = float(scale)
        self.weight = nn.Parameter(torch.ones(dim) * scale)

    def default_init_cfg(self) -> list[dict[str, Any]]:
        """Return the ``init_cfg`` of its initial numbers."""
        return [{"type": "Constant", "val": self.initial_value, "layer": "LayerScale:weight"}]

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of ``x``."""
        if self.data_format == "channels_last":
            return x.mul_(self.weight) if self.inplace else x * self.weight
        rows = x.movedim(1, -1)
        if self.inplace:
            rows.mul_(self.weight)
            return x
        return (rows * self.weight).movedim(-1, 1)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{len(self.weight)}, inplace={self.inplace}, data_format={self.data_format!r}"
