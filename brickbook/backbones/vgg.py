"""VGG: stages of 3×3 convolutions. Source: Simonyan & Zisserman 2015, arXiv 1409.1556, table 1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from torch import Tensor, nn

from brickbook.backbones.backbone import Backbone, check_stages, find_architecture

__all__ = ["VGG", "make_vgg_layer"]

WIDTHS = (64, 128, 256, 512, 512)


def make_vgg_layer(
    inplanes: int,
    planes: int,
    num_blocks: int,
    dilation: int = 1,
    with_bn: bool = False,
    ceil_mode: bool = False,
) -> list[nn.Module]:
    """Return the layers of one stage: ``num_blocks`` 3×3 convolutions, then a pooling that halves.

    Each convolution keeps the size; a batch norm (with ``with_bn``) and a ReLU follow it.
    """
    layers: list[nn.Module] = []
    for _ in range(num_blocks):
        layers.append(nn.Conv2d(inplanes, planes, 3, padding=dilation, dilation=dilation))
        if with_bn:
            layers.append(nn.BatchNorm2d(planes))
        layers.append(nn.ReLU(inplace=True))
        inplanes = planes
    layers.append(nn.MaxPool2d(kernel_size=2, stride=2, ceil_mode=ceil_mode))
    return layers


class VGG(Backbone):
    """VGG: (N, 3, H, W) becomes the features of chosen stages, at H/2 to H/32.

    The parts are called as torchvision's, whose weights load. Source: Simonyan & Zisserman 2015,
    arXiv 1409.1556, table 1 (A, B, D and E).

    Args:
        depth: How many layers have weights: 11, 13, 16 or 19.
        with_bn: Whether each convolution is followed by a batch norm.
        num_classes: Above 0, the classifier's output stands at the end of what is returned; that
            takes pictures of 224 × 224 and all five stages.
        num_stages: How many stages there are, 1 to 5.
        dilations: Of the convolutions of each stage.
        out_indices: The stages that are returned (0 is the first), a single one as a tensor,
            several as a tuple.
        frozen_stages: 1 freezes the first stage, -1 and 0 nothing; see ``train``.
        bn_eval: See ``train``.
        bn_frozen: See ``train``.
        ceil_mode: Whether the pooling rounds sizes up.
        with_last_pool: Whether the last stage ends in a pooling.

    Raises:
        KeyError: The depth is unknown.
        AssertionError: The stages do not fit together.
    """

    arch_settings: ClassVar[dict[int, tuple[int, ...]]] = {
        11: (1, 1, 2, 2, 2),
        13: (2, 2, 2, 2, 2),
        16: (2, 2, 3, 3, 3),
        19: (2, 2, 4, 4, 4),
    }

    def __init__(
        self,
        depth: int,
        with_bn: bool = False,
        num_classes: int = -1,
        num_stages: int = 5,
        dilations: Sequence[int] = (1, 1, 1, 1, 1),
        out_indices: Sequence[int] = (0, 1, 2, 3, 4),
        frozen_stages: int = -1,
        bn_eval: bool = True,
        bn_frozen: bool = False,
        ceil_mode: bool = False,
        with_last_pool: bool = True,
    ) -> None:
        super().__init__()
        blocks = find_architecture(depth, self.arch_settings, "vgg")
        # the index after the last stage means nothing: a way to ask for the classifier alone
        check_stages(num_stages, 5, {"dilations": dilations}, out_indices, frozen_stages, beyond=1)
        self.stage_blocks = blocks[:num_stages]
        self.num_classes = num_classes
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.bn_eval = bn_eval
        self.bn_frozen = bn_frozen
        self.inplanes = 3
        self.range_sub_modules: list[list[int]] = []
        layers: list[nn.Module] = []
        for width, count, dilation in zip(WIDTHS, self.stage_blocks, dilations, strict=False):
            start = len(layers)
            layers += make_vgg_layer(self.inplanes, width, count, dilation, with_bn, ceil_mode)
            self.range_sub_modules.append([start, len(layers)])
            self.inplanes = width
        if not with_last_pool:
            layers.pop()
            self.range_sub_modules[-1][1] -= 1
        self.module_name = "features"
        self.features = nn.Sequential(*layers)
        if num_classes > 0:
            self.classifier = classifier(num_classes)

    def stage(self, number: int) -> Iterable[nn.Module]:
        """Return the layers of a stage; before the first there is nothing."""
        if not number:
            return ()
        start, end = self.range_sub_modules[number - 1]
        return tuple(self.features)[start:end]

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return the features of the stages ``out_indices``, and the classifier's output if any."""
        outs = []
        for at in range(len(self.stage_blocks)):
            for layer in self.stage(at + 1):
                x = layer(x)
            if at in self.out_indices:
                outs.append(x)
        if self.num_classes > 0:
            outs.append(self.classifier(x.flatten(1)))
        return outs[0] if len(outs) == 1 else tuple(outs)


def classifier(num_classes: int) -> nn.Sequential:
    """Build the three linear layers over 7 × 7 features."""
    return nn.Sequential(
        nn.Linear(512 * 7 * 7, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(4096, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(4096, num_classes),
    )
