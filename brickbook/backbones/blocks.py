"""The residual blocks of ResNet. Source: He et al. 2016, arXiv 1512.03385, §3.3 and fig. 5."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from brickbook.errors import CheckError

__all__ = ["BasicBlock", "Block", "Bottleneck", "Style", "conv"]

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
            return self.relu(recompute_in_backward(self, x))
        return self.relu(self.branches(x))


def recompute_in_backward(block: Block, x: Tensor) -> Tensor:
    """Return ``block.branches(x)`` without keeping what it computes on the way."""
    if torch.compiler.is_compiling():  # which has its own rules for what is computed again
        return checkpoint(block.branches, x, use_reentrant=False)

    def contexts() -> tuple[Any, Any]:
        return nullcontext(), preserved_statistics(block)

    return checkpoint(block.branches, x, use_reentrant=False, context_fn=contexts)


@contextmanager
def preserved_statistics(model: nn.Module) -> Iterator[None]:
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
