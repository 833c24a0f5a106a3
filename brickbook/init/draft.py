"""Gathering what every rule wants of every tensor, in mmcv's order of writing."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from brickbook.errors import NoSuchModuleError, nearest
from brickbook.init.claims import Claims, everything, identity
from brickbook.init.collect import Call, Kept, Source
from brickbook.init.initializers import BaseInit, PretrainedInit
from brickbook.init.matching import Index, Selector, read_selector
from brickbook.init.meeting import Hit, in_order, meet
from brickbook.init.rows import Fit, Load, Run, Unmatched
from brickbook.init.rules import Override, Rule
from brickbook.init.targets import (
    held_in,
    slots_named,
)
from brickbook.init.unmatched import without_effect
from brickbook.init.wishes import Kind, Wish

__all__ = ["Draft"]


class Draft(Claims):
    """A plan in the making: what the parts of a tree say, in mmcv's order of writing."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.kept: dict[int, str] = {}
        self.protected: dict[int, str] = {}
        self.loads: list[tuple[int, Load]] = []
        self.runs: list[Run] = []
        self.fits: list[Fit] = []
        self.starts: list[str] = []
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
        wish = Wish(rule, init, kind, depth=depth(source))
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
