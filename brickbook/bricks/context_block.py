"""A global context that is added to every position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from brickbook.bricks.registry import PLUGIN_LAYERS
from brickbook.errors import BadValueError, CheckError
from brickbook.init.initializers import constant_init, kaiming_init

__all__ = ["ContextBlock"]

POOLINGS = ("att", "avg")
FUSIONS = ("channel_add", "channel_mul")


@PLUGIN_LAYERS.register_module()
class ContextBlock(nn.Module):
    """One context vector of the whole map, transformed and merged into each position.

    (N, C, H, W) stays (N, C, H, W). The context is a mean over the positions, by attention or
    plain; the transform is a bottleneck of 1×1 convolutions. The last convolution of each transform
    is 0 at first, so that a block that adds is the identity; the weights of the attention are
    drawn from Kaiming's law (fan_in). Source: Cao et al. 2019 (GCNet), arXiv 1904.11492, eq. 6.

    Args:
        in_channels: C.
        ratio: Channels of the bottleneck, as a part of C.
        pooling_type: ``"att"``: a mean weighted by a softmax over the positions. ``"avg"``: the
            plain mean.
        fusion_types: ``"channel_add"`` adds the transformed context, ``"channel_mul"`` multiplies
            with its sigmoid, before adding.

    Raises:
        AssertionError: The pooling or a fusion is unknown.
        ValueError: The ratio leaves no channel.
    """

    _abbr_ = "context_block"

    def __init__(
        self,
        in_channels: int,
        ratio: float,
        pooling_type: Literal["att", "avg"] = "att",
        fusion_types: Sequence[Literal["channel_add", "channel_mul"]] = ("channel_add",),
    ) -> None:
        super().__init__()
        check_arguments(pooling_type, fusion_types)
        self.in_channels = in_channels
        self.ratio = ratio
        self.planes = int(in_channels * ratio)
        if self.planes < 1:
            raise BadValueError("ratio", f"{ratio!r} of {in_channels} channels is less than one.")
        self.pooling_type = pooling_type
        self.fusion_types = fusion_types
        if pooling_type == "att":
            self.conv_mask = nn.Conv2d(in_channels, 1, kernel_size=1)
            self.softmax = nn.Softmax(dim=2)
        else:
            self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.channel_add_conv = self._transform() if "channel_add" in fusion_types else None
        self.channel_mul_conv = self._transform() if "channel_mul" in fusion_types else None
        self.reset_parameters()

    def _transform(self) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(self.in_channels, self.planes, kernel_size=1),
            nn.LayerNorm([self.planes, 1, 1]),
            nn.ReLU(inplace=True),
            nn.Conv2d(self.planes, self.in_channels, kernel_size=1),
        )

    def _transforms(self) -> dict[str, nn.Sequential]:
        """Return the transforms that there are, by name."""
        both = {
            "channel_add_conv": self.channel_add_conv,
            "channel_mul_conv": self.channel_mul_conv,
        }
        return {name: part for name, part in both.items() if part is not None}

    def reset_parameters(self) -> None:
        """Initialise the attention's convolution and the last one of each transform."""
        if self.pooling_type == "att":
            kaiming_init(self.conv_mask, mode="fan_in")
        for transform in self._transforms().values():
            constant_init(transform[-1], val=0)

    def default_init_cfg(self) -> list[dict[str, Any]]:
        """Return the ``init_cfg`` that says what `reset_parameters` does."""
        rules = []
        if self.pooling_type == "att":
            rules.append({"type": "Kaiming", "mode": "fan_in", "override": {"name": "conv_mask"}})
        for name, transform in self._transforms().items():
            last = {"name": f"{name}.{len(transform) - 1}"}
            rules.append({"type": "Constant", "val": 0, "override": last})
        return rules

    def spatial_pool(self, x: Tensor) -> Tensor:
        """Return the context of (N, C, H, W), shape (N, C, 1, 1)."""
        if self.pooling_type == "avg":
            return self.avg_pool(x)
        weights = self.softmax(self.conv_mask(x).flatten(2))
        return torch.matmul(x.flatten(2), weights.transpose(1, 2)).unsqueeze(-1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` with its context merged in."""
        context = self.spatial_pool(x)
        out = x
        if self.channel_mul_conv is not None:
            out = out * torch.sigmoid(self.channel_mul_conv(context))
        if self.channel_add_conv is not None:
            out = out + self.channel_add_conv(context)
        return out


def check_arguments(pooling_type: object, fusion_types: object) -> None:
    """Raise for words that the block does not know."""
    if pooling_type not in POOLINGS:
        raise CheckError("pooling_type", f"expected 'att' or 'avg', got {pooling_type!r}.")
    if not isinstance(fusion_types, (list, tuple)):
        raise CheckError("fusion_types", f"expected a list or a tuple, got {fusion_types!r}.")
    unknown = [word for word in fusion_types if word not in FUSIONS]
    if unknown or not fusion_types:
        raise CheckError(
            "fusion_types",
            f"expected 'channel_add', 'channel_mul' or both, got {fusion_types!r}.",
        )
