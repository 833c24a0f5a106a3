"""The layers that mmcv wraps: here they are torch's own, under mmcv's names and at its place.

mmcv's subclasses exist for torch before 1.7, whose layers refused an empty batch. Torch's classes
take one now; and being the same classes, they are leaves for ``torch.fx``, and every tool that
looks for ``nn.Conv2d`` by its type finds them.
"""

from __future__ import annotations

from torch.nn import (
    Conv2d,
    Conv3d,
    ConvTranspose2d,
    ConvTranspose3d,
    Linear,
    MaxPool2d,
    MaxPool3d,
)

__all__ = [
    "Conv2d",
    "Conv3d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Linear",
    "MaxPool2d",
    "MaxPool3d",
]
