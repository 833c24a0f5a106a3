"""The plan: for every parameter the rule that wins, its law with all numbers, and why.

Priority, lowest to highest, stated here and nowhere else: a module's own default, an outer
``init_cfg``, an inner ``init_cfg``, an ``override``, a checkpoint, an override that stands in a
checkpoint's own entry. Between equals the later entry wins.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.errors import BadArgumentError, BadValueError, UnmatchedRuleError
from brickbook.init.collect import Call, Kept, Source, collect
from brickbook.init.draft import Claim, Draft, identity
from brickbook.init.initplan import InitPlan
from brickbook.init.matching import Selector, read_selector
from brickbook.init.rows import Load, Row, Run
from brickbook.init.rules import read_rules
from brickbook.init.targets import Slot, held_in
from brickbook.origins import origin_of

__all__ = ["InitPlan", "Options", "plan", "plan_below", "walk"]

LONGEST = 10_000  # letters of a name; recursion ends far sooner
PADDED = (nn.Embedding, nn.EmbeddingBag)
NEW_ROW = tuple.__new__
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
        """Return what the winner has most of: kind, then (after checkpoints) outer, then later.

        Outer before later only there, because the outer checkpoint is loaded after the inner ones.
        """
        kind = claim.wish.kind
        outer = -claim.wish.depth if kind == "after load" else 0
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
    parameters that take no gradient. ``only_missing`` leaves what brickbook's `load_checkpoint`
    or `load_state_dict` has loaded (torch's own leave no note of it), ``protect`` what its names or patterns mean (as in ``layer``; a
    parameter's dotted name as well). ``reinitialize`` starts again the parts that are started
    already.

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
    draft = Draft(model)
    for item in sources:
        draft.take(item)
    draft.hold(options.protected)
    if options.strict and draft.unmatched:
        first = draft.unmatched[0]
        raise UnmatchedRuleError(first.path, first.problem, first.hint)
    end = Finish(draft, options)
    return end.plan(), end.tensors


def walk(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield (name, module) as ``named_modules`` does, shared modules once under each name.

    Raises ValueError for a module that contains itself: it has names without end.
    """
    stack = [("", model)]
    while stack:
        name, part = stack.pop()
        if len(name) > LONGEST:
            raise BadValueError("model", f"{type(part).__name__} contains itself: {name[:40]}...")
        yield name, part
        if part._modules:
            below = [(k, m) for k, m in part._modules.items() if m is not None]
            stack += [(f"{name}.{key}" if name else key, child) for key, child in reversed(below)]


def padding_rows(parts: Iterable[nn.Module]) -> Iterator[tuple[int, int]]:
    """Yield the weights of embeddings, by id, with the row that stays 0, if there is one."""
    for part in parts:
        if isinstance(part, PADDED) and part.padding_idx is not None:
            yield id(part._parameters.get("weight")), part.padding_idx


class Finish:
    """Choosing the winner for every tensor; the outermost checkpoint comes last."""

    def __init__(self, draft: Draft, options: Options) -> None:
        self.draft, self.options = draft, options
        self.loads = [load for _, load in sorted(draft.loads, key=lambda item: -item[0])]
        self.steps: list[Run | Load] = [*draft.runs, *self.loads]
        self.then = self.later()
        self.first: dict[int, str] = {}
        self.padding: dict[int, int] = {}
        self.tensors: dict[str, Tensor] = {}
        self.dtypes: dict[torch.dtype, str] = {}
        self.holds = bool(
            draft.kept or draft.protected or options.only_missing or options.frozen == "skip"
        )

    def plan(self) -> InitPlan:
        """Return the plan, rows in the order of ``named_parameters``."""
        draft = self.draft
        parts = list(walk(draft.model))
        self.padding = dict(padding_rows(part for _, part in parts))
        rows = [row for prefix, part in parts for row in self.rows(prefix, part)]
        won = {row.source for row in rows if row.law is not None}
        return InitPlan(
            tuple(rows),
            tuple(draft.unmatched),
            tuple(self.loads),
            tuple(draft.runs),
            tuple(draft.starts),
            tuple(fit for fit in draft.fits if fit.path in won),
        )

    def rows(self, prefix: str, part: nn.Module) -> Iterator[Row]:
        """Yield the rows of one module: its parameters, and what else rules name of it."""
        named = self.draft.named.get(id(part), {}).values() if self.draft.named else ()
        if not part._parameters and not named:
            return
        dot = f"{prefix}." if prefix else ""
        for slot in named:
            if slot.via:
                yield self.row(f"{dot}{slot.key}", part, slot.tensor, slot)
        for key, tensor in part._parameters.items():
            if tensor is not None:
                name = f"{dot}{key}"
                self.tensors[name] = tensor
                yield self.usual(name, part, tensor) or self.row(name, part, tensor)
        for slot in named:
            if slot.role == "buffer":
                self.tensors[f"{dot}{slot.key}"] = slot.tensor
                yield self.row(f"{dot}{slot.key}", part, slot.tensor, slot)

    def usual(self, name: str, part: nn.Module, tensor: Tensor) -> Row | None:
        """Return the row of a parameter that one rule claims and nothing holds; else None.

        What `row` would return, sooner: large models have thousands of them.
        """
        me = id(tensor)
        claims = self.draft.claims.get(me)
        if self.holds or claims is None or len(claims) > 1:
            return None
        if me in self.first or me in self.padding:
            return None
        kind = type(part)
        self.first[me] = name
        wish, law, order = claims[0]
        rule, dtype = wish.rule, tensor.dtype
        return NEW_ROW(Row, (
            name, "parameter", kind.__name__, tuple(tensor.shape),
            self.dtypes.get(dtype) or self.dtypes.setdefault(dtype, str(dtype)[6:]),
            law, rule.path, rule.kind, "", (), "", not tensor.requires_grad, self.then.get(me, ()),
            order, wish.after, False, None,
        ))  # fmt: skip

    def row(self, name: str, part: nn.Module, tensor: Tensor, slot: Slot | None = None) -> Row:
        """Say what happens to one tensor."""
        draft = self.draft
        me = id(tensor) if slot is None else identity(part, slot)
        dtype = tensor.dtype
        what = (
            name,
            "parameter" if slot is None else "parametrised" if slot.via else "buffer",
            type(part).__name__,
            () if is_lazy(tensor) else tuple(tensor.shape),
            self.dtypes.get(dtype) or self.dtypes.setdefault(dtype, str(dtype)[6:]),
        )
        holders = [tensor] if slot is None or not slot.via else held_in(part, slot)
        then = self.then.get(id(holders[0]), ())
        frozen = what[1] != "buffer" and not all(each.requires_grad for each in holders)
        owner = self.first.setdefault(me, name)
        if owner != name:
            return Row(*what, reason=f"it is {owner}", tied_to=owner, frozen=frozen, then=then)
        claims = draft.claims.get(me)
        held = self.held([me, *map(id, holders)], holders, frozen)
        if held or me in draft.kept:
            losers = tuple(claim.wish.rule.path for claim in claims or ())
            reason = held or draft.kept[me]
            return Row(*what, reason=reason, losers=losers, frozen=frozen, held=bool(held))
        if not claims:
            why = draft.left.get(me) or f"no rule speaks of {type(part).__name__}"
            if then:
                why = f"{', '.join(then)} may fill it"
            return Row(*what, reason=why, frozen=frozen, then=then)
        losers = ()
        best = claims[0]
        if len(claims) > 1:
            *lost, best = sorted(claims, key=self.options.rank)
            losers = tuple(claim.wish.rule.path for claim in lost)
        rule = best.wish.rule
        padding = self.padding.get(id(tensor))
        if slot is not None and slot.via and slot.key == "weight" and isinstance(part, PADDED):
            padding = part.padding_idx
        return Row(
            *what, best.law, rule.path, rule.kind, "", losers, "", frozen, then,
            best.order, best.wish.after, False, padding,
        )  # fmt: skip

    def held(self, known: Iterable[int], holders: Iterable[Tensor], frozen: bool) -> str:
        """Say why nothing may write what some tensors hold; "" if it may be written."""
        for me in known if self.draft.protected else ():
            if me in self.draft.protected:
                return self.draft.protected[me]
        if frozen and self.options.frozen == "skip":
            return "it is frozen"
        for tensor in holders if self.options.only_missing else ():
            if origin := origin_of(tensor):
                return f"it was loaded from {origin}"
        return ""

    def later(self) -> dict[int, tuple[str, ...]]:
        """List what may still change tensors, by id: own code and checkpoints."""
        found: dict[int, tuple[str, ...]] = {}
        for step in self.steps:
            part = self.draft.model.get_submodule(step.name)
            for tensor in (*part.parameters(), *part.buffers()):
                found[id(tensor)] = (*found.get(id(tensor), ()), step.path)
        return found
