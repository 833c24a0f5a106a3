"""From the laws that were seen to an ``init_cfg`` that gives them: as few rules as it takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from torch import nn

from brickbook.errors import ConfigError
from brickbook.init.initializers import Target, fans_of_weight, law_for
from brickbook.init.laws import Constant, Law, law_in_dtype, same_law
from brickbook.init.planning import plan
from brickbook.init.tracing.configs import Spec, build, config_of, effort, is_fitted, possible_specs
from brickbook.init.tracing.events import TracedTensor
from brickbook.introspect import (
    ModuleIndex,
    ParamSlot,
    class_names,
    derived_params,
    find_slots,
    layer_slots,
    parse_selector,
    plain_name,
    resolve_selector,
    walk,
)

__all__ = ["RulesFound", "find_rules"]

NOT_ALONE = "no selector means it alone"
MOST_NUMBERS = 3  # in a name, of which any may be a star in a pattern


class RulesFound(NamedTuple):
    """An ``init_cfg``, and what it does not say.

    Attributes:
        config: the entries.
        unexpressed: why there is no rule for a parameter, by its name; no rule writes these.
    """

    config: list[dict[str, Any]]
    unexpressed: dict[str, str]


@dataclass(frozen=True, eq=False)
class Item:
    """A parameter of the model, with what rules have to make of it; None is nothing."""

    name: str
    module: nn.Module
    slot: ParamSlot
    law: Law | None

    @property
    def kind(self) -> str:
        """The class of its layer."""
        return type(self.module).__name__


class MatchedItem(NamedTuple):
    """A parameter that a selector matches; ``explicit`` if the selector names it."""

    item: Item
    explicit: bool


@dataclass(eq=False)
class CandidateRule:
    """A rule that may become an entry of the ``init_cfg``.

    Attributes:
        spec: the initialiser.
        layers: what it is for.
        bias: the number of the biases beside the weights; None if there are none.
        right: by the ids of the items that it matches, whether it gives them their law.
    """

    spec: Spec
    layers: list[str]
    bias: float | None
    right: dict[int, bool]

    @property
    def config(self) -> dict[str, Any]:
        """The entry of an ``init_cfg``."""
        return config_of(self.spec, self.layers, self.bias)

    def joined_with(self, other: CandidateRule) -> CandidateRule | None:
        """Return one rule in the place of two; None if they are not alike."""
        biases = {bias for bias in (self.bias, other.bias) if bias is not None}
        both = self.right.keys() & other.right.keys()
        if self.spec != other.spec or len(biases) > 1:
            return None
        if any(self.right[key] != other.right[key] for key in both):  # a rule has no order in it
            return None
        layers = list(dict.fromkeys((*self.layers, *other.layers)))
        return CandidateRule(
            self.spec, layers, next(iter(biases), None), {**self.right, **other.right}
        )


def find_rules(rows: Iterable[TracedTensor], model: nn.Module) -> RulesFound:
    """Return rules that give every parameter the law that it was seen to have.

    The rules are planned on the model, and what they would do otherwise is taken out: of a
    parameter that is not in ``unexpressed`` the plan has the law that was traced, and of any other
    it has none.

    Args:
        rows: what was traced.
        model: the model, which may be without memory.
    """
    wanted = {row.name: row for row in rows if row.kind == "parameter" and not row.tied_to}
    unexpressed = {name: str(row.why) for name, row in wanted.items() if row.law is None}
    for name, row in wanted.items():
        zeros = row.law in (None, Constant(0.0))
        if not zeros and row.padding != padding_of(model, name):
            unexpressed[name] = "the padding row of its layer is not the row that is 0"
    search = RuleSearch(model, {n: r.law for n, r in wanted.items() if n not in unexpressed})
    search.find()
    unexpressed |= search.failed
    candidates = search.merged()
    wrong = wrong_names(candidates, model, wanted, unexpressed)
    if wrong:  # names that read as another selector: each parameter by its full name, then
        candidates = search.by_full_name()
        wrong = wrong_names(candidates, model, wanted, unexpressed)
        for candidate in candidates:
            candidate.layers[:] = [name for name in candidate.layers if name not in wrong]
        unexpressed |= dict.fromkeys(wrong, NOT_ALONE)
    return RulesFound(
        [candidate.config for candidate in candidates if candidate.layers], unexpressed
    )


def padding_of(model: nn.Module, name: str) -> int | None:
    """Return the row that rules leave 0 in a tensor."""
    owner, _, key = name.rpartition(".")
    module = model.get_submodule(owner)
    if key == "weight" and isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return module.padding_idx
    return None


def wrong_names(
    candidates: Iterable[CandidateRule],
    model: nn.Module,
    wanted: Mapping[str, TracedTensor],
    unexpressed: Mapping[str, str],
) -> set[str]:
    """Return the parameters for which rules have another law than the one wanted."""
    try:
        planned = plan(model, [candidate.config for candidate in candidates])
    except ConfigError:
        return set(wanted)
    laws = {name: None if name in unexpressed else row.law for name, row in wanted.items()}
    found = {row.name: row.law for row in planned.rows if not row.tied_to}
    return {name for name in laws.keys() | found.keys()
            if not same_law(found.get(name), laws.get(name))}  # fmt: skip


class RuleSearch:
    """Finds rules: for whole classes first, later ones for the names that differ.

    Attributes:
        candidates: the rules found, a later one over an earlier one.
        failed: why no rule gives a parameter its law, by name.
    """

    def __init__(self, model: nn.Module, laws: Mapping[str, Law | None]) -> None:
        self.model, self.index = model, ModuleIndex(model)
        self.candidates: list[CandidateRule] = []
        self.failed: dict[str, str] = {}
        self.items: dict[int, Item] = {}  # by the id of the tensor
        self.memo: dict[Any, Any] = {}
        for prefix, module in walk(model):
            slots = {slot.key: slot for slot in find_slots(module, "*")}
            for key, tensor in module._parameters.items():
                name = f"{prefix}.{key}" if prefix else key
                if tensor is not None and id(tensor) not in self.items:
                    self.items[id(tensor)] = Item(name, module, slots[key], laws.get(name))

    def matches(self, selector: str) -> list[MatchedItem] | None:
        """Return what a selector matches; None if it matches what no rule may write."""
        if selector not in self.memo:
            self.memo[selector] = self.find_matches(selector)
        return self.memo[selector]

    def find_matches(self, selector: str) -> list[MatchedItem] | None:
        """Return what a selector matches, as a plan does."""
        found: dict[int, MatchedItem] = {}
        for match in resolve_selector(parse_selector(selector), self.index).matches:
            _, module = self.index.named_modules[match.position]
            if match.param_pattern:
                slots = find_slots(module, match.param_pattern, alone=match.direct)
            else:
                slots = layer_slots(module)
                if not match.direct and any(slot.role == "scale" for slot in slots):
                    continue
                if derived_params(module):
                    return None
            for slot in slots:
                item = self.items.get(id(slot.tensor))
                if item is None or item.law is None:
                    return None
                found[id(slot.tensor)] = MatchedItem(item, bool(match.param_pattern))
        return list(found.values())

    def law(self, spec: Spec, bias: float | None, matched: MatchedItem) -> Law | None:
        """Return the law of a rule for a parameter; None if there is none."""
        item, slot = matched.item, matched.item.slot
        if slot.role == "bias" and not matched.explicit:
            return Constant(float(bias or 0))
        shape, kind = tuple(slot.tensor.shape), type(item.module)
        key = (
            spec,
            kind,
            slot.key,
            slot.role,
            shape,
            slot.packed,
            slot.tensor.dtype,
            matched.explicit,
        )
        if key not in self.memo:
            init = build(spec)
            if slot.packed > 1:
                shape = (shape[0] // slot.packed, *shape[1:])
            target = Target(plain_name(item.name), shape, slot.role, item.module, self.model,
                            slot.packed)  # fmt: skip
            self.memo[key] = None
            if init is not None and len(shape) >= init.min_dims:
                try:
                    law = law_for(init, target, explicit=matched.explicit)
                    self.memo[key] = law_in_dtype(law, slot.tensor.dtype)
                except ConfigError:
                    pass
        return self.memo[key]

    def specs(self, item: Item) -> list[Spec]:
        """Return the initialisers that give a parameter its law, when it is named."""
        slot, law = item.slot, item.law
        shape = tuple(slot.tensor.shape)
        key = law, type(item.module), slot.key, slot.role, shape, slot.packed
        if law is not None and key not in self.memo:
            if slot.packed > 1:
                shape = (shape[0] // slot.packed, *shape[1:])
            try:
                fans = fans_of_weight(shape, item.module, slot.key) if len(shape) > 1 else None
            except ConfigError:
                fans = None
            self.memo[key] = [
                spec
                for spec in possible_specs(law, fans)
                if same_law(self.law(spec, None, MatchedItem(item, True)), law)
            ]
        return self.memo[key] if law is not None else []

    def fits(self, spec: Spec, bias: float | None, matched: MatchedItem) -> bool:
        """Whether a rule gives a parameter its law."""
        return same_law(self.law(spec, bias, matched), matched.item.law)

    def find(self) -> None:
        """Find the rules."""
        kinds = {type(item.module): None for item in self.items.values()}
        for kind in sorted(kinds, key=lambda each: len(class_names(each))):
            self.add_class(kind)
        self.add_names()

    def candidate(self, spec: Spec, selector: str, bias: float | None) -> CandidateRule:
        """Return a rule for what a selector matches."""
        matches = self.matches(selector) or []
        return CandidateRule(
            spec, [selector], bias, {id(h.item): self.fits(spec, bias, h) for h in matches}
        )

    def open_items(self, candidates: Iterable[CandidateRule]) -> list[Item]:
        """Return the parameters that have not their law by some rules, the later over earlier."""
        now: dict[int, bool] = {}
        for candidate in candidates:
            now.update(candidate.right)
        return [item for item in self.items.values()
                if item.law is not None and not now.get(id(item), False)]  # fmt: skip

    # By class.

    def add_class(self, kind: type[nn.Module]) -> None:
        """Add rules for the layers of a class: one for weight and bias, others for what is left."""
        word = kind.__name__
        left = {
            item.slot.key for item in self.open_items(self.candidates) if type(item.module) is kind
        }
        matches = self.matches(word) if left else None
        if matches:
            weights = [matched for matched in matches if not is_beside(matched)]
            biases = [matched.item.law for matched in matches if is_beside(matched)]
            spec, bias = self.most_common(weights), most_common_constant(biases)
            agreeing = sum(law == Constant(bias) for law in biases if bias is not None)
            if spec and 2 * agreeing >= len(biases):
                self.candidates.append(self.candidate(spec, word, bias))
                left -= {matched.item.slot.key for matched in matches}
        for key in sorted(left):
            selector = f"{word}:{key}"
            matches = self.matches(selector)
            spec = self.most_common(matches) if matches else None
            if spec:
                self.candidates.append(self.candidate(spec, selector, None))

    def most_common(self, matches: Iterable[MatchedItem]) -> Spec | None:
        """Return the initialiser that is right for most of some parameters, and possible for all.

        A single number that is right for few of many is no rule for them.
        """
        matches = list(matches)
        counts = Counter(spec for matched in matches for spec in self.specs(matched.item))

        def rank(spec: Spec) -> tuple[float, tuple[bool, bool, int]]:
            return -counts[spec] / (2 if is_fitted(spec) else 1), effort(spec)

        for spec in sorted(counts, key=rank):
            possible = all(self.law(spec, None, matched) is not None for matched in matches)
            if possible and 3 * counts[spec] >= len(matches):
                return spec
        return None

    # By name.

    def add_names(self) -> None:
        """Add rules for the parameters that have not their law by those of their classes.

        Every rule is right for all that it matches; the one for the most parameters goes first.
        """
        left = {id(item): item for item in self.open_items(self.candidates)}
        options: dict[tuple[Spec, str], CandidateRule] = {}
        for item in left.values():
            if not self.specs(item):
                self.failed[item.name] = f"no rule gives {item.law}"
            for selector, spec in product(dict.fromkeys(patterns_of(item.name)), self.specs(item)):
                matches = self.matches(selector)
                if matches and (spec, selector) not in options:
                    bias = most_common_constant(h.item.law for h in matches if is_beside(h))
                    options[spec, selector] = self.candidate(spec, selector, bias)
        pure = [candidate for candidate in options.values() if all(candidate.right.values())]
        pure.sort(key=cost_of)
        keys = {key for key, item in left.items() if item.name not in self.failed}
        while keys:
            best = max(pure, key=lambda candidate: len(candidate.right.keys() & keys), default=None)
            if best is None or best.right.keys().isdisjoint(keys):
                break
            self.candidates.append(best)
            keys -= best.right.keys()
        self.failed |= dict.fromkeys((left[key].name for key in keys), NOT_ALONE)

    def merged(self) -> list[CandidateRule]:
        """Return the rules, those of one law as one where the order of the others allows it."""
        candidates, failed = list(self.candidates), len(self.open_items(self.candidates))
        for candidate in self.candidates:
            for twin in [each for each in candidates if each is not candidate]:
                both = twin.joined_with(candidate)
                for place in (twin, candidate) if both and candidate in candidates else ():
                    tried = [both if each is place else each for each in candidates]
                    tried = [each for each in tried if each and each not in (candidate, twin)]
                    if len(self.open_items(tried)) == failed:
                        candidates = tried
                        break
        places = {candidate.layers[0]: at for at, candidate in enumerate(self.candidates)}
        for candidate in candidates:
            candidate.layers.sort(key=lambda layer: places[layer])
        return candidates

    def by_full_name(self) -> list[CandidateRule]:
        """Return rules that name each parameter: for a model whose names read as patterns."""
        found: dict[Spec, CandidateRule] = {}
        for item in self.items.values():
            for spec in self.specs(item)[:1] if item.name not in self.failed else ():
                found.setdefault(spec, CandidateRule(spec, [], None, {})).layers.append(item.name)
        return list(found.values())


def is_beside(matched: MatchedItem) -> bool:
    """Whether a parameter gets the bias of a rule."""
    return matched.item.slot.role == "bias" and not matched.explicit


def most_common_constant(laws: Iterable[Law | None]) -> float | None:
    """Return the number that most of some parameters are; None if none is a number."""
    counts = Counter(law.value for law in laws if isinstance(law, Constant))
    return counts.most_common(1)[0][0] if counts else None


def cost_of(candidate: CandidateRule) -> tuple[object, int]:
    """Return how hard a rule is to read."""
    return effort(candidate.spec), len(candidate.layers[0])


def patterns_of(name: str) -> Iterator[str]:
    """Yield selectors for a parameter, and for the layer that it is in: all its like, or it alone.

    >>> list(patterns_of("blocks.0.proj.weight"))[:3]
    ['blocks.*.proj.weight', 'blocks.*.proj', 'blocks.0.proj.weight']
    """
    words = name.split(".")
    numbers = [at for at, word in enumerate(words) if word.isdigit()]
    starred = list(product((True, False), repeat=len(numbers)))
    if len(numbers) > MOST_NUMBERS:
        starred = [starred[0], starred[-1]]
    for stars in starred:
        shown = list(words)
        for at, star in zip(numbers, stars, strict=True):
            shown[at] = "*" if star else shown[at]
        yield ".".join(shown)
        if len(shown) > 1:
            yield ".".join(shown[:-1])
    for length in range(1, min(4, len(words))):
        tail = words[-length:]
        if not any(word.isdigit() for word in tail):
            yield ".".join(("*", *tail))
            if length > 1:
                yield ".".join(("*", *tail[:-1]))
