"""The plan: for every parameter the rule that wins, its law with all numbers, and why.

Priority, lowest to highest, stated here and nowhere else: a module's own default, an outer
``init_cfg``, an inner ``init_cfg``, an ``override``, a checkpoint, an override that stands in a
checkpoint's own entry. Between equals the later entry wins, between defaults the outer module's:
it knows what it built the inner ones for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from brickbook.errors import BadArgumentError, BadValueError, UnmatchedRuleError
from brickbook.init.claims import Claim
from brickbook.init.collect import Call, Kept, Source, collect
from brickbook.init.draft import Draft
from brickbook.init.finish import Finish
from brickbook.init.initplan import InitPlan
from brickbook.init.matching import Index, Selector, read_selector
from brickbook.init.rules import read_rules
from brickbook.keeping import no_collection

__all__ = ["InitPlan", "Options", "plan", "plan_below"]

PRIORITY = {"default": 0, "layer": 1, "override": 2, "after load": 3}
Order = Literal["brickbook", "mmcv"]
Frozen = Literal["init", "skip"]


@dataclass(frozen=True)
class Options:
    """What a plan is asked for beside the rules; see `plan`."""

    strict: bool = False
    order: str = "brickbook"
    frozen: str = "init"
    only_missing: bool = False
    protect: Sequence[str | type] | str | type = ()
    reinitialize: bool = False

    def __post_init__(self) -> None:
        """Refuse unknown words."""
        for key, known in (("order", ("brickbook", "mmcv")), ("frozen", ("init", "skip"))):
            if getattr(self, key) not in known:
                words = " or ".join(map(repr, known))
                raise BadValueError(key, f"expected {words}, got {getattr(self, key)!r}.")

    @property
    def protected(self) -> Iterator[tuple[str, Selector]]:
        """The patterns of what nothing may write, each with its path."""
        given = [self.protect] if isinstance(self.protect, (str, type)) else self.protect
        if not isinstance(given, Collection):
            raise BadArgumentError(
                "protect", f"expected a str, a class or a list of them, got {given!r}."
            )
        for at, word in enumerate(given):
            path = f"protect[{at}]"
            if not isinstance(word, (str, type)):
                raise BadArgumentError(path, f"expected a str or a class, got {word!r}.")
            yield path, read_selector(word, path)

    def rank(self, claim: Claim) -> tuple[int, int, int]:
        """Return what the winner has most of: kind, then (where it counts) outer, then later.

        Outer counts after checkpoints, because the outer one is loaded after the inner ones, and
        between defaults, because a constructor has its inner modules before it starts them.
        """
        kind = claim.wish.kind
        outer = -claim.wish.depth if kind in ("after load", "default") else 0
        if self.order == "mmcv" and kind == "override":
            kind = "layer"
        return PRIORITY[kind], outer, claim.order


def plan(
    model: nn.Module,
    init_cfg: object = None,
    *,
    strict: bool = False,
    order: Order = "brickbook",
    frozen: Frozen = "init",
    only_missing: bool = False,
    protect: Sequence[str | type] | str | type = (),
    reinitialize: bool = False,
) -> InitPlan:
    """Say what ``initialize(model, init_cfg)`` would do; nothing is written or loaded.

    With ``init_cfg=None`` the rules are those that the modules of the tree carry. Meta-device and
    lazy models can be planned.

    ``order='mmcv'`` lets an override win only over what stands before it. ``frozen='skip'`` leaves
    parameters that take no gradient. ``only_missing`` leaves what brickbook's `load_checkpoint` or
    `load_state_dict` has loaded (torch's own leave no note of it), ``protect`` what its names or
    patterns mean (as in ``layer``; a parameter's dotted name as well). ``reinitialize`` starts
    again the parts that are started already.

    Raises ConfigErrors for a config that cannot be carried out, and with ``strict=True`` for a rule
    that matches nothing (else it is listed in ``unmatched``).
    """
    options = Options(strict, order, frozen, only_missing, protect, reinitialize)
    return plan_with_tensors(model, init_cfg, options)[0]


Planned = tuple[InitPlan, dict[str, Tensor]]


def plan_with_tensors(model: nn.Module, init_cfg: object, options: Options) -> Planned:
    """Return the plan, and the tensors that its rows speak of (none for a parametrised one)."""
    if init_cfg is None:
        return drafted(model, collect(model, again=options.reinitialize), options)
    return drafted(model, [Source("", model, read_rules(init_cfg))], options)


def plan_below(model: nn.Module, options: Options) -> Planned:
    """Plan what `BaseModule.init_weights` does for a model: all but that model's own code."""
    return drafted(model, collect(model, own_code=False, again=options.reinitialize), options)


def drafted(model: nn.Module, sources: Iterable[Source | Call | Kept], options: Options) -> Planned:
    """Gather what the sources say into a plan."""
    if not isinstance(model, nn.Module):
        raise BadArgumentError("model", f"expected an nn.Module, got {type(model).__name__}.")
    with no_collection():  # thousands of rows, none of them garbage
        return gathered(model, sources, options)


def gathered(
    model: nn.Module, sources: Iterable[Source | Call | Kept], options: Options
) -> Planned:
    """Draft, then choose the winners."""
    draft = Draft(model)
    refuse_compiled(draft.index(model, ""))
    for item in sources:
        draft.take(item)
    draft.hold(options.protected)
    if options.strict and draft.unmatched:
        first = draft.unmatched[0]
        raise UnmatchedRuleError(first.path, first.problem, first.hint)
    end = Finish(
        draft,
        options.rank,
        skip_frozen=options.frozen == "skip",
        only_missing=options.only_missing,
    )
    return end.plan(), end.tensors


def refuse_compiled(index: Index) -> None:
    """Raise TypeError for TorchScript: its layers have lost their classes, no rule means any."""
    kind = next((kind for kind in index.by_class if issubclass(kind, torch.jit.ScriptModule)), None)
    if kind is not None:
        name = index.parts[index.by_class[kind][-1]][0]
        problem = "it is TorchScript, whose layers have lost their classes."
        hint = "Start the model before torch.jit compiles it."
        raise BadArgumentError(f"model.{name}".rstrip("."), problem, hint)
