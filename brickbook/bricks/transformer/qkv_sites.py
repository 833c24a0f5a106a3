"""Relative places of queries and keys along one axis: their sines, and which are too far off."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["axis_out_of_range", "out_of_range_mask", "relative_position_embedding"]

WAVE_LENGTH = 1000.0


def relative_position_embedding(
    like: Tensor, size: int, size_kv: int, strides: tuple[int, int], width: int, magnitude: float
) -> Tensor:
    """Return sines and cosines of the distances, shape (size, size_kv, width / 2).

    The distance of query i and key j is ``magnitude * (i * strides[0] - j * strides[1])`` pixels,
    the wave lengths go from 2π to 2000π. Made on the device and in the dtype of ``like``. Source:
    Vaswani et al. 2017, arXiv 1706.03762, §3.5.
    """
    # float32 at least: half precision has no angles for distances of hundreds of pixels
    about = {"device": like.device, "dtype": torch.promote_types(like.dtype, torch.float32)}
    query = torch.arange(size, **about) * strides[0]
    key = torch.arange(size_kv, **about) * strides[1]
    distances = (query[:, None] - key[None, :]) * magnitude
    waves = WAVE_LENGTH ** (torch.arange(width // 4, **about) * (4.0 / width))
    angles = distances.unsqueeze(-1) / waves
    return torch.cat([angles.sin(), angles.cos()], dim=-1).to(like.dtype)


def axis_out_of_range(
    size: int, size_kv: int, max_distance: int, stride: int, device: torch.device | None = None
) -> Tensor:
    """Return whether key j is out of the reach of query i, shape (size, size_kv).

    Keys are every ``stride``-th pixel; the first and the last within reach are rounded outwards.

    >>> axis_out_of_range(3, 2, max_distance=0, stride=2).tolist()
    [[False, True], [False, False], [True, False]]
    """
    query = torch.arange(size, device=device)[:, None]
    key = torch.arange(size_kv, device=device)[None, :]
    first = (query - max_distance).div(stride, rounding_mode="floor")
    last = (query + max_distance + 1).div(stride, rounding_mode="floor")
    return (key < first) | (key > last)


def out_of_range_mask(
    stored: Tensor | None,
    max_distance: int,
    stride: int,
    h: int,
    w: int,
    h_kv: int,
    w_kv: int,
    device: torch.device,
) -> Tensor:
    """Return which keys a query does not see, shape (h, w, h_kv, w_kv).

    It is a part of ``stored`` if that is large enough, else made anew.
    """
    sides = (h, w, h_kv, w_kv)
    if stored is not None and all(a <= b for a, b in zip(sides, stored.shape, strict=True)):
        return stored[:h, :w, :h_kv, :w_kv]
    rows = axis_out_of_range(h, h_kv, max_distance, stride, device)
    columns = axis_out_of_range(w, w_kv, max_distance, stride, device)
    return rows[:, None, :, None] | columns[None, :, None, :]
