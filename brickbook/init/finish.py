"""The end of planning: for every tensor the claim that wins, as a row, and why others lose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.init.claims import Claim, identity
from brickbook.init.draft import Draft
from brickbook.init.initplan import InitPlan
from brickbook.init.rows import Load, Row, Run
from brickbook.init.targets import Slot, held_in
from brickbook.init.walking import walk
from brickbook.origins import origin_of

__all__ = ["Finish"]

PADDED = (nn.Embedding, nn.EmbeddingBag)
NEW_ROW = tuple.__new__


def padding_rows(parts: Iterable[nn.Module]) -> Iterator[tuple[int, int]]:
    """Yield the weights of embeddings, by id, with the row that stays 0, if there is one."""
    for part in parts:
        if isinstance(part, PADDED) and part.padding_idx is not None:
            yield id(part._parameters.get("weight")), part.padding_idx


class Finish:
    """Choosing the winner for every tensor; the outermost checkpoint comes last.

    The winner has most of ``rank``. Nothing may write what is frozen with ``skip_frozen``, and with
    ``only_missing`` what was loaded.
    """

    def __init__(
        self, draft: Draft, rank: Callable[[Claim], Any], *, skip_frozen: bool, only_missing: bool
    ) -> None:
        self.draft, self.rank = draft, rank
        self.skip_frozen, self.only_missing = skip_frozen, only_missing
        self.loads = [load for _, load in sorted(draft.loads, key=lambda item: -item[0])]
        self.steps: list[Run | Load] = [*draft.runs, *self.loads]
        self.then = self.later()
        self.first: dict[int, str] = {}
        self.padding: dict[int, int] = {}
        self.tensors: dict[str, Tensor] = {}
        self.dtypes: dict[torch.dtype, str] = {}
        self.holds = bool(draft.kept or draft.protected or only_missing or skip_frozen)

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
            *lost, best = sorted(claims, key=self.rank)
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
        if frozen and self.skip_frozen:
            return "it is frozen"
        for tensor in holders if self.only_missing else ():
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
