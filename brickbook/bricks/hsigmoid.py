"""The hard sigmoid, with its numbers to choose."""

from __future__ import annotations

from torch import Tensor, nn

from brickbook.errors import CheckError

__all__ = ["HSigmoid"]


class HSigmoid(nn.Module):
    """``(x + bias) / divisor``, clamped to [min_value, max_value].

    The defaults are those of nn.Hardsigmoid and of mmcv since 1.4.4. Source: Howard et al. 2019
    (MobileNetV3), §5.2.

    Raises:
        AssertionError: ``divisor`` is 0.
    """

    def __init__(
        self,
        bias: float = 3.0,
        divisor: float = 6.0,
        min_value: float = 0.0,
        max_value: float = 1.0,
    ) -> None:
        super().__init__()
        if divisor == 0:
            raise CheckError("divisor", "expected a number other than 0, got 0.")
        self.bias = bias
        self.divisor = divisor
        self.min_value = min_value
        self.max_value = max_value

    def forward(self, x: Tensor) -> Tensor:
        """Return a new tensor of the same shape."""
        return ((x + self.bias) / self.divisor).clamp(self.min_value, self.max_value)

    def extra_repr(self) -> str:
        """Return the four numbers."""
        return (
            f"bias={self.bias}, divisor={self.divisor}, "
            f"min_value={self.min_value}, max_value={self.max_value}"
        )
