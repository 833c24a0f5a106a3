"""What the backbones share: how they are initialised, and which parts of them do not learn."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from brickbook.checkpoint import load_checkpoint
from brickbook.errors import BadArgumentError, BadValueError, CheckError, UnknownNameError
from brickbook.init.execution import InitReport, initialize
from brickbook.init.planning import FrozenPolicy, PrecedenceOrder, plan_driven

__all__ = ["Backbone", "check_stages", "find_architecture"]

Found = TypeVar("Found")

# The rule of a class of layers, where a backbone has such a layer.
DEFAULT_RULES: tuple[tuple[type[nn.Module], dict[str, Any]], ...] = (
    (nn.Conv2d, {"type": "Kaiming", "layer": "Conv2d"}),
    (_BatchNorm, {"type": "Constant", "val": 1, "layer": "_BatchNorm"}),
    (nn.Linear, {"type": "Normal", "std": 0.01, "layer": "Linear"}),
)


class Backbone(nn.Module):
    """A feature extractor, initialised by rules or a checkpoint, that can be frozen in part.

    It is built with torch's own initial numbers, as mmcv's; `init_weights` draws anew.
    """

    frozen_stages = -1
    bn_eval = False
    bn_frozen = False

    def stage(self, number: int) -> Iterable[nn.Module]:
        """Return the modules of a stage, counted from 1; 0 is what stands before the first."""
        raise NotImplementedError

    def default_init_cfg(self) -> list[dict[str, Any]]:
        """Return the ``init_cfg`` that says what `init_weights` does without a checkpoint."""
        parts = list(self.modules())
        return [
            dict(rule)
            for kind, rule in DEFAULT_RULES
            if any(isinstance(part, kind) for part in parts)
        ]

    @plan_driven
    def init_weights(
        self,
        pretrained: str | os.PathLike[str] | None = None,
        *,
        seed: int | None = None,
        strict: bool = False,
        order: PrecedenceOrder = "brickbook",
        frozen: FrozenPolicy = "init",
        only_missing: bool = False,
        protect: Sequence[str | type] | str | type = (),
        reinitialize: bool = False,
        assume_loaded: Collection[str | type] | str | type | None = None,
        atomic: bool = False,
        batch: object = None,
    ) -> InitReport | None:
        """Initialise by the rules of `default_init_cfg`, or load a checkpoint by file, URL or name.

        The options are those of `initialize`, whose report is returned. Of a checkpoint everything
        that fits is loaded (None is returned); names that only one of both has, such as a
        classifier's, are listed in a warning of the logger.

        Raises:
            TypeError: ``pretrained`` is neither a name nor None, or a checkpoint cannot follow an
                option.
            Exception: What `load_checkpoint` or `initialize` raises.
        """
        if pretrained is None:
            return initialize(
                self,
                self.default_init_cfg(),
                seed=seed,
                strict=strict,
                order=order,
                frozen=frozen,
                only_missing=only_missing,
                protect=protect,
                reinitialize=reinitialize,
                atomic=atomic,
                batch=batch,
                assume_loaded=assume_loaded,
            )
        if not isinstance(pretrained, (str, os.PathLike)):
            raise BadArgumentError("pretrained", f"must be a str or None, got {pretrained!r}.")
        keeping = {
            "strict": strict,
            "frozen": frozen != "init",
            "only_missing": only_missing,
            "assume_loaded": assume_loaded is not None,
            "protect": not isinstance(protect, Sequence) or len(protect) > 0,
        }
        for key in (key for key, given in keeping.items() if given):
            raise BadArgumentError(key, "it is for rules: a checkpoint is loaded whole.")
        load_checkpoint(self, pretrained, strict=False)
        return None

    def train(self, mode: bool = True) -> Backbone:
        """Set the mode, but for what is frozen.

        With ``bn_eval`` every batch norm stays in evaluation, with ``bn_frozen`` too its weight
        and bias take no gradients. In training the first ``frozen_stages`` stages, and what stands
        before them, stay in evaluation and take no gradients. A backbone that was just built is
        not frozen yet: call ``train()`` before an optimizer is made.
        """
        super().train(mode)
        if self.bn_eval:
            for norm in batch_norms(self):
                norm.eval()
                if self.bn_frozen:
                    norm.requires_grad_(False)
        if mode:
            for number in range(self.frozen_stages + 1):
                for part in self.stage(number):
                    part.eval().requires_grad_(False)
        return self


def batch_norms(model: nn.Module) -> Iterator[_BatchNorm]:
    """Yield the batch norms of a model, synchronised ones too."""
    return (part for part in model.modules() if isinstance(part, _BatchNorm))


def find_architecture(depth: int, known: dict[int, Found], name: str) -> Found:
    """Return what ``depth`` means; KeyError for an unknown one."""
    if depth not in known:
        hint = f"Known: {', '.join(map(str, known))}."
        raise UnknownNameError("depth", f"invalid depth {depth!r} for {name}.", hint)
    return known[depth]


def check_stages(
    num_stages: int,
    maximum: int,
    per_stage: dict[str, Sequence[int]],
    out_indices: Sequence[int],
    frozen_stages: int,
    beyond: int = 0,
) -> None:
    """Refuse stages that are not there; ``out_indices`` may reach ``beyond`` the last one.

    Raises:
        AssertionError: Where mmcv raises it: for stages that are not there, or another number of
            values.
        TypeError: An argument is no sequence.
        ValueError: ``out_indices`` is empty, or there are fewer stages than ``frozen_stages``.
    """
    if not 1 <= num_stages <= maximum:
        raise CheckError("num_stages", f"expected 1 to {maximum}, got {num_stages!r}.")
    for name, values in {**per_stage, "out_indices": out_indices}.items():
        if not isinstance(values, Sequence):
            raise BadArgumentError(name, f"expected a sequence of ints, got {values!r}.")
    for name, values in per_stage.items():
        if len(values) != num_stages:
            raise CheckError(name, f"expected {num_stages} values, one a stage, got {values!r}.")
    if not len(out_indices):
        raise BadValueError("out_indices", "expected one stage at least, got none.")
    last = num_stages - 1 + beyond
    if not (min(out_indices) >= 0 and max(out_indices) <= last):
        raise CheckError("out_indices", f"expected stages from 0 to {last}, got {out_indices!r}.")
    if not -1 <= frozen_stages <= num_stages:
        raise BadValueError(
            "frozen_stages", f"expected -1 (none) to {num_stages}, got {frozen_stages!r}."
        )
