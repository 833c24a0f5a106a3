"""ResNet: stages of residual blocks. Source: He et al. 2016, arXiv 1512.03385, table 1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from brickbook.backbones.backbone import Backbone, architecture, check_stages
from brickbook.errors import CheckError

__all__ = ["BasicBlock", "Bottleneck", "ResNet", "make_res_layer"]

Style = Literal["pytorch", "caffe"]


class Block(nn.Module):
    """``relu(branch(x) + shortcut(x))``.

    With ``with_cp`` what the branch computes is not kept for the backward pass but computed again
    there; the running statistics of batch norms are updated once all the same.
    """

    expansion: ClassVar[int] = 1
    relu: nn.Module

    def __init__(self, stride: int, dilation: int, style: Style, with_cp: bool) -> None:
        super().__init__()
        if style not in ("pytorch", "caffe"):
            raise CheckError("style", f"expected 'pytorch' or 'caffe', got {style!r}.")
        self.stride = stride
        self.dilation = dilation
        self.with_cp = with_cp

    def branches(self, x: Tensor) -> Tensor:
        """Return the sum of both ways."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Return the features: (N, inplanes, H, W) becomes (N, planes · expansion, H', W')."""
        if self.with_cp and torch.is_grad_enabled():
            return self.relu(again_in_backward(self, x))
        return self.relu(self.branches(x))


def again_in_backward(block: Block, x: Tensor) -> Tensor:
    """Return ``block.branches(x)`` without keeping what it computes on the way."""
    if torch.compiler.is_compiling():  # which has its own rules for what is computed again
        return checkpoint(block.branches, x, use_reentrant=False)

    def contexts() -> tuple[Any, Any]:
        return nullcontext(), statistics_kept(block)

    return checkpoint(block.branches, x, use_reentrant=False, context_fn=contexts)


@contextmanager
def statistics_kept(model: nn.Module) -> Iterator[None]:
    """Run without an update of the statistics that batch norms in training keep."""
    norms: list[Any] = [
        part for part in model.modules() if isinstance(part, _BatchNorm) and part.training
    ]
    kept = [
        (norm, norm.momentum, norm.num_batches_tracked.clone())
        for norm in norms
        if norm.num_batches_tracked is not None
    ]
    for norm, _, _ in kept:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, count in kept:
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(count)


class BasicBlock(Block):
    """Two 3×3 convolutions beside the shortcut, which is ``downsample`` or the input itself."""

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        dilation: int = 1,
        downsample: nn.Module | None = None,
        style: Style = "pytorch",
        with_cp: bool = False,
    ) -> None:
        super().__init__(stride, dilation, style, with_cp)
        self.conv1 = conv(inplanes, planes, 3, stride, dilation)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv(planes, planes, 3)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample

    def branches(self, x: Tensor) -> Tensor:
        """Return the sum of both ways."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return out


class Bottleneck(Block):
    """1×1, 3×3 and 1×1 convolutions beside the shortcut, ``downsample`` or the input itself.

    The 3×3 convolution has the stride, in the style "caffe" the first 1×1.
    """

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        dilation: int = 1,
        downsample: nn.Module | None = None,
        style: Style = "pytorch",
        with_cp: bool = False,
    ) -> None:
        super().__init__(stride, dilation, style, with_cp)
        first, second = (1, stride) if style == "pytorch" else (stride, 1)
        # In mmcv's order: an optimizer's saved state knows parameters by their place.
        self.conv1 = conv(inplanes, planes, 1, first)
        self.conv2 = conv(planes, planes, 3, second, dilation)
        self.bn1 = nn.BatchNorm2d(planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = conv(planes, planes * self.expansion, 1)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def branches(self, x: Tensor) -> Tensor:
        """Return the sum of both ways."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return out


def conv(
    inplanes: int, planes: int, kernel_size: int, stride: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """Build a convolution that keeps the size but for its stride; a batch norm follows it."""
    padding = dilation * (kernel_size // 2)
    return nn.Conv2d(inplanes, planes, kernel_size, stride, padding, dilation, bias=False)


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

    The stages ``out_indices`` (0 is the first) are returned, a single one as a tensor, several as
    a tuple. ``style`` says which convolution of a bottleneck has the stride. What ``frozen_stages``
    (1 freezes the stem and the first stage, -1 nothing), ``bn_eval`` and ``bn_frozen`` mean is
    said at ``train``. ``with_cp`` spends time for memory: each block is computed again in the
    backward pass.

    The parts are called as torchvision's, whose weights load. Source: He et al. 2016,
    arXiv 1512.03385, table 1.

    Raises KeyError for an unknown depth, AssertionError for stages that do not fit together.

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
        block, blocks = architecture(depth, self.arch_settings, "resnet")
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
