"""The layers that mmcv wraps, under mmcv's names and at its place.

mmcv's wrappers exist for torch before 1.7, whose layers refused an empty batch. Torch's classes
take one now, so most of these names are torch's classes themselves: leaves for ``torch.fx``, and
found by every tool that looks for ``nn.Conv2d`` by its type. Only the transposed convolutions are
classes of their own: torch's forward has a second argument, ``output_size``, that ``torch.fx``
cannot trace at the root of a graph.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import Conv2d, Conv3d, Linear, MaxPool2d, MaxPool3d

__all__ = [
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Linear",
    "MaxPool2d",
    "MaxPool3d",
]


class ConvTranspose1d(nn.ConvTranspose1d):
    """``nn.ConvTranspose1d`` whose forward takes the input alone."""

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the output for ``x``, shape (N, in_channels, L)."""
        return super().forward(x)


class ConvTranspose2d(nn.ConvTranspose2d):
    """``nn.ConvTranspose2d`` whose forward takes the input alone, as mmcv's."""

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the output for ``x``, shape (N, in_channels, H, W)."""
        return super().forward(x)


class ConvTranspose3d(nn.ConvTranspose3d):
    """``nn.ConvTranspose3d`` whose forward takes the input alone, as mmcv's."""

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the output for ``x``, shape (N, in_channels, D, H, W)."""
        return super().forward(x)
