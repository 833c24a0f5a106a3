"""The swish."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Swish"]


class Swish(nn.Module):
    """``x * sigmoid(x)``, as nn.SiLU. Source: Ramachandran et al. 2017, arXiv 1710.05941."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a new tensor of the same shape."""
        return x * F.sigmoid(x)
