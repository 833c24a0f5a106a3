"""Gathering what every rule wants of every tensor, in mmcv's order of writing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.errors import BadValueError, NoSuchModuleError, nearest
from brickbook.init.collect import Call, Kept, Source
from brickbook.init.initializers import BaseInit, PretrainedInit
from brickbook.init.laws import Constant, Law, Recipe
from brickbook.init.matching import is_norm_layer, matches, post_order
from brickbook.init.rows import Load, Run, Unmatched
from brickbook.init.rules import Override, Rule
from brickbook.init.targets import out_of_range, targets, unfit, unreachable
from brickbook.init.unmatched import without_effect

__all__ = ["Claim", "Draft", "Kind"]

Kind = Literal["default", "layer", "override", "after load"]


@dataclass(frozen=True)
class Claim:
    """One rule's wish for one tensor.

    ``after`` is the checkpoint's entry that it stands in, if it does, ``depth`` how deep in the
    model its config stands, ``order`` its place in the order of writing.
    """

    kind: Kind
    order: int
    rule: Rule
    law: Law
    after: str = ""
    depth: int = 0


@dataclass(frozen=True)
class Wish:
    """What a rule wants of every layer it speaks of."""

    rule: Rule
    init: BaseInit
    kind: Kind
    after: str = ""
    depth: int = 0

    @property
    def recipe(self) -> Recipe:
        """The law for weights, or what gives it."""
        return self.init.recipe()

    @property
    def bias(self) -> Law:
        """The law for biases."""
        return Constant(float(self.init.bias))


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
        self.starts: list[str] = []
        self.order = 0

    def take(self, item: Source | Call | Kept) -> None:
        """Add what one part of the tree says."""
        if isinstance(item, Call):
            self.runs.append(Run(item.path, item.name, self.tick()))
        elif isinstance(item, Kept):
            self.keep(item)
        else:
            if item.starts:
                self.starts.append(item.name)
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
            kind: Kind = "default" if source.default else "layer"
            if rule.init.layers:
                self.take_layers(rule, rule.init, source, kind)
            elif not has_override:
                self.unmatched.append(
                    Unmatched(rule.path, "does nothing: it has neither 'layer' nor 'override'.")
                )

    def take_layers(self, rule: Rule, init: BaseInit, source: Source, kind: Kind) -> None:
        """Claim the weights and biases of the layers a rule names."""
        parts = list(post_order(source.module, source.name))
        met = [(name, part) for name, part in parts if matches(part, init.layers)]
        wish = Wish(rule, init, kind)
        filled = {id(part) for name, part in met if self.claim(wish, name, part)}
        if kind != "default":
            modules = [part for _, part in parts]
            self.unmatched.extend(without_effect(rule, init, modules, filled))

    def take_override(self, override: Override, outer: Rule, source: Source) -> None:
        """Claim the weights and biases of every layer under one name."""
        path = f"{override.rule.path}.name"
        try:
            if not override.name:
                raise AttributeError
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
            kind: Kind = "default" if source.default else "override"
            if isinstance(outer.init, PretrainedInit):
                kind = "after load"
            after = outer.path if kind == "after load" else ""
            wish = Wish(rule, init, kind, after, depth(source))
            if not sum(self.claim(wish, name, part) for name, part in post_order(target, full)):
                self.unmatched.append(
                    Unmatched(
                        path, f"{override.name!r} has no 'weight' or 'bias' that it could fill."
                    )
                )

    def claim(self, wish: Wish, name: str, part: nn.Module) -> int:
        """Claim a layer's weight and bias; return how many of the two it has."""
        count = 0
        for role, key, tensor in targets(part):
            count += 1
            full = f"{name}.{key}" if name else key
            why = unfit(tensor)
            if why:
                self.left[id(tensor)] = why
                if not is_lazy(tensor):
                    self.unmatched.append(Unmatched(wish.rule.path, f"cannot fill {full}: {why}."))
                continue
            least = wish.recipe.least_dims if role == "weight" else 0
            if tensor.dim() < least:
                if wish.kind == "layer" or not is_norm_layer(part):
                    raise too_flat(wish.rule, least, full, part, tensor)
                reason = f"{wish.rule.kind} needs {least} dimensions; a norm keeps its own"
                self.left.update({id(p): reason for p in part._parameters.values()})
                return count
            self.add(wish, role, full, tensor)
        for role in unreachable(part):
            full = f"{name}.{role}" if name else role
            self.unmatched.append(
                Unmatched(
                    wish.rule.path, f"cannot fill {full}: it is computed by a parametrisation."
                )
            )
            count += 1
        return count

    def add(self, wish: Wish, role: str, full: str, tensor: Tensor) -> None:
        """Add a claim whose law the tensor's dtype can hold."""
        law = wish.recipe.at(tuple(tensor.shape)) if role == "weight" else wish.bias
        if not tensor.is_complex():
            problem = out_of_range(law, tensor.dtype)
            if problem:
                raise BadValueError(wish.rule.path, f"for {full}: {problem}.")
        claims = self.claims.setdefault(id(tensor), [])
        if not (claims and claims[-1].rule is wish.rule):  # one claim for a tied tensor
            order = self.tick()
            claims.append(Claim(wish.kind, order, wish.rule, law, wish.after, wish.depth))


def depth(source: Source) -> int:
    """Return how deep in the model a source stands; 0 for the model itself."""
    return source.name.count(".") + 1 if source.name else 0


def too_flat(rule: Rule, least: int, full: str, part: nn.Module, tensor: Tensor) -> BadValueError:
    """Return the error for a law that needs more dimensions than a weight has."""
    return BadValueError(
        f"{rule.path}.type",
        f"{rule.kind} needs a weight of {least} or more dimensions, "
        f"{full} of {type(part).__name__} has shape {tuple(tensor.shape)}.",
    )
