"""A convolution that pads by itself, as much as TensorFlow's "SAME" does."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Conv2dAdaptivePadding", "same_pad_amounts"]

Size = int | tuple[int, int]


class Conv2dAdaptivePadding(nn.Conv2d):
    """A 2-D convolution whose output has ``ceil(size / stride)`` pixels along each axis.

    The input is padded with zeros at its ends; of an odd number of pixels the one more stands at
    the right and at the bottom. ``padding`` is taken for the sake of the signature and ignored.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, 0, dilation, groups, bias)

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of ``input``, shape (N, in_channels, H, W)."""
        extent = [d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        if extent == [1, 1]:  # a single pixel never reaches over the edge
            return self._conv_forward(input, self.weight, self.bias)
        top, bottom = same_pad_amounts(input.shape[-2], extent[0], self.stride[0])
        left, right = same_pad_amounts(input.shape[-1], extent[1], self.stride[1])
        padded = F.pad(input, [left, right, top, bottom])
        return self._conv_forward(padded, self.weight, self.bias)


def same_pad_amounts(size: int, extent: int, stride: int) -> tuple[Any, Any]:
    """Return how many pixels to add before and after an axis.

    >>> same_pad_amounts(28, 3, 2), same_pad_amounts(28, 3, 1), same_pad_amounts(28, 1, 2)
    ((0, 1), (1, 1), (0, 0))
    """
    outputs = -(-size // stride)
    # of torch, not max: a size may be a symbol while a graph is drawn
    total = torch.sym_max((outputs - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2
