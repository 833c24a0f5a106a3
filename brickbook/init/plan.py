"""The plan: for every parameter the rule that wins, its law with all numbers, and why.

Priority, lowest to highest, stated here and nowhere else: a module's own default, an outer
``init_cfg``, an inner ``init_cfg``, an ``override``, a checkpoint, an override that stands in a
checkpoint's own entry. Between equals the later entry wins.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.errors import UnmatchedRuleError
from brickbook.init.collect import Call, Kept, Source, collect
from brickbook.init.draft import Claim, Draft
from brickbook.init.rows import InitPlan, Load, Row, Run
from brickbook.init.rules import read_rules

__all__ = ["InitPlan", "plan", "plan_below"]

PRIORITY = ("default", "layer", "override", "after load")


def rank(claim: Claim) -> tuple[int, int, int]:
    """Return what the winner has most of: kind, then (after checkpoints) outer, then later.

    Outer before later only there, because the outer checkpoint is loaded after the inner ones.
    """
    outer = -claim.depth if claim.kind == "after load" else 0
    return PRIORITY.index(claim.kind), outer, claim.order


def plan(model: nn.Module, init_cfg: object = None, *, strict: bool = False) -> InitPlan:
    """Say what ``initialize(model, init_cfg)`` would do; nothing is written or loaded.

    With ``init_cfg=None`` the rules are those that the modules of the tree carry. Raises
    ConfigErrors for a config that cannot be carried out, and with ``strict=True`` for a rule that
    matches nothing (else it is listed in ``unmatched``).
    """
    sources = collect(model) if init_cfg is None else [Source("", model, read_rules(init_cfg))]
    return drafted(model, sources, strict)


def plan_below(model: nn.Module, *, strict: bool = False) -> InitPlan:
    """Plan what `BaseModule.init_weights` does for a model: all but that model's own code."""
    return drafted(model, collect(model, own_code=False), strict)


def drafted(model: nn.Module, sources: Iterable[Source | Call | Kept], strict: bool) -> InitPlan:
    """Gather what the sources say into a plan."""
    draft = Draft(model)
    for item in sources:
        draft.take(item)
    if strict and draft.unmatched:
        first = draft.unmatched[0]
        raise UnmatchedRuleError(first.path, first.problem, first.hint)
    return finish(draft, model)


def finish(draft: Draft, model: nn.Module) -> InitPlan:
    """Choose the winner for every parameter; the outermost checkpoint comes last."""
    loads = [load for _, load in sorted(draft.loads, key=lambda item: -item[0])]
    first: dict[int, str] = {}
    rows = []
    for prefix, part in model.named_modules(remove_duplicate=False):
        for key, tensor in part._parameters.items():
            if tensor is not None:
                name = f"{prefix}.{key}" if prefix else key
                owner = first.setdefault(id(tensor), name)
                rows.append(row(draft, name, part, tensor, owner, loads))
    return InitPlan(
        tuple(rows),
        tuple(draft.unmatched),
        tuple(loads),
        tuple(draft.runs),
        tuple(draft.starts),
    )


def row(
    draft: Draft, name: str, part: nn.Module, tensor: Tensor, owner: str, loads: list[Load]
) -> Row:
    """Say what happens to one parameter."""
    lazy = is_lazy(tensor)
    what = {
        "name": name,
        "kind": "parameter",
        "module": type(part).__name__,
        "shape": () if lazy else tuple(tensor.shape),
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "frozen": not tensor.requires_grad,
        "then": later(name, (*draft.runs, *loads)),
    }
    if owner != name:
        return Row(**what, tied_to=owner, reason=f"it is {owner}")
    claims = draft.claims.get(id(tensor), [])
    kept = draft.kept.get(id(tensor))
    if kept:
        return Row(**what, reason=kept, losers=tuple(c.rule.path for c in claims))
    if not claims:
        why = draft.left.get(id(tensor), f"no rule speaks of {type(part).__name__}")
        if what["then"]:
            why = f"{', '.join(what['then'])} may fill it"
        return Row(**what, reason=why)
    *losers, best = sorted(claims, key=rank)
    return Row(
        **what,
        law=best.law,
        source=best.rule.path,
        rule=best.rule.kind,
        losers=tuple(claim.rule.path for claim in losers),
        order=best.order,
        after_load=best.after,
    )


def later(name: str, steps: Iterable[Run | Load]) -> tuple[str, ...]:
    """List what may still change a parameter after its law: own code and checkpoints."""
    return tuple(
        item.path
        for item in steps
        if not item.name or name == item.name or name.startswith(f"{item.name}.")
    )
