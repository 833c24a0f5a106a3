"""A gate for each channel, then one for each position."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from brickbook.bricks.activation import build_activation_layer
from brickbook.bricks.conv_module import RELU, ConvModule
from brickbook.bricks.registry import PLUGIN_LAYERS
from brickbook.bricks.squeeze_excite import bottleneck_width
from brickbook.errors import BadValueError
from brickbook.registry import Config

__all__ = ["CBAM"]


@PLUGIN_LAYERS.register_module()
class CBAM(nn.Module):
    """The convolutional block attention module: what is worth a look, then where.

    (N, C, H, W) keeps its shape. The gates of the channels come from the mean and the maximum of
    each channel, both through ``fc1`` and ``fc2``; those of the positions from the mean and the
    maximum over the channels, through one convolution, ``spatial``. Source: Woo et al. 2018,
    arXiv 1807.06521, eq. 1 to 3.

    Args:
        in_channels: C.
        reduction: The r of the paper: the bottleneck has C / r channels, one at least.
        kernel_size: Of the convolution over the positions; odd, so that the shape stays.
        norm_cfg: A normalisation after that convolution; the paper has none, its authors' code BN.
        act_cfg: The activation in the bottleneck.
    """

    _abbr_ = "cbam"

    def __init__(
        self,
        in_channels: int,
        reduction: int = 16,
        kernel_size: int = 7,
        norm_cfg: Config | None = None,
        act_cfg: Config = RELU,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise BadValueError("kernel_size", f"expected an odd number, got {kernel_size!r}.")
        width = bottleneck_width(in_channels, reduction)
        self.in_channels = in_channels
        self.reduction = reduction
        self.fc1 = nn.Conv2d(in_channels, width, kernel_size=1)
        self.activate = build_activation_layer(act_cfg)
        self.fc2 = nn.Conv2d(width, in_channels, kernel_size=1)
        self.spatial = ConvModule(
            2, 1, kernel_size, padding=kernel_size // 2, norm_cfg=norm_cfg, act_cfg=None
        )

    def channel_gates(self, x: Tensor) -> Tensor:
        """Return the gates of the channels, shape (N, C, 1, 1)."""
        both = (x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True))
        mean, most = (self.fc2(self.activate(self.fc1(context))) for context in both)
        return torch.sigmoid(mean + most)

    def spatial_gates(self, x: Tensor) -> Tensor:
        """Return the gates of the positions, shape (N, 1, H, W)."""
        both = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return torch.sigmoid(self.spatial(both))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` times both kinds of gates."""
        x = x * self.channel_gates(x)
        return x * self.spatial_gates(x)
