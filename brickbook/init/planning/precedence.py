"""Who wins when several rules have a law for one tensor; stated here and nowhere else.

Lowest to highest: a module's own default, an outer ``init_cfg``, an inner ``init_cfg``, an
``override``, a checkpoint, an override that stands in a checkpoint's own entry. Between equals the
later entry wins, between defaults the outer module's: it knows what it built the inner ones for.
Nothing writes what is protected, frozen under ``frozen='skip'``, loaded (or said to be) under
``only_missing``, or part of a module that is initialised already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.init.planning.candidates import Candidate, PlanBuilder, join_name, tensor_key
from brickbook.init.planning.options import InitOptions
from brickbook.init.planning.result import CheckpointLoad, CustomCall, InitPlan, PlanRow
from brickbook.init.planning.why import Reason, Why
from brickbook.introspect import (
    ModuleIndex,
    ParamSlot,
    origin_of,
    spectral_steps,
    storage_of,
    walk,
)

__all__ = ["resolve"]

PRIORITY = {"default": 0, "layer": 1, "override": 2, "after load": 3}
NO_SLOTS: dict[str, ParamSlot] = {}
EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)


def resolve(builder: PlanBuilder, options: InitOptions) -> tuple[InitPlan, dict[str, Tensor]]:
    """Choose the winner for every tensor.

    Returns:
        The plan, its rows in the order of ``named_parameters``, and the tensors of the rows by
        name (none for a parametrised one).
    """
    resolver = PrecedenceResolver(builder, options)
    rows = move_laws_to_originals(
        builder.model,
        [row for name, module in walk(builder.model) for row in resolver.module_rows(name, module)],
    )
    winners = {row.source for row in rows if row.law is not None}
    plan = InitPlan(
        tuple(rows),
        tuple(builder.unmatched),
        tuple(resolver.loads),
        tuple(builder.custom_calls),
        tuple(builder.base_modules),
        tuple(fit for fit in builder.fits if fit.path in winners),
    )
    return plan, resolver.tensors


class PrecedenceResolver:
    """Makes the row of every tensor from what a builder has collected."""

    def __init__(self, builder: PlanBuilder, options: InitOptions) -> None:
        self.builder, self.options = builder, options
        # The outermost checkpoint is loaded last.
        self.loads = [load for _, load in sorted(builder.loads, key=lambda item: -item[0])]
        self.later_writers = find_later_writers(builder.model, [*builder.custom_calls, *self.loads])
        self.padding = padding_by_weight(builder.index_of(builder.model, ""))
        pins = builder.protected or options.only_missing or options.frozen == "skip"
        self.may_stay = bool(pins or builder.initialized)
        self.first_names: dict[int, str] = {}
        self.tensors: dict[str, Tensor] = {}

    def module_rows(self, prefix: str, module: nn.Module) -> Iterator[PlanRow]:
        """Yield the rows of one module: its parameters, and what else rules fill of it."""
        named = self.builder.named_slots.get(id(module), NO_SLOTS).values()
        if not (module._parameters or named):
            return
        for slot in named:
            if slot.through_parametrization:
                name = join_name(prefix, slot.key)
                yield self.computed_row(name, module, slot)
        kind, tensors = type(module).__name__, self.tensors
        for key, tensor in module._parameters.items():
            if tensor is not None:
                name = f"{prefix}.{key}" if prefix else key
                tensors[name] = tensor
                frozen = not tensor.requires_grad
                yield self.decide(name, "parameter", kind, tensor, id(tensor), (tensor,), frozen)
        for slot in named:
            if slot.role == "buffer":
                name, tensor = join_name(prefix, slot.key), slot.tensor
                tensors[name] = tensor
                yield self.decide(name, "buffer", kind, tensor, id(tensor), (tensor,), False)

    def computed_row(self, name: str, module: nn.Module, slot: ParamSlot) -> PlanRow:
        """Return the row of what a parametrisation computes."""
        storage = storage_of(module, slot)
        frozen = not all(tensor.requires_grad for tensor in storage)
        kind, key = type(module).__name__, tensor_key(module, slot)
        row = self.decide(name, "parametrised", kind, slot.tensor, key, storage, frozen)
        if row.law is not None and slot.key == "weight" and isinstance(module, EMBEDDINGS):
            return row._replace(padding=module.padding_idx)
        return row

    def decide(
        self,
        name: str,
        kind: str,
        module: str,
        tensor: Tensor,
        key: int,
        storage: Sequence[Tensor],
        frozen: bool,
    ) -> PlanRow:
        """Return the row of a tensor: with the winner's law, or why it has none.

        Args:
            name: the name of the tensor in the model.
            kind: as in `PlanRow`.
            module: the class of the tensor's module.
            tensor: the tensor.
            key: what the tensor is known by, see `tensor_key`.
            storage: the tensors that hold its numbers.
            frozen: it takes no gradient.
        """
        what = name, kind, module, *shape_and_dtype(tensor)
        first = self.first_names.setdefault(key, name)
        later = self.later_writers.get(id(storage[0]), ()) if self.later_writers else ()
        if first != name:
            why = Reason(Why.TIED, first)
            return PlanRow(*what, why=why, tied_to=first, frozen=frozen, later_writers=later)
        candidates = self.builder.candidates.get(key, ())
        if self.may_stay:
            pinned = self.pinned_reason(key, storage, frozen)
            if why := pinned or self.builder.initialized.get(key):
                rules = tuple(each.bound_rule.rule.path for each in candidates)
                return PlanRow(*what, why=why, overridden=rules, frozen=frozen, pinned=bool(pinned))
        if not candidates:
            why = self.builder.skipped.get(key) or Reason(Why.NO_RULE, module)
            if later:
                why = Reason(Why.MAY_FILL, ", ".join(later))
            return PlanRow(*what, why=why, frozen=frozen, later_writers=later)
        best, overridden = candidates[-1], ()
        if len(candidates) > 1:
            *others, best = sorted(candidates, key=self.rank)
            overridden = tuple(each.bound_rule.rule.path for each in others)
        bound, law, order = best
        rule, after_load = bound.rule, bound.after_checkpoint
        padding = self.padding.get(key)
        return PlanRow(  # in the order of the fields: by name takes three times as long
            *what, law, rule.path, rule.type_name, None, overridden, "", frozen, later, order,
            after_load, False, padding,
        )  # fmt: skip

    def rank(self, candidate: Candidate) -> tuple[int, int, int]:
        """Return what the winner has most of: level, then (where it counts) outer, then later.

        Outer counts after checkpoints, because the outer one is loaded after the inner ones, and
        between defaults, because a constructor has its inner modules before it initialises them.
        """
        rule = candidate.bound_rule
        level = rule.level
        outer = -rule.depth if level in ("after load", "default") else 0
        if self.options.order == "mmcv" and level == "override":
            level = "layer"
        return PRIORITY[level], outer, candidate.order

    def pinned_reason(self, key: int, storage: Iterable[Tensor], frozen: bool) -> Reason | None:
        """Return why nothing may write a tensor, or what it is computed from; None if it may."""
        for each in (key, *map(id, storage)):
            if each in self.builder.protected:
                return self.builder.protected[each]
        if frozen and self.options.frozen == "skip":
            return Reason(Why.FROZEN)
        for tensor in storage if self.options.only_missing else ():
            if origin := origin_of(tensor):
                return Reason(Why.LOADED, origin)
        return None


def move_laws_to_originals(model: nn.Module, rows: list[PlanRow]) -> list[PlanRow]:
    """Let the law of a weight under a spectral norm be that of the original, which it fills.

    The weight itself is that over its largest singular value, whatever the law is.
    """
    computed = [(at, row) for at, row in enumerate(rows) if row.kind == "parametrised"]
    places = {row.name: at for at, row in enumerate(rows)} if computed else {}
    for at, row in computed:
        owner, _, key = row.name.rpartition(".")
        if row.law is None:
            continue
        if not spectral_steps(model.get_submodule(owner), key):
            continue
        name = join_name(owner, f"parametrizations.{key}.original")
        original = rows[places[name]]
        if original.law is None or original.order < row.order:
            moved = row._replace(name=name, kind="parameter", module=original.module)
            others = (*row.overridden, *([original.source] if original.law else []))
            rows[places[name]] = moved._replace(overridden=others)
        else:
            rows[places[name]] = original._replace(
                overridden=(*original.overridden, *row.overridden, row.source)
            )
        why = Reason(Why.COMPUTED_FROM, name)
        rows[at] = row._replace(law=None, source="", rule="", why=why, order=-1, padding=None)
    return rows


def shape_and_dtype(tensor: Tensor) -> tuple[tuple[int, ...], str]:
    """Return what a row says of a tensor; a lazy one has no shape yet."""
    lazy = type(tensor) is not nn.Parameter and is_lazy(tensor)
    return () if lazy else tuple(tensor.shape), dtype_name(tensor.dtype)


@cache
def dtype_name(dtype: torch.dtype) -> str:
    """Return the name of a dtype without ``torch.``."""
    return str(dtype)[6:]


def padding_by_weight(index: ModuleIndex) -> dict[int, int]:
    """Return, by the id of an embedding's weight, the row that stays 0."""
    embeddings = [
        index.named_modules[at][1]
        for kind, positions in index.by_class.items()
        if issubclass(kind, EMBEDDINGS)
        for at in positions
    ]
    return {
        id(module._parameters.get("weight")): module.padding_idx
        for module in embeddings
        if isinstance(module, EMBEDDINGS) and module.padding_idx is not None
    }


def find_later_writers(
    model: nn.Module, steps: Iterable[CustomCall | CheckpointLoad]
) -> dict[int, tuple[str, ...]]:
    """Return, by the id of a tensor, the paths of the custom code and checkpoints that follow."""
    found: dict[int, tuple[str, ...]] = {}
    for step in steps:
        module = model.get_submodule(step.name)
        for tensor in (*module.parameters(), *module.buffers()):
            found[id(tensor)] = (*found.get(id(tensor), ()), step.path)
    return found
