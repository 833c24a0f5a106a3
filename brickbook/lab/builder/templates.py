"""Models to begin with: small ones of the well-known kinds, as blueprints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brickbook.blueprint import Blueprint

__all__ = ["TEMPLATES", "Template"]

Bricks = list[dict[str, Any]]

POOL = {"type": "MaxPool2d", "kernel_size": 2}
RELU = {"type": "ReLU"}
NORM: dict[str, Any] = {"norm_cfg": {"type": "BN"}}


@dataclass(frozen=True)
class Template:
    """A model and the shape of one sample that it takes."""

    bricks: tuple[Mapping[str, Any], ...]
    input_shape: tuple[int, ...]

    @property
    def blueprint(self) -> Blueprint:
        """The bricks, ready to be edited."""
        return Blueprint.from_config(list(self.bricks))


def conv(channels: int, kernel: int = 3, **more: Any) -> dict[str, Any]:
    """Return a convolution with an activation, by default of a size that keeps the picture's."""
    padding = {"padding": kernel // 2} if kernel > 1 else {}
    cfg = {"type": "ConvModule", "out_channels": channels, "kernel_size": kernel}
    return {**cfg, **padding, **more}


def linear(features: int) -> dict[str, Any]:
    """Return a linear layer."""
    return {"type": "Linear", "out_features": features}


def mlp() -> Bricks:
    """Two hidden layers of 256 units."""
    return [{"type": "Flatten"}, linear(256), RELU, linear(256), RELU, linear(10)]


def lenet() -> Bricks:
    """LeNet-5 with ReLU and max pooling, every map of C3 joined to all of S2: 61,706 parameters.

    Source: LeCun et al. 1998, Gradient-based learning applied to document recognition, figure 2.
    """
    convs = [conv(6, 5), POOL, conv(16, 5, padding=0), POOL]
    return [*convs, {"type": "Flatten"}, linear(120), RELU, linear(84), RELU, linear(10)]


def residual_block(channels: int, stride: int = 1) -> Bricks:
    """Return a basic block of ResNet; with a stride its shortcut is a projection.

    Source: He et al. 2016, arXiv 1512.03385, figure 2 and option B of section 3.3.
    """
    plain: dict[str, Any] = {**NORM, "act_cfg": None}
    steps: dict[str, Any] = {"stride": stride} if stride > 1 else {}
    block: dict[str, Any] = {
        "type": "Residual", "body": [conv(channels, **NORM, **steps), conv(channels, **plain)],
    }  # fmt: skip
    if stride > 1:
        block["shortcut"] = [conv(channels, 1, **plain, **steps)]
    return [block, RELU]


def resnet() -> Bricks:
    """ResNet-14 for small pictures: a stem, three stages of two blocks, and the mean.

    Source: He et al. 2016, arXiv 1512.03385, section 4.2 with n = 2, shortcuts by option B.
    """
    stages = [(16, 1), (16, 1), (32, 2), (32, 1), (64, 2), (64, 1)]
    blocks = [brick for stage in stages for brick in residual_block(*stage)]
    head = [{"type": "AdaptiveAvgPool2d", "output_size": 1}, {"type": "Flatten"}, linear(10)]
    return [conv(16, **NORM), *blocks, *head]


def encoder() -> Bricks:
    """Two layers of a transformer's encoder over 16 vectors of 64 numbers, and a head.

    Positions are not added: what comes in carries them. The attention and the feed-forward network
    add what they get by themselves. Source: Vaswani et al. 2017, arXiv 1706.03762, figure 1.
    """
    attention = {
        "type": "MultiheadAttention", "embed_dims": 64, "num_heads": 4, "batch_first": True,
    }  # fmt: skip
    network = {"type": "FFN", "embed_dims": 64, "feedforward_channels": 256}
    norm = {"type": "LN"}
    layers = {"type": "Repeat", "times": 2, "body": [attention, norm, network, norm]}
    return [layers, {"type": "Flatten"}, linear(10)]


def unet() -> Bricks:
    """A U-Net of three depths and two classes a pixel.

    At each depth a Concat joins what was found before the pooling with what comes back from below.
    Source: Ronneberger et al. 2015, arXiv 1505.04597, figure 1, with padded convolutions.
    """

    def level(channels: int, below: Bricks) -> Bricks:
        up = {
            "type": "deconv", "out_channels": channels, "kernel_size": 2, "stride": 2,
        }  # fmt: skip
        deeper = [POOL, *below, up]
        return [*twice(channels), {"type": "Concat", "branches": [[], deeper]}, *twice(channels)]

    def twice(channels: int) -> Bricks:
        return [conv(channels, **NORM), conv(channels, **NORM)]

    return [*level(16, level(32, twice(64))), conv(2, 1, act_cfg=None)]


TEMPLATES: Mapping[str, Template] = {
    "MLP": Template(tuple(mlp()), (1, 28, 28)),
    "LeNet": Template(tuple(lenet()), (1, 28, 28)),
    "ResNet": Template(tuple(resnet()), (3, 32, 32)),
    "encoder": Template(tuple(encoder()), (16, 64)),
    "U-Net": Template(tuple(unet()), (3, 64, 64)),
}
