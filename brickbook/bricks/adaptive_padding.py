"""Zeros around a map, so that a filter covers it."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, fx, nn

from brickbook.bricks.conv2d_adaptive_padding import both_ends
from brickbook.errors import BadValueError, CheckError

__all__ = ["AdaptivePadding", "Pair", "Size", "pair"]

Pair = tuple[int, int]
Size = int | Sequence[int]


def pair(value: Size, key: str) -> Pair:
    """Return one number for each of two axes.

    Raises ValueError for a sequence of any other length.
    """
    numbers = (value, value) if isinstance(value, int) else tuple(value)
    if len(numbers) != 2:
        raise BadValueError(key, f"expected one number or two, got {value!r}.")
    return numbers


class AdaptivePadding(nn.Module):
    """Zeros around (N, C, H, W), so that a filter that moves over it covers every pixel.

    ``"corner"`` adds them at the bottom and at the right, ``"same"`` on both sides as TensorFlow
    does. There are then ``ceil(size / stride)`` places along each axis. Raises AssertionError for
    another ``padding``.

    >>> import torch
    >>> AdaptivePadding(kernel_size=16, stride=16)(torch.ones(1, 1, 15, 17)).shape
    torch.Size([1, 1, 16, 32])
    """

    def __init__(
        self, kernel_size: Size = 1, stride: Size = 1, dilation: Size = 1, padding: str = "corner"
    ) -> None:
        super().__init__()
        if padding not in ("same", "corner"):
            raise CheckError("padding", f"expected 'same' or 'corner', got {padding!r}.")
        self.padding = padding
        self.kernel_size = pair(kernel_size, "kernel_size")
        self.stride = pair(stride, "stride")
        self.dilation = pair(dilation, "dilation")

    def get_pad_shape(self, input_shape: Sequence[int]) -> Pair:
        """Return how many zeros are added to a height and a width."""
        rows, columns = ends(input_shape, self.kernel_size, self.stride, self.dilation)
        return sum(rows), sum(columns)

    def forward(self, x: Tensor) -> Tensor:
        """Return the padded map; ``x`` itself where nothing is to be added."""
        return padded(x, self.kernel_size, self.stride, self.dilation, self.padding)


def ends(size: Sequence[int], kernel: Pair, stride: Pair, dilation: Pair) -> tuple[Pair, Pair]:
    """Return how many zeros stand before and after a height and a width, evenly."""
    sides = zip(size, kernel, stride, dilation, strict=True)
    rows, columns = (both_ends(n, d * (k - 1) + 1, s) for n, k, s, d in sides)
    return rows, columns


def padded(x: Tensor, kernel: Pair, stride: Pair, dilation: Pair, padding: str) -> Tensor:
    """Pad the last two axes."""
    rows, columns = ends(x.shape[-2:], kernel, stride, dilation)
    if not any((*rows, *columns)):
        return x
    if padding == "corner":
        rows, columns = (0, sum(rows)), (0, sum(columns))
    return F.pad(x, (*columns, *rows))


fx.wrap("padded")  # a tracer takes it as one step: what it does depends on the input's size
