"""The plan: for every parameter the rule that wins, its law with all numbers, and why.

Priority, lowest to highest, stated here and nowhere else: a module's own default, an outer
``init_cfg``, an inner ``init_cfg``, an ``override``, a checkpoint, an override that stands in a
checkpoint's own entry. Between equals the later entry wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.errors import BadValueError, NoSuchModuleError, UnmatchedRuleError, nearest
from brickbook.init.collect import Call, Kept, Source, collect
from brickbook.init.initializers import BaseInit, PretrainedInit
from brickbook.init.laws import Constant, Law
from brickbook.init.matching import is_norm_layer, matches, post_order
from brickbook.init.rows import InitPlan, Load, Row, Run, Unmatched
from brickbook.init.rules import Override, Rule, read_rules
from brickbook.init.unmatched import without_effect

__all__ = ["InitPlan", "Level", "plan"]


class Level(IntEnum):
    """Who wins when two rules meet."""

    DEFAULT = 0
    LAYER = 1
    OVERRIDE = 2
    AFTER_LOAD = 3


def plan(model: nn.Module, init_cfg: object = None, *, strict: bool = False) -> InitPlan:
    """Say what ``initialize(model, init_cfg)`` would do; nothing is written or loaded.

    With ``init_cfg=None`` the rules are those that the modules of the tree carry. Raises
    ConfigErrors for a config that cannot be carried out, and with ``strict=True`` for a rule that
    matches nothing (else it is listed in ``unmatched``).
    """
    draft = Draft(model)
    if init_cfg is None:
        for item in collect(model):
            draft.take(item)
    else:
        draft.take(Source("", model, read_rules(init_cfg)))
    if strict and draft.unmatched:
        first = draft.unmatched[0]
        raise UnmatchedRuleError(first.path, first.problem, first.hint)
    return draft.finish()


@dataclass(frozen=True)
class Claim:
    """One rule's wish for one tensor."""

    level: Level
    order: int
    rule: Rule
    law: Law


class Draft:
    """A plan in the making: the claims on every tensor, gathered in mmcv's order of writing."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.claims: dict[int, list[Claim]] = {}
        self.left: dict[int, str] = {}
        self.kept: dict[int, str] = {}
        self.unmatched: list[Unmatched] = []
        self.loads: list[tuple[int, Load]] = []
        self.runs: list[Run] = []
        self.order = 0

    def take(self, item: Source | Call | Kept) -> None:
        """Add what one part of the tree says."""
        if isinstance(item, Call):
            self.runs.append(Run(item.path, item.name, self.tick()))
        elif isinstance(item, Kept):
            self.keep(item)
        else:
            for entry in item.entries:
                self.take_rule(entry.rule, item, bool(entry.overrides))
                for override in entry.overrides:
                    self.take_override(override, entry.rule, item)

    def tick(self) -> int:
        """Return the next place in the order of writing."""
        self.order += 1
        return self.order

    def keep(self, item: Kept) -> None:
        """Leave what a started part's own rules speak of, or all of it."""
        loads = any(isinstance(entry.rule.init, PretrainedInit) for entry in item.entries)
        for _, part in post_order(item.module, item.name):
            mine = any(
                isinstance(entry.rule.init, BaseInit) and matches(part, entry.rule.init.layers)
                for entry in item.entries
            )
            if item.whole or loads or mine:
                for tensor in part._parameters.values():
                    self.kept[id(tensor)] = f"{item.name} is already initialised"

    def take_rule(self, rule: Rule, source: Source, has_override: bool) -> None:
        """Add what one entry says of the layers it names."""
        if isinstance(rule.init, PretrainedInit):
            self.loads.append((depth(source), Load(rule.path, source.name, rule.init)))
        elif not rule.planned:
            self.runs.append(Run(rule.path, source.name, self.tick(), rule))
        elif isinstance(rule.init, BaseInit):
            level = Level.DEFAULT if source.default else Level.LAYER
            if rule.init.layers:
                self.take_layers(rule, rule.init, source, level)
            elif not has_override:
                self.unmatched.append(
                    Unmatched(rule.path, "does nothing: it has neither 'layer' nor 'override'.")
                )

    def take_layers(self, rule: Rule, init: BaseInit, source: Source, level: Level) -> None:
        """Claim the weights and biases of the layers a rule names."""
        parts = list(post_order(source.module, source.name))
        met = [(name, part) for name, part in parts if matches(part, init.layers)]
        claimed = sum(self.claim(rule, init, name, part, level) for name, part in met)
        if level is Level.DEFAULT:
            return
        self.unmatched.extend(without_effect(rule, init, [p for _, p in parts], met, claimed))

    def take_override(self, override: Override, outer: Rule, source: Source) -> None:
        """Claim the weights and biases of every layer under one name."""
        path = f"{override.rule.path}.name"
        try:
            target = source.module.get_submodule(override.name)
        except AttributeError:
            known = [name for name, _ in source.module.named_modules() if name]
            raise NoSuchModuleError(
                path,
                f"{type(source.module).__name__} has no module {override.name!r}.",
                nearest(override.name, known),
            ) from None
        full = f"{source.name}.{override.name}" if source.name else override.name
        rule, init = override.rule, override.rule.init
        if override.ignored_layer:
            self.unmatched.append(
                Unmatched(
                    f"{rule.path}.layer", "is not used: an override fills every layer below it."
                )
            )
        if isinstance(init, PretrainedInit):
            self.loads.append((depth(source), Load(rule.path, full, init)))
        elif not rule.planned:
            self.runs.append(Run(rule.path, full, self.tick(), rule, whole=True))
        elif isinstance(init, BaseInit):
            level = Level.DEFAULT if source.default else Level.OVERRIDE
            if isinstance(outer.init, PretrainedInit):
                level = Level.AFTER_LOAD
            parts = list(post_order(target, full))
            if not sum(self.claim(rule, init, name, part, level) for name, part in parts):
                self.unmatched.append(
                    Unmatched(
                        path, f"{override.name!r} has no 'weight' or 'bias' that it could fill."
                    )
                )

    def claim(self, rule: Rule, init: BaseInit, name: str, part: nn.Module, level: Level) -> int:
        """Claim a layer's weight and bias; return how many of the two it has."""
        wishes = (("weight", init.recipe()), ("bias", None))
        count = 0
        for key, recipe in wishes:
            tensor = part._parameters.get(key)
            if tensor is None:
                continue
            full = f"{name}.{key}" if name else key
            count += 1
            if is_lazy(tensor):
                self.left[id(tensor)] = "it has no shape yet: run one batch through the lazy module"
                continue
            if recipe is not None and tensor.dim() < recipe.least_dims:
                if level is not Level.LAYER and is_norm_layer(part):
                    why = f"{rule.kind} needs {recipe.least_dims} dimensions; a norm keeps its own"
                    self.left.update({id(p): why for p in part._parameters.values()})
                    return count
                raise BadValueError(
                    f"{rule.path}.type",
                    f"{rule.kind} needs a weight of {recipe.least_dims} or more dimensions, "
                    f"{full} of {type(part).__name__} has shape {tuple(tensor.shape)}.",
                )
            if not (tensor.is_floating_point() or tensor.is_complex()):
                self.left[id(tensor)] = f"its dtype {tensor.dtype} takes no law"
                continue
            law = recipe.at(tuple(tensor.shape)) if recipe else bias_law(init)
            self.claims.setdefault(id(tensor), []).append(Claim(level, self.tick(), rule, law))
        return count

    def finish(self) -> InitPlan:
        """Choose the winner for every parameter; the outermost checkpoint comes last."""
        loads = [load for _, load in sorted(self.loads, key=lambda item: -item[0])]
        first: dict[int, str] = {}
        rows = []
        for prefix, part in self.model.named_modules(remove_duplicate=False):
            for key, tensor in part._parameters.items():
                if tensor is not None:
                    name = f"{prefix}.{key}" if prefix else key
                    owner = first.setdefault(id(tensor), name)
                    rows.append(self.row(name, part, tensor, owner, loads))
        return InitPlan(tuple(rows), tuple(self.unmatched), tuple(loads), tuple(self.runs))

    def row(self, name: str, part: nn.Module, tensor: Tensor, owner: str, loads: list[Load]) -> Row:
        """Say what happens to one parameter."""
        lazy = is_lazy(tensor)
        what = {
            "name": name,
            "kind": "parameter",
            "module": type(part).__name__,
            "shape": () if lazy else tuple(tensor.shape),
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "frozen": not tensor.requires_grad,
            "then": later(name, (*self.runs, *loads)),
        }
        if owner != name:
            return Row(**what, tied_to=owner, reason=f"it is {owner}")
        claims = self.claims.get(id(tensor), [])
        kept = self.kept.get(id(tensor))
        if kept:
            return Row(**what, reason=kept, losers=tuple(c.rule.path for c in claims))
        if not claims:
            why = self.left.get(id(tensor), f"no rule speaks of {type(part).__name__}.")
            return Row(**what, reason=why.rstrip("."))
        *losers, best = sorted(claims, key=lambda claim: (claim.level, claim.order))
        return Row(
            **what,
            law=best.law,
            source=best.rule.path,
            rule=best.rule.kind,
            losers=tuple(claim.rule.path for claim in losers),
            order=best.order,
            after_load=best.level is Level.AFTER_LOAD,
        )


def depth(source: Source) -> int:
    """Return how deep in the model a source stands; 0 for the model itself."""
    return source.name.count(".") + 1 if source.name else 0


def later(name: str, steps: Iterable[Run | Load]) -> tuple[str, ...]:
    """List what may still change a parameter after its law: own code and checkpoints."""
    return tuple(
        item.path
        for item in steps
        if not item.name or name == item.name or name.startswith(f"{item.name}.")
    )


def bias_law(init: BaseInit) -> Law:
    """Return the law of a bias: a constant."""
    return Constant(float(init.bias))
