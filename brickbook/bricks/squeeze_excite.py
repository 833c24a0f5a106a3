"""A gate for each channel, from the means of all channels."""

from __future__ import annotations

from torch import Tensor, nn

from brickbook.bricks.activation import build_activation_layer
from brickbook.bricks.conv_module import RELU
from brickbook.bricks.registry import PLUGIN_LAYERS
from brickbook.errors import BadValueError
from brickbook.registry import Config

__all__ = ["SqueezeExcite", "bottleneck_width"]

SIGMOID: Config = {"type": "Sigmoid"}


def bottleneck_width(in_channels: int, reduction: int) -> int:
    """Return how many channels a bottleneck has, one at least.

    Raises:
        ValueError: ``reduction`` is less than 1.
    """
    if reduction < 1:
        raise BadValueError("reduction", f"expected 1 or more, got {reduction!r}.")
    return max(in_channels // reduction, 1)


@PLUGIN_LAYERS.register_module()
class SqueezeExcite(nn.Module):
    """Each channel times a gate between 0 and 1, which comes from the means of all channels.

    (N, C, ...) keeps its shape, with any number of axes. The two layers are the 1×1 convolutions
    ``fc1`` and ``fc2``, named and shaped as torchvision's and timm's. Source: Hu et al. 2018,
    arXiv 1709.01507, eq. 2 to 4.

    Args:
        in_channels: C.
        reduction: The r of the paper: the bottleneck has C / r channels, one at least.
        act_cfg: The activation in the bottleneck.
        gate_cfg: What makes the gate.
    """

    _abbr_ = "se_block"

    def __init__(
        self,
        in_channels: int,
        reduction: int = 16,
        act_cfg: Config = RELU,
        gate_cfg: Config = SIGMOID,
    ) -> None:
        super().__init__()
        width = bottleneck_width(in_channels, reduction)
        self.in_channels = in_channels
        self.reduction = reduction
        self.fc1 = nn.Conv2d(in_channels, width, kernel_size=1)
        self.activate = build_activation_layer(act_cfg)
        self.fc2 = nn.Conv2d(width, in_channels, kernel_size=1)
        self.gate = build_activation_layer(gate_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` times its gates."""
        # two axes of one pixel for the convolutions, the others come back by flattening
        means = x.flatten(2).mean(2)[..., None, None]
        gates = self.gate(self.fc2(self.activate(self.fc1(means))))
        return (x.flatten(2) * gates.flatten(2)).reshape(x.shape)
