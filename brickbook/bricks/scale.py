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
        self.start = float(scale)
        self.scale = nn.Parameter(torch.tensor(self.start, dtype=torch.float))

    def default_init_cfg(self) -> list[dict[str, Any]]:
        """Return the ``init_cfg`` that says how it starts."""
        return [{"type": "Constant", "val": self.start, "layer": "Scale:scale"}]

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of ``x``."""
        return x * self.scale
