"""Dropout of numbers and of whole samples, by name."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn

from brickbook.bricks.registry import DROPOUT_LAYERS, build_with_defaults, register_rows
from brickbook.config import require_number
from brickbook.errors import BadValueError
from brickbook.registry import Config

__all__ = ["DropPath", "Dropout", "build_dropout", "drop_path"]


def drop_path(x: Tensor, drop_prob: float = 0.0, training: bool = False) -> Tensor:
    """Set each sample of ``x``, shape (N, ...), to 0 with probability ``drop_prob``.

    The rest is divided by ``1 - drop_prob``, so that the mean stays. Where nothing is to be dropped
    ``x`` itself comes back. Source: Huang et al. 2016, arXiv 1603.09382, eq. 2 and 5.

    Args:
        x: Shape (N, ...).
        drop_prob: The probability.
        training: Whether anything is dropped.
    """
    if drop_prob == 0.0 or not training:
        return x
    keep = 1 - drop_prob
    if keep <= 0:
        return x * 0
    # float32 at least: a coarser draw would not meet the probability
    dtype = torch.promote_types(x.dtype, torch.float32)
    shape = [x.shape[0]] + [1] * (x.dim() - 1)
    draw = torch.rand(shape, dtype=dtype, device=x.device)
    return x.div(keep) * (draw + keep).floor().to(x.dtype)


fx.wrap("drop_path")  # a tracer takes it as one step: what it does depends on the input's axes


class DropPath(nn.Module):
    """`drop_path` while training: whole samples become 0, as in stochastic depth.

    Raises:
        TypeError: ``drop_prob`` is no number.
        ValueError: ``drop_prob`` is not from 0 to 1.
    """

    def __init__(self, drop_prob: float = 0.1) -> None:
        super().__init__()
        self.drop_prob = require_probability(drop_prob)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of ``x``; ``x`` itself where nothing is dropped."""
        return drop_path(x, self.drop_prob, self.training)

    def extra_repr(self) -> str:
        """Return the probability."""
        return f"drop_prob={self.drop_prob}"


class Dropout(nn.Dropout):
    """``nn.Dropout`` whose probability is called ``drop_prob``.

    Raises:
        TypeError: ``drop_prob`` is no number.
        ValueError: ``drop_prob`` is not from 0 to 1.
    """

    def __init__(self, drop_prob: float = 0.5, inplace: bool = False) -> None:
        super().__init__(p=require_probability(drop_prob), inplace=inplace)


def require_probability(value: float) -> float:
    """Return a probability, or raise."""
    number = require_number("drop_prob", value)
    if not 0 <= number <= 1:
        raise BadValueError("drop_prob", f"expected a number from 0 to 1, got {value!r}.")
    return number


register_rows(DROPOUT_LAYERS, {"DropPath": DropPath, "Dropout": Dropout})


def build_dropout(cfg: Config, default_args: Config | None = None) -> Any:
    """Build a dropout layer from its config.

    Args:
        cfg: The layer's ``type`` and arguments.
        default_args: What stands where ``cfg`` has no such key.

    Raises:
        TypeError: ``cfg`` or ``default_args`` is no dict, or the layer does not take an argument.
        KeyError: ``type`` is missing or unknown.

    >>> build_dropout(dict(type="DropPath", drop_prob=0.2))
    DropPath(drop_prob=0.2)
    """
    return build_with_defaults(cfg, DROPOUT_LAYERS, default_args, "dropout_cfg")
