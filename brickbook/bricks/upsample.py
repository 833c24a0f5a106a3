"""Upsampling layers by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from brickbook.bricks.registry import UPSAMPLE_LAYERS, build_layer, find_layer, register_rows
from brickbook.bricks.wrappers import ConvTranspose2d, ConvTranspose3d
from brickbook.errors import BadValueError
from brickbook.init.initializers import xavier_init
from brickbook.init.planning import plan_driven
from brickbook.registry import Config, split_type

__all__ = ["PixelShufflePack", "build_upsample_layer"]


class PixelShufflePack(nn.Module):
    """A convolution to ``out_channels * scale_factor**2`` channels, then a pixel shuffle.

    (N, in_channels, H, W) becomes (N, out_channels, H * scale_factor, W * scale_factor) for an odd
    ``upsample_kernel``. The weight is drawn from Xavier's uniform law, the bias is 0. Source: Shi
    et al. 2016 (ESPCN), eq. 3 and 4.
    """

    def __init__(
        self, in_channels: int, out_channels: int, scale_factor: int, upsample_kernel: int
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.scale_factor = scale_factor
        self.upsample_kernel = upsample_kernel
        self.upsample_conv = nn.Conv2d(
            in_channels,
            out_channels * scale_factor * scale_factor,
            upsample_kernel,
            padding=(upsample_kernel - 1) // 2,
        )
        self.init_weights()

    @plan_driven
    def init_weights(self) -> None:
        """Initialise the convolution."""
        xavier_init(self.upsample_conv, distribution="uniform")

    def default_init_cfg(self) -> list[dict[str, Any]]:
        """Return the ``init_cfg`` that says what `init_weights` does."""
        return [
            {"type": "Xavier", "distribution": "uniform", "override": {"name": "upsample_conv"}}
        ]

    def forward(self, x: Tensor) -> Tensor:
        """Return the enlarged tensor."""
        return F.pixel_shuffle(self.upsample_conv(x), self.scale_factor)


# Partials, so that the mode is not lost where a row is called without build_upsample_layer.
INTERPOLATIONS: dict[str, Callable[..., nn.Module]] = {
    "nearest": nn.Upsample,
    **{
        mode: partial(nn.Upsample, mode=mode)
        for mode in ("bilinear", "linear", "trilinear", "bicubic", "area", "nearest-exact")
    },
}

WITH_CORNERS = ("linear", "bilinear", "bicubic", "trilinear")

register_rows(UPSAMPLE_LAYERS, {
    "nearest": INTERPOLATIONS["nearest"],
    "bilinear": INTERPOLATIONS["bilinear"],
    "pixel_shuffle": PixelShufflePack,
    "deconv": ConvTranspose2d,
    "deconv3d": ConvTranspose3d,
    **INTERPOLATIONS,
})  # fmt: skip


def build_upsample_layer(cfg: Config, *args: Any, **kwargs: Any) -> Any:
    """Build an upsampling layer: the config's keys join the arguments of the call.

    A name under which nn.Upsample is registered is also its ``mode``; ``type=nn.Upsample`` leaves
    the mode to the config. By the input: ``linear`` is for (N, C, L), ``bilinear`` and ``bicubic``
    for (N, C, H, W), ``trilinear`` for (N, C, D, H, W), ``nearest``, ``nearest-exact`` and ``area``
    for all three.

    Raises:
        TypeError: ``cfg`` is no dict, or an argument is bad.
        KeyError: ``type`` is missing or unknown.
        ValueError: The mode differs from the name, or has no ``align_corners`` that is given.

    >>> build_upsample_layer(dict(type="bilinear", scale_factor=2))
    Upsample(scale_factor=2.0, mode='bilinear')
    """
    kind, own = split_type(cfg, "upsample_cfg")
    make = find_layer(kind, UPSAMPLE_LAYERS, "upsample_cfg")
    name = kind.rpartition(".")[2] if isinstance(kind, str) else ""
    if name and (make is nn.Upsample or make is INTERPOLATIONS.get(name)):
        mode = own.setdefault("mode", name)
        if mode != name:
            raise BadValueError(
                "upsample_cfg.mode",
                f"the type {name} fixes the mode, got {mode!r}.",
                "Leave mode out, or use type=nn.Upsample.",
            )
        make = nn.Upsample
    if make is nn.Upsample:
        check_align_corners({**kwargs, **own})
    return build_layer(make, args, kwargs, own, "upsample_cfg")


def check_align_corners(arguments: Config) -> None:
    """Raise where nn.Upsample would only do so when it is called."""
    mode, corners = arguments.get("mode", "nearest"), arguments.get("align_corners")
    if corners is not None and mode not in WITH_CORNERS:
        raise BadValueError(
            "upsample_cfg.align_corners",
            f"{mode} has no such choice, got {corners!r}.",
            f"It is for {', '.join(WITH_CORNERS)}.",
        )
