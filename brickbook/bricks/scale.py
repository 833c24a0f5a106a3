"""One learned factor; that of a channel is here too, as in mmcv."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from brickbook.bricks.layer_scale import LayerScale

__all__ = ["LayerScale", "Scale"]


class Scale(nn.Module):
    """``x * scale`` with one learned number, the parameter ``scale`` without axes."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.initial_value = float(scale)
        self.scale = nn.Parameter(torch.tensor(self.initial_value, dtype=torch.float))

    def default_init_cfg(self) -> list[dict[str, Any]]:
        """Return the ``init_cfg`` of its initial numbers."""
        return [{"type": "Constant", "val": self.initial_value, "layer": "Scale:scale"}]

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of ``x``."""
        return x * self.scale
