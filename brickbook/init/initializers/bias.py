"""Initialisers of one role: the bias of a classifier, the scale of a block's last norm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from brickbook.errors import BadArgumentError
from brickbook.init.initializers.base import INITIALIZERS, BaseInit, Target, bias_init_with_prob
from brickbook.init.laws import Constant, Law
from brickbook.introspect import is_norm_layer

__all__ = ["PriorBiasInit", "ZeroGammaInit"]

SHORTCUTS = frozenset({"downsample", "shortcut"})  # as torchvision, mmcv and timm call them


@INITIALIZERS.register_module(name="PriorBias")
@dataclass
class PriorBiasInit(BaseInit):
    """Lin et al. 2017 (Focal Loss), §4.1: the bias `-ln((1 - π) / π)`; the weight is left alone.

    For the last layer of a classifier: every class has the probability π = `prior_prob`
    before training. Source: https://arxiv.org/abs/1708.02002.

    Args:
        prior_prob: π, between 0 and 1.

    Raises:
        ConfigError: π is no probability, or a bias is given as well.
    """

    roles = frozenset({"bias"})
    prior_prob: float = 0.01

    def check(self) -> None:
        """Compute the bias; refuse another one."""
        for key, given in (("bias_prob", self.bias_prob is not None), ("bias", self.bias != 0)):
            if given:
                raise BadArgumentError(key, "PriorBias computes the bias from prior_prob.")
        self.bias = bias_init_with_prob(self.prior_prob)

    def law(self, target: Target) -> Law:
        """Return Constant(bias), for a tensor that is named; no weight is filled by it."""
        return Constant(self.bias)


@INITIALIZERS.register_module(name="ZeroGamma")
@dataclass
class ZeroGammaInit(BaseInit):
    """Goyal et al. 2017, §5.1: 0 for the scale of the last norm layer of every block.

    ``layer`` names the blocks: each one is what its shortcut is before training. Only the scale is
    written.
    Source: https://arxiv.org/abs/1706.02677.
    """

    roles = frozenset({"scale"})

    def law(self, target: Target) -> Law:
        """Return Constant(0)."""
        return Constant(0.0)

    def modules_to_fill(self, part: nn.Module) -> Iterator[nn.Module]:
        """Yield the last norm layer among a block's children, else the last one anywhere in it.

        In the order of registration, without what is called downsample or shortcut.
        """
        children = [child for name, child in part.named_children() if name not in SHORTCUTS]
        norms = [child for child in children if is_norm_layer(child)] or list(iter_norms(part))
        yield from norms[-1:]


def iter_norms(part: nn.Module) -> Iterator[nn.Module]:
    """Yield the norm layers inside a module, but for those of its shortcuts."""
    for name, child in part.named_children():
        if name not in SHORTCUTS:
            if is_norm_layer(child):
                yield child
            yield from iter_norms(child)
