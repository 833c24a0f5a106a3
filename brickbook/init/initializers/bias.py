"""Initialisers of one role: the bias of a classifier, the scale of a block's last norm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from brickbook.errors import BadArgumentError, BadValueError, Sentence
from brickbook.init.initializers.base import INITIALIZERS, BaseInit, Target, bias_init_with_prob
from brickbook.init.laws import BlockConstants, Constant, Law
from brickbook.introspect import ModuleMatch, gate_names, is_norm_layer, layer_slots

__all__ = ["GateBiasInit", "PriorBiasInit", "ZeroGammaInit"]

SHORTCUTS = frozenset({"downsample", "shortcut"})  # as torchvision, mmcv and timm call them


@INITIALIZERS.register_module(name="PriorBias")
@dataclass
class PriorBiasInit(BaseInit):
    """Lin et al. 2017 (Focal Loss), §4.1: the bias `-ln((1 - π) / π)`; the weight is left alone.

    For the last layer of a classifier: every class has the probability π = `prior_prob`
    before training. A bias may have any shape. Source: https://arxiv.org/abs/1708.02002.

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


@INITIALIZERS.register_module(name="GateBias")
@dataclass
class GateBiasInit(BaseInit):
    """Jozefowicz et al. 2015: a bias for every gate, 1 for an LSTM's forget gate; no weights.

    For LSTM, GRU and their cells. Torch packs the gates along the first axis of a tensor: of an
    LSTM in the order input, forget, cell, output (i, f, g, o), of a GRU reset, update, new
    (r, z, n). It adds two biases: ``bias_ih*`` gets the numbers, ``bias_hh*`` 0, so that each gate
    has its number once. A gate near 1 keeps the state: the forget gate of an LSTM, the update gate
    of a GRU (which has no forget gate, so that ``forget`` says nothing about it).
    Source: https://proceedings.mlr.press/v37/jozefowicz15.html; Gers et al. 2000.

    Args:
        forget: The forget gate of an LSTM.
        input: Its input gate.
        cell: Its candidate for the cell.
        output: Its output gate.
        reset: The reset gate of a GRU.
        update: Its update gate.
        new: Its candidate for the state.

    Raises:
        ConfigError: A number is none, a bias is given as well, or a layer has no gates.
    """

    number_args = ("forget", "input", "cell", "output", "reset", "update", "new")
    roles = frozenset({"bias"})
    forget: float = 1.0
    input: float = 0.0
    cell: float = 0.0
    output: float = 0.0
    reset: float = 0.0
    update: float = 0.0
    new: float = 0.0

    def check(self) -> None:
        """Refuse another bias."""
        for key, given in (("bias_prob", self.bias_prob is not None), ("bias", self.bias != 0)):
            if given:
                raise BadArgumentError(key, "GateBias has a bias for every gate.")

    def law(self, target: Target) -> Law:
        """Return the law of a bias that is named; a weight has none."""
        if "bias" not in target.key:
            raise BadValueError("type", "GateBias writes no weight.")
        return self.bias_law(target)

    def bias_law(self, target: Target) -> Law:
        """Return the constants of the gates, in torch's order; 0 for the second bias."""
        gates = gate_names(target.module)
        if not gates:
            kind = type(target.module).__name__
            problem = "GateBias is for LSTM, GRU and their cells: {layer} has no gates."
            raise BadValueError("type", Sentence(problem, layer=kind))
        if target.key.startswith("bias_hh"):
            return Constant(0.0)
        return BlockConstants(tuple(float(getattr(self, gate)) for gate in gates))

    def initialize_layer(
        self,
        model: nn.Module,
        name: str,
        part: nn.Module,
        match: ModuleMatch,
        memo: dict[object, Any],
    ) -> None:
        """Fill the biases of one layer; refuse one that has biases and no gates."""
        if any(slot.role == "bias" for slot in layer_slots(part)):
            _ = self.bias_law(Target(name, (), "bias", part, model))
        super().initialize_layer(model, name, part, match, memo)


@INITIALIZERS.register_module(name="ZeroGamma")
@dataclass
class ZeroGammaInit(BaseInit):
    """Goyal et al. 2017, §5.1: 0 for the scale of the last norm layer of every block.

    ``γ = 0``, of any shape: each block is what its shortcut is before training. ``layer`` names the
    blocks; of each, only that scale is written. It takes the arguments of `BaseInit` only. Source:
    https://arxiv.org/abs/1706.02677.

    Raises:
        ConfigError: A bias is given.
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
