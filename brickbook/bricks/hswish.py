"""The hard swish."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["HSwish"]


class HSwish(nn.Module):
    """``x * relu6(x + 3) / 6``; the type ``HSwish`` of a config is torch's own nn.Hardswish.

    ``inplace`` concerns the inner ReLU6; the input is never changed. Source: Howard et al. 2019
    (MobileNetV3), §5.2.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.act = nn.ReLU6(inplace)

    def forward(self, x: Tensor) -> Tensor:
        """Return a new tensor of the same shape."""
        return x * self.act(x + 3) / 6
