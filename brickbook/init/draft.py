"""Gathering what every rule wants of every tensor, in mmcv's order of writing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from torch import nn
from torch.nn.parameter import is_lazy

from brickbook.errors import NoSuchModuleError, nearest
from brickbook.init.collect import Call, Kept, Source
from brickbook.init.initializers import BaseInit, PretrainedInit
from brickbook.init.laws import Law
from brickbook.init.matching import Index, Selector, is_norm_layer, read_selector
from brickbook.init.meeting import Hit, in_order, meet
from brickbook.init.rows import Fit, Load, Run, Unmatched
from brickbook.init.rules import Override, Rule
from brickbook.init.targets import (
    Slot,
    held_in,
    packs,
    slots,
    slots_named,
    sources,
    unfit,
    unreachable,
    writable,
)
from brickbook.init.unmatched import without_effect
from brickbook.init.wishes import Kind, Wish

__all__ = ["Claim", "Draft"]


class Claim(NamedTuple):
    """One rule's wish for one tensor, the law that it comes to, and its place in the writing."""

    wish: Wish
    law: Law
    order: int


class Draft:
    """A plan in the making: the claims on every tensor, gathered in mmcv's order of writing.

    Tensors are known by `identity`; ``named`` are those of a module that are no parameters of its
    own: buffers that a rule names, and what a parametrisation computes.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.claims: dict[int, list[Claim]] = {}
        self.left: dict[int, str] = {}
        self.kept: dict[int, str] = {}
        self.protected: dict[int, str] = {}
        self.named: dict[int, dict[str, Slot]] = {}
        self.unmatched: list[Unmatched] = []
        self.loads: list[tuple[int, Load]] = []
        self.runs: list[Run] = []
        self.fits: list[Fit] = []
        self.starts: list[str] = []
        self.order = 0
        self.indexes: dict[int, Index] = {}

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

    def index(self, module: nn.Module, name: str) -> Index:
        """Return the index of a part of the model; made once."""
        found = self.indexes.get(id(module))
        if found is None or found.prefix != name:
            found = self.indexes[id(module)] = Index(module, name)
        return found

    def keep(self, item: Kept) -> None:
        """Leave what a started part's own rules speak of, or all of it."""
        index = self.index(item.module, item.name)
        loads = any(isinstance(entry.rule.init, PretrainedInit) for entry in item.entries)
        places: Iterable[int] = range(len(index.parts))
        if not (item.whole or loads):
            words = [
                read_selector(word)
                for entry in item.entries
                if isinstance(entry.rule.init, BaseInit)
                for word in entry.rule.init.layers
            ]
            places = {hit.place for hit in in_order(meet(word, index) for word in words)}
        for place in places:
            for me in everything(index.parts[place][1]):
                self.kept[me] = f"{item.name} is already initialised"

    def hold(self, patterns: Iterable[tuple[str, Selector]]) -> None:
        """Keep everything away from the tensors that patterns mean."""
        index = self.index(self.model, "")
        for path, selector in patterns:
            meeting = meet(selector, index)
            for hit in meeting.hits:
                part = index.parts[hit.place][1]
                for slot in slots_named(part, hit.keys) if hit.keys else ():
                    mine = (identity(part, slot), *map(id, held_in(part, slot)))
                    self.protected.update(dict.fromkeys(mine, f"{path} protects it"))
                if not hit.keys:
                    self.protected.update(dict.fromkeys(everything(part), f"{path} protects it"))
            if not meeting.hits:
                names = [name for name, _ in self.model.named_parameters()]
                shown = selector.word if isinstance(selector.word, str) else selector.text
                self.unmatched.append(
                    Unmatched(path, f"{shown} matches nothing.", nearest(shown, names))
                )

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
        """Claim what the layers that a rule names are started by."""
        index = self.index(source.module, source.name)
        meetings = [meet(read_selector(word), index) for word in init.layers]
        wish = Wish(rule, init, kind)
        if callable(getattr(init, "adjust", None)):
            self.fits.append(Fit(rule.path, rule.kind, init))
        filled = self.claim_all(wish, index, in_order(meetings))
        if kind != "default":
            path = f"{rule.path}.layer"
            self.unmatched.extend(without_effect(path, meetings, index, filled))

    def take_override(self, override: Override, outer: Rule, source: Source) -> None:
        """Claim what every layer under one name, or of one pattern, is started by."""
        rule, init = override.rule, override.rule.init
        index = self.index(source.module, source.name)
        hits = self.overridden(override, index)
        tops = topmost(hits, index)
        if override.ignored_layer:
            self.unmatched.append(
                Unmatched(
                    f"{rule.path}.layer", "is not used: an override fills every layer below it."
                )
            )
        for name in tops:
            if isinstance(init, PretrainedInit):
                self.loads.append((depth(source), Load(rule.path, name, init)))
            elif not rule.planned:
                self.runs.append(Run(rule.path, name, self.tick(), rule, whole=True))
        if isinstance(init, BaseInit) and rule.planned:
            kind: Kind = "default" if source.default else "override"
            if isinstance(outer.init, PretrainedInit):
                kind = "after load"
            after = outer.path if kind == "after load" else ""
            wish = Wish(rule, init, kind, after, depth(source))
            if any(init.reach(index.part(name)) is not None for name in tops):
                hits = [Hit(index.places[id(index.part(name))]) for name in tops]
            if not self.claim_all(wish, index, hits):
                problem = f"{override.name.word!r} has no 'weight' or 'bias' that it could fill."
                self.unmatched.append(Unmatched(f"{rule.path}.name", problem))

    def overridden(self, override: Override, index: Index) -> list[Hit]:
        """Find what an override means; an error if that is nothing.

        A plain name is an attribute, as in mmcv, and everything below it is addressed; else it is
        what it would be in ``layer``.
        """
        selector = override.name
        places = index.named(selector) if selector.how == "word" else []
        if places and not selector.keys:
            return [Hit(at) for at in index.below(places)]
        hits = list(meet(selector, index).hits) if selector.text else []
        if not hits:
            kind = type(index.module).__name__
            raise NoSuchModuleError(
                f"{override.rule.path}.name",
                f"{kind} has no module {selector.word!r}.",
                nearest(str(selector.word).strip("*"), filter(None, index.names)),
            )
        return hits

    def claim_all(self, wish: Wish, index: Index, hits: Iterable[Hit]) -> set[int]:
        """Claim what a rule means of every layer it meets; return the places that have any."""
        filled = set()
        simple = wish.simple and type(wish.init).reach is BaseInit.reach
        for hit in hits:
            name, part = index.parts[hit.place]
            if simple and hit.direct and not hit.keys and self.claim_again(wish, part):
                filled.add(hit.place)
                continue
            reached = wish.init.reach(part)
            if reached is None:
                if self.claim(wish, name, part, hit):
                    filled.add(hit.place)
                continue
            inside = {id(below): full for full, below in Index(part, name).parts}
            if sum(self.claim(wish, inside[id(below)], below, Hit(0)) for below in reached):
                filled.add(hit.place)
        return filled

    def claim_again(self, wish: Wish, part: nn.Module) -> bool:
        """Claim a plain layer's parameters where the laws for its like are known already."""
        kind, known = type(part), wish.usual
        if packs(kind) or "parametrizations" in part._modules:
            return False
        found = []
        for key, tensor in part._parameters.items():
            if tensor is not None:
                law = None
                if writable(tensor):
                    law = known.get((kind, key, tensor.shape, tensor.dtype))
                if law is None:
                    return False
                found.append((id(tensor), law))
        claims, order = self.claims, self.order
        for me, law in found:
            mine = claims.get(me)
            if mine is None:
                order += 1
                claims[me] = [Claim(wish, law, order)]
            elif mine[-1].wish is not wish:
                order += 1
                mine.append(Claim(wish, law, order))
        self.order = order
        return bool(found)

    def claim(self, wish: Wish, name: str, part: nn.Module, hit: Hit) -> int:
        """Claim what a layer is started by; return how many tensors the rule may mean of it."""
        by_key = bool(hit.keys)
        found = slots_named(part, hit.keys, alone=hit.direct) if by_key else slots(part)
        roles = None if by_key else wish.init.roles
        keeps = not hit.direct and not by_key and any(slot.role == "scale" for slot in found)
        if roles is not None:
            found = [slot for slot in found if slot.role in roles]
        if keeps:
            reason = "a norm met along with other layers keeps its own"
            for slot in found:
                self.left.setdefault(id(slot.tensor), reason)
            return len(found)
        count = len(found)
        for slot in found:
            if not self.claim_slot(wish, name, part, slot, hit):
                return count
        if not hit.keys:
            for key in unreachable(part):
                full = f"{name}.{key}" if name else key
                problem = f"cannot fill {full}: it is computed by a parametrisation."
                self.unmatched.append(Unmatched(wish.rule.path, problem))
                for tensor in sources(part, key):
                    self.left.setdefault(id(tensor), f"it is what {full} is computed from")
                count += 1
        return count

    def claim_slot(self, wish: Wish, name: str, part: nn.Module, slot: Slot, hit: Hit) -> bool:
        """Claim one tensor; False if the layer is to be left alone for that."""
        full = f"{name}.{slot.key}" if name else slot.key
        me = identity(part, slot)
        why = unfit(slot.tensor)
        if why:
            self.left[me] = why
            if not is_lazy(slot.tensor):
                self.unmatched.append(Unmatched(wish.rule.path, f"cannot fill {full}: {why}."))
            return True
        may_keep = is_norm_layer(part) and wish.kind != "layer"
        law = wish.law(self.model, part, slot, full, by_key=bool(hit.keys), may_keep=may_keep)
        if law is None:
            least = wish.recipe.least_dims
            reason = f"{wish.rule.kind} needs {least} dimensions; a norm keeps its own"
            self.left.update({id(p): reason for p in part._parameters.values()})
            return False
        if slot.key in ("weight", "bias") and not (slot.via or hit.keys):
            known = type(part), slot.key, slot.tensor.shape, slot.tensor.dtype
            wish.usual[known] = law
        claims = self.claims.setdefault(me, [])
        if not (claims and claims[-1].wish is wish):  # one claim for a tied tensor
            self.order += 1
            claims.append(Claim(wish, law, self.order))
        elif hit.keys:  # its own name says more than its layer's
            claims[-1] = Claim(wish, law, claims[-1].order)
        if slot.via or slot.role == "buffer":
            self.named.setdefault(id(part), {})[slot.key] = slot
        if slot.via:
            self.left.update((id(p), f"it is set through {full}") for p in held_in(part, slot))
        return True


def identity(part: nn.Module, slot: Slot) -> int:
    """Return what a tensor is known by: its own id, or that of the chain that computes it."""
    if slot.via:
        chains = part._modules["parametrizations"]
        return id(chains._modules[slot.key])  # pyright: ignore[reportOptionalMemberAccess]
    return id(slot.tensor)


def everything(part: nn.Module) -> Iterator[int]:
    """Yield what the tensors of one layer are known by: parameters, buffers, computed ones."""
    for tensor in (*part._parameters.values(), *part._buffers.values()):
        if tensor is not None:
            yield id(tensor)
    for slot in slots_named(part, "*"):
        if slot.via:
            yield identity(part, slot)
            yield from map(id, held_in(part, slot))


def depth(source: Source) -> int:
    """Return how deep in the model a source stands; 0 for the model itself."""
    return source.name.count(".") + 1 if source.name else 0


def topmost(hits: Iterable[Hit], index: Index) -> list[str]:
    """Return the names of the modules met that are not inside of others that are."""
    names = dict.fromkeys(index.parts[hit.place][0] for hit in hits)
    if "" in names:
        return [""]

    def inside(name: str) -> bool:
        words = name.split(".")
        return any(".".join(words[:at]) in names for at in range(1, len(words)))

    return [name for name in names if not inside(name)]
