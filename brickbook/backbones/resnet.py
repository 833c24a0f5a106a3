"""ResNet: stages of residual blocks. Source: He et al. 2016, arXiv 1512.03385, table 1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from brickbook.backbones.backbone import Backbone, check_stages, find_architecture
from brickbook.backbones.blocks import BasicBlock, Block, Bottleneck, Style, conv

__all__ = ["ResNet", "make_res_layer"]


def make_res_layer(
    block: type[Block],
    inplanes: int,
    planes: int,
    blocks: int,
    stride: int = 1,
    dilation: int = 1,
    style: Style = "pytorch",
    with_cp: bool = False,
) -> nn.Sequential:
    """Build one stage: ``blocks`` blocks, the first with the stride.

    Its shortcut is a 1×1 convolution with batch norm wherever the block changes the shape.
    """
    make: Any = block
    out = planes * block.expansion
    downsample = None
    if stride != 1 or inplanes != out:
        downsample = nn.Sequential(conv(inplanes, out, 1, stride), nn.BatchNorm2d(out))
    first = make(inplanes, planes, stride, dilation, downsample, style=style, with_cp=with_cp)
    rest = (make(out, planes, 1, dilation, style=style, with_cp=with_cp) for _ in range(1, blocks))
    return nn.Sequential(first, *rest)


class ResNet(Backbone):
    """Residual network: (N, 3, H, W) becomes the features of chosen stages, at H/4 to H/32.

    The parts are called as torchvision's, whose weights load. Source: He et al. 2016,
    arXiv 1512.03385, table 1.

    Args:
        depth: How many layers have weights: 18, 34, 50, 101 or 152.
        num_stages: How many stages there are, 1 to 4.
        strides: Of the first block of each stage.
        dilations: Of the 3×3 convolutions of each stage.
        out_indices: The stages that are returned (0 is the first), a single one as a tensor,
            several as a tuple.
        style: Which convolution of a bottleneck has the stride: the 3×3 ("pytorch") or the first
            1×1 ("caffe").
        frozen_stages: 1 freezes the stem and the first stage, -1 nothing; see ``train``.
        bn_eval: See ``train``.
        bn_frozen: See ``train``.
        with_cp: Spend time for memory: each block is computed again in the backward pass.

    Raises:
        KeyError: The depth is unknown.
        AssertionError: The stages do not fit together.

    >>> import torch
    >>> ResNet(18, out_indices=(3,)).eval()(torch.ones(1, 3, 64, 64)).shape
    torch.Size([1, 512, 2, 2])
    """

    arch_settings: ClassVar[dict[int, tuple[type[Block], tuple[int, ...]]]] = {
        18: (BasicBlock, (2, 2, 2, 2)),
        34: (BasicBlock, (3, 4, 6, 3)),
        50: (Bottleneck, (3, 4, 6, 3)),
        101: (Bottleneck, (3, 4, 23, 3)),
        152: (Bottleneck, (3, 8, 36, 3)),
    }

    def __init__(
        self,
        depth: int,
        num_stages: int = 4,
        strides: Sequence[int] = (1, 2, 2, 2),
        dilations: Sequence[int] = (1, 1, 1, 1),
        out_indices: Sequence[int] = (0, 1, 2, 3),
        style: Style = "pytorch",
        frozen_stages: int = -1,
        bn_eval: bool = True,
        bn_frozen: bool = False,
        with_cp: bool = False,
    ) -> None:
        super().__init__()
        block, blocks = find_architecture(depth, self.arch_settings, "resnet")
        per_stage = {"strides": strides, "dilations": dilations}
        check_stages(num_stages, 4, per_stage, out_indices, frozen_stages)
        self.out_indices = tuple(out_indices)
        self.style = style
        self.frozen_stages = frozen_stages
        self.bn_eval = bn_eval
        self.bn_frozen = bn_frozen
        self.with_cp = with_cp
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.inplanes = 64
        self.res_layers = [f"layer{at + 1}" for at in range(num_stages)]
        for at, name in enumerate(self.res_layers):
            planes = 64 * 2**at
            layer = make_res_layer(
                block, self.inplanes, planes, blocks[at], strides[at], dilations[at], style, with_cp
            )
            self.add_module(name, layer)
            self.inplanes = planes * block.expansion
        self.feat_dim = self.inplanes

    def stage(self, number: int) -> Iterable[nn.Module]:
        """Return the modules of a stage; 0 is the stem."""
        return (getattr(self, f"layer{number}"),) if number else (self.conv1, self.bn1)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return the features of the stages ``out_indices``."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        outs = []
        for at, name in enumerate(self.res_layers):
            x = getattr(self, name)(x)
            if at in self.out_indices:
                outs.append(x)
        return outs[0] if len(outs) == 1 else tuple(outs)
