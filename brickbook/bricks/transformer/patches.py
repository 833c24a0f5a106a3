"""Images cut into patches, and patches merged: the two ends of a vision transformer's stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, fx, nn

from brickbook.bricks.conv import build_conv_layer
from brickbook.bricks.norm import build_norm_layer
from brickbook.bricks.padding import AdaptivePadding, Pair, Size, to_pair
from brickbook.errors import CheckError
from brickbook.modules import BaseModule, InitCfg
from brickbook.registry import Config

__all__ = ["PatchEmbed", "PatchMerging"]

LN: Config = {"type": "LN"}


def output_size(
    size: Sequence[int], kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Pair:
    """Return the height and the width after a filter; arguments as in ``nn.Conv2d``.

    >>> output_size((10, 10), (3, 3), (3, 3), (1, 1), (1, 1))
    (4, 4)
    """
    h, w = (
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )
    return h, w


class PatchEmbed(BaseModule):
    """An image as a sequence of patches, each embedded by one convolution.

    (N, in_channels, H, W) becomes (N, h·w, embed_dims) and (h, w). With ``input_size`` the
    attribute ``init_out_size`` is (h, w) for an image of that size. Source: Dosovitskiy et al.
    2021, arXiv 2010.11929, eq. 1.

    Args:
        in_channels: Channels of the image.
        embed_dims: Length of an embedding.
        conv_type: The convolution, a type of two spatial axes.
        kernel_size: Of the convolution.
        stride: Of the convolution; None is ``kernel_size``.
        padding: Of the convolution, or ``"same"`` or ``"corner"`` for an `AdaptivePadding`.
        dilation: Of the convolution.
        bias: Whether the convolution has one.
        norm_cfg: A normalisation of the embeddings.
        input_size: Height and width of images to come.
        init_cfg: How its parameters are initialised.

    Raises:
        AssertionError: ``padding`` is an unknown word.
    """

    def __init__(
        self,
        in_channels: int = 3,
        embed_dims: int = 768,
        conv_type: str | type[nn.Module] = "Conv2d",
        kernel_size: Size = 16,
        stride: Size | None = 16,
        padding: Size | str = "corner",
        dilation: Size = 1,
        bias: bool = True,
        norm_cfg: Config | None = None,
        input_size: Size | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(init_cfg)
        self.embed_dims = embed_dims
        sizes = filter_sizes(kernel_size, stride, dilation)
        self.adaptive_padding, amount = split_padding(padding, sizes)
        self.projection = build_conv_layer(
            {"type": conv_type},
            in_channels=in_channels,
            out_channels=embed_dims,
            **sizes,
            padding=amount,
            bias=bias,
        )
        self.norm = None if norm_cfg is None else build_norm_layer(norm_cfg, embed_dims)[1]
        self.init_input_size: Pair | None = None
        self.init_out_size: Pair | None = None
        if input_size:
            self.init_input_size = size = to_pair(input_size, "input_size")
            if self.adaptive_padding is not None:
                more = self.adaptive_padding.get_pad_shape(size)
                size = size[0] + more[0], size[1] + more[1]
            kernel, stride, dilation = sizes.values()
            self.init_out_size = output_size(size, kernel, stride, amount, dilation)

    def forward(self, x: Tensor) -> tuple[Tensor, Pair]:
        """Return the embeddings, shape (N, h·w, embed_dims), and (h, w)."""
        if self.adaptive_padding is not None:
            x = self.adaptive_padding(x)
        x = self.projection(x)
        out_size = (x.shape[2], x.shape[3])
        x = x.flatten(2).transpose(1, 2)
        return (x if self.norm is None else self.norm(x)), out_size


class PatchMerging(BaseModule):
    """Neighbouring patches as one: laid side by side, normalised, reduced by a linear layer.

    (N, H·W, in_channels) becomes (N, h·w, out_channels) and (h, w). Source: Liu et al. 2021 (Swin),
    arXiv 2103.14030, §3.1; the numbers of a patch stand channel by channel, as in mmcv.

    Args:
        in_channels: Length of a patch that comes in.
        out_channels: Length of one that goes out.
        kernel_size: How many patches become one, along each axis.
        stride: How far the next ones are; None is ``kernel_size``.
        padding: Zeros around the map, or ``"same"`` or ``"corner"`` for an `AdaptivePadding`.
        dilation: How far patches that become one are from each other.
        bias: Whether the linear layer has one.
        norm_cfg: The normalisation; None is none.
        init_cfg: How its parameters are initialised.

    Raises:
        AssertionError: ``padding`` is an unknown word.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size = 2,
        stride: Size | None = None,
        padding: Size | str = "corner",
        dilation: Size = 1,
        bias: bool = False,
        norm_cfg: Config | None = LN,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(init_cfg)
        self.in_channels = in_channels
        self.out_channels = out_channels
        sizes = filter_sizes(kernel_size, stride, dilation)
        self.adaptive_padding, amount = split_padding(padding, sizes)
        self.sampler = nn.Unfold(**sizes, padding=amount)
        width = sizes["kernel_size"][0] * sizes["kernel_size"][1] * in_channels
        self.norm = None if norm_cfg is None else build_norm_layer(norm_cfg, width)[1]
        self.reduction = nn.Linear(width, out_channels, bias=bias)

    def forward(self, x: Tensor, input_size: Sequence[int]) -> tuple[Tensor, Pair]:
        """Return the merged patches, shape (N, h·w, out_channels), and (h, w).

        Args:
            x: Shape (N, H·W, in_channels).
            input_size: (H, W).

        Raises:
            AssertionError: They do not fit.
        """
        x = as_map(x, input_size)
        if self.adaptive_padding is not None:
            x = self.adaptive_padding(x)
        how: Any = self.sampler
        size = output_size(
            (x.shape[2], x.shape[3]), how.kernel_size, how.stride, how.padding, how.dilation
        )
        x = self.sampler(x).transpose(1, 2)
        return self.reduction(x if self.norm is None else self.norm(x)), size


def as_map(x: Tensor, input_size: Sequence[int]) -> Tensor:
    """Return rows, shape (N, H·W, C), as a map, shape (N, C, H, W); or raise."""
    if not isinstance(input_size, Sequence) or len(input_size) != 2:
        raise CheckError("input_size", f"expected (height, width), got {input_size!r}.")
    if x.shape[1] != input_size[0] * input_size[1]:
        raise CheckError(
            "input_size", f"{tuple(input_size)} does not fit an input of {x.shape[1]} patches."
        )
    return x.unflatten(1, tuple(input_size)).permute(0, 3, 1, 2)


def filter_sizes(kernel_size: Size, stride: Size | None, dilation: Size) -> dict[str, Pair]:
    """Return what a filter is called with."""
    return {
        "kernel_size": to_pair(kernel_size, "kernel_size"),
        "stride": to_pair(kernel_size if stride is None else stride, "stride"),
        "dilation": to_pair(dilation, "dilation"),
    }


def split_padding(
    padding: Size | str, sizes: dict[str, Pair]
) -> tuple[AdaptivePadding | None, Pair]:
    """Return the layer that pads before a filter, if one does, and what the filter pads itself."""
    if isinstance(padding, str):
        return AdaptivePadding(**sizes, padding=padding), (0, 0)
    return None, to_pair(padding, "padding")


fx.wrap("as_map")  # a tracer takes it as one step: what it does depends on the input's size
