"""Convolutions that standardise their weight at every call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brickbook.errors import BadValueError

__all__ = ["ConvAWS2d", "ConvWS2d", "conv_ws_2d"]

Size = int | tuple[int, int]


def conv_ws_2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
    eps: float = 1e-5,
) -> Tensor:
    """Convolve with ``(weight - mean) / (std + eps)``, mean and std taken per output channel.

    The std is the unbiased one, so an output channel must have two weights or more. Shapes as in
    ``torch.nn.functional.conv2d``. Source: Qiao et al. 2019, arXiv
    1903.10520.
    """
    return F.conv2d(input, standardize(weight, eps), bias, stride, padding, dilation, groups)


def standardize(weight: Tensor, eps: float) -> Tensor:
    """Return a weight with mean 0 and std 1 in each output channel."""
    std, mean = torch.std_mean(weight, (1, 2, 3), keepdim=True)
    return (weight - mean) / (std + eps)


class ConvWS2d(nn.Conv2d):
    """A 2-D convolution with a standardised weight; see `conv_ws_2d`.

    Raises:
        ValueError: An output channel has a single weight, whose std does not exist.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        eps: float = 1e-5,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
        )
        check_weights_per_channel(self)
        self.eps = eps

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of ``input``, shape (N, in_channels, H, W)."""
        return self._conv_forward(input, standardize(self.weight, self.eps), self.bias)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{super().extra_repr()}, eps={self.eps}"


class ConvAWS2d(nn.Conv2d):
    """A 2-D convolution with a standardised weight that is then scaled and shifted.

    The weight in use is ``weight_gamma * (weight - mean) / sqrt(var + 1e-5) + weight_beta``, mean
    and (unbiased) variance taken per output channel. Scale and shift are buffers: 1 and 0 at first;
    a checkpoint without them, that of a plain convolution, sets them to the std and the mean of its
    weight, so that the convolution computes what it did there. Source: DetectoRS, Qiao et al.
    2021, arXiv 2006.02334.

    Raises:
        ValueError: An output channel has a single weight, whose variance does not exist.
    """

    if TYPE_CHECKING:
        weight_gamma: Tensor
        weight_beta: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
        )
        check_weights_per_channel(self)
        self.register_buffer("weight_gamma", torch.ones(self.out_channels, 1, 1, 1))
        self.register_buffer("weight_beta", torch.zeros(self.out_channels, 1, 1, 1))

    def reset_buffers(self) -> None:
        """Set scale and shift to 1 and 0, also after ``to_empty``."""
        self.weight_gamma.fill_(1)
        self.weight_beta.fill_(0)

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of ``input``, shape (N, in_channels, H, W)."""
        std, mean = std_and_mean(self.weight)
        weight = self.weight_gamma * ((self.weight - mean) / std) + self.weight_beta
        return self._conv_forward(input, weight, self.bias)

    @torch.no_grad()
    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        own = [f"{prefix}weight_gamma", f"{prefix}weight_beta"]
        plain = f"{prefix}weight" in state_dict and not any(key in state_dict for key in own)
        missing: list[str] = []
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing, unexpected_keys, error_msgs
        )
        if plain:
            missing = [key for key in missing if key not in own]
            for name, value in zip(own, std_and_mean(self.weight), strict=True):
                key = name.removeprefix(prefix)
                if getattr(self, key).is_meta:  # the weight was assigned, so this is too
                    setattr(self, key, value)
                else:
                    getattr(self, key).copy_(value)
        missing_keys.extend(missing)


def std_and_mean(weight: Tensor, floor: float = 1e-5) -> tuple[Tensor, Tensor]:
    """Return ``sqrt(var + floor)`` and the mean of each output channel, shape (out, 1, 1, 1)."""
    var, mean = torch.var_mean(weight, (1, 2, 3), keepdim=True)
    return torch.sqrt(var + floor), mean


def check_weights_per_channel(conv: nn.Conv2d) -> None:
    """Raise if output channels have one weight each."""
    if conv.weight.shape[1:].numel() < 2:
        raise BadValueError(
            "kernel_size",
            f"{type(conv).__name__} needs two weights or more for an output channel, got one "
            f"(in_channels={conv.in_channels}, groups={conv.groups}, "
            f"kernel_size={conv.kernel_size}).",
        )
