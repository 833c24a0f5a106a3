"""The candidate law of every rule for every tensor, in mmcv's order of writing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from brickbook.errors import (
    BadValueError,
    ConfigError,
    NoSuchModuleError,
    Sentence,
    as_sentence,
    format_value,
    join_limited,
    nearest,
    shorten,
)
from brickbook.init.initializers import BaseInit, PretrainedInit, Target, law_for
from brickbook.init.laws import Law, law_in_dtype, range_problem
from brickbook.init.planning.config import Override, Rule
from brickbook.init.planning.result import CheckpointLoad, CustomCall, DataFit
from brickbook.init.planning.sources import AlreadyInitialized, ConfigSource, CustomInit
from brickbook.init.planning.why import Reason, Why
from brickbook.introspect import (
    ModuleIndex,
    ModuleMatch,
    ParamSlot,
    Selector,
    Unmatched,
    are_placeholders,
    derived_params,
    explain_no_match,
    find_module,
    find_slots,
    is_norm_layer,
    layer_slots,
    merge_matches,
    parse_selector,
    plain_name,
    resolve_selector,
    source_params,
    storage_of,
    unfillable_reason,
)

__all__ = ["Candidate", "PlanBuilder", "tensor_key"]

Level = Literal["default", "layer", "override", "after load"]
LayerKind = tuple[object, ...]
LawKey = tuple[type, str, bool, torch.Size, torch.dtype, int]


class BoundRule:
    """A rule bound to its place in a model, which gives the law for each tensor.

    Laws are kept by shape: a large model has few different ones.

    Attributes:
        level: what its precedence depends on, see `precedence.PRIORITY`.
        after_checkpoint: the path of the checkpoint's entry that an override stands in, else "".
        depth: how deep in the model its config stands.
    """

    def __init__(
        self, rule: Rule, init: BaseInit, level: Level, after_checkpoint: str = "", depth: int = 0
    ) -> None:
        self.rule, self.init, self.level = rule, init, level
        self.after_checkpoint, self.depth = after_checkpoint, depth
        self.memo: dict[object, Any] = {}
        self.laws: dict[LawKey, Law] = {}
        self.layers: dict[LayerKind, list[tuple[str, Law]]] = {}

    def law_for(
        self, model: nn.Module, name: str, module: nn.Module, slot: ParamSlot, explicit: bool
    ) -> Law | None:
        """Return the checked law for a tensor: the initialiser's, or for a bias its number.

        Args:
            model: the model that is planned.
            name: the name of ``module`` in it.
            module: the layer.
            slot: the layer's tensor.
            explicit: the rule names the tensor itself: it gets the initialiser's law, whatever
                its role is.

        Returns:
            None for a norm whose weight has too few dimensions, which is to keep its values.

        Raises:
            BadValueError: another tensor has too few dimensions, or its dtype cannot hold the law.
        """
        tensor = slot.tensor
        weight = explicit or slot.role != "bias"
        key = type(module), slot.key, weight, tensor.shape, tensor.dtype, slot.packed
        law = self.laws.get(key)
        if law is not None:
            return law
        full_name, init = join_name(name, slot.key), self.init
        shape = tuple(tensor.shape)
        if slot.packed > 1:
            shape = (shape[0] // slot.packed, *shape[1:])
        if weight and tensor.dim() < init.min_dims:
            if self.level != "layer" and is_norm_layer(module):
                return None
            raise too_few_dims(init.min_dims, self.rule, full_name, module, shape)
        plain = plain_name(full_name)
        target = Target(plain, shape, slot.role, module, model, slot.packed, self.memo)
        try:
            law = law_for(init, target, explicit=explicit)
        except ConfigError as error:
            if error.path not in init.model_arguments:  # what the model lacks names the tensor
                about = as_sentence(error.problem)
                error.problem = Sentence("for {name}: {problem}", name=full_name, problem=about)
                error.args = (error.path, error.problem, error.hint)
            if not error.path.startswith(self.rule.path):
                error.rebase(self.rule.path)
            raise
        law = law_in_dtype(law, tensor.dtype)
        if problem := range_problem(law, tensor.dtype):
            about = Sentence("for {name}: {problem}.", name=full_name, problem=as_sentence(problem))
            raise BadValueError(self.rule.path, about)
        if not (weight and init.model_arguments):
            self.laws[key] = law
        return law


def too_few_dims(
    least_dims: int, rule: Rule, full_name: str, module: nn.Module, shape: tuple[int, ...]
) -> BadValueError:
    """Return the error for a law that needs more dimensions than a weight has."""
    return BadValueError(
        f"{rule.path}.type",
        Sentence(
            "{type} needs a weight of {n} or more dimensions, {name} of {layer} has shape {shape}.",
            type=rule.type_name,
            n=least_dims,
            name=full_name,
            layer=type(module).__name__,
            shape=shape,
        ),
    )


class Candidate(NamedTuple):
    """The law that one rule has for one tensor, and its place in mmcv's order of writing."""

    bound_rule: BoundRule
    law: Law
    order: int


class PlanBuilder:
    """Collects what every part of a model asks for, in mmcv's order of writing.

    Tensors are known by `tensor_key`. `precedence.resolve` makes the plan of it.

    Attributes:
        candidates: the laws that rules have for a tensor, in the order of the rules.
        skipped: why a tensor that a rule matches has no candidate.
        initialized, protected: why nothing may write a tensor, whatever the rules say.
        named_slots: by module id and key, what rules fill that is no parameter of the module:
            buffers that a rule names, and what a parametrisation computes.
        loads: checkpoints, each with the depth in the model of the config it stands in.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.candidates: dict[int, list[Candidate]] = {}
        self.skipped: dict[int, Reason] = {}
        self.initialized: dict[int, Reason] = {}
        self.protected: dict[int, Reason] = {}
        self.named_slots: dict[int, dict[str, ParamSlot]] = {}
        self.unmatched: list[Unmatched] = []
        self.loads: list[tuple[int, CheckpointLoad]] = []
        self.custom_calls: list[CustomCall] = []
        self.fits: list[DataFit] = []
        self.base_modules: list[str] = []
        self.indexes: dict[int, ModuleIndex] = {}
        self.last_order = 0

    def add(self, source: ConfigSource | CustomInit | AlreadyInitialized) -> None:
        """Add what one module of the tree brings."""
        if isinstance(source, CustomInit) and source.missing:
            self.add_uncalled(source)
        elif isinstance(source, CustomInit):
            self.custom_calls.append(CustomCall(source.path, source.name, self.next_order()))
        elif isinstance(source, AlreadyInitialized):
            self.mark_initialized(source)
        else:
            if source.from_base_module:
                self.base_modules.append(source.name)
            for entry in source.entries:
                self.add_rule(entry.rule, source, bool(entry.overrides))
                for override in entry.overrides:
                    self.add_override(override, entry.rule, source)

    def add_uncalled(self, source: CustomInit) -> None:
        """Note that custom init code is not called, because it needs arguments."""
        needed = ", ".join(source.missing)
        problem = Sentence("it needs {arguments} and is not called.", arguments=needed)
        self.unmatched.append(Unmatched(source.path, problem, "Call it yourself."))
        reason = Reason(Why.NEEDS_ARGUMENTS, source.path, needed)
        for tensor in source.module.parameters():
            self.skipped.setdefault(id(tensor), reason)

    def mark_initialized(self, source: AlreadyInitialized) -> None:
        """Leave what the rules of an initialised module match, or all of the module."""
        index = self.index_of(source.module, source.name)
        loads = any(isinstance(entry.rule.init, PretrainedInit) for entry in source.entries)
        positions: Iterable[int] = range(len(index.named_modules))
        if not (source.keep_all or loads):
            selectors = [
                parse_selector(layer)
                for entry in source.entries
                if isinstance(entry.rule.init, BaseInit)
                for layer in entry.rule.init.layers
            ]
            found = merge_matches(resolve_selector(each, index) for each in selectors)
            positions = {match.position for match in found}
        reason = Reason(Why.ALREADY_INITIALIZED, source.name)
        for position in positions:
            keys = all_tensor_keys(index.named_modules[position][1])
            self.initialized.update(dict.fromkeys(keys, reason))

    def pin(self, selectors: Iterable[tuple[str, Selector]], kind: Why) -> bool:
        """Let nothing write the tensors that selectors match; return whether any does."""
        index, any_matches = self.index_of(self.model, ""), False
        for path, selector in selectors:
            reason = Reason(kind, path)
            tensor = index.tensors.get(plain_name(str(selector.source)))
            if tensor is not None:  # a look-up: there may be thousands of names
                self.protected[id(tensor)], any_matches = reason, True
                continue
            matches = resolve_selector(selector, index).matches
            any_matches |= bool(matches)
            for match in matches:
                module = index.named_modules[match.position][1]
                if not match.param_pattern:
                    self.protected.update(dict.fromkeys(all_tensor_keys(module), reason))
                    continue
                for slot in find_slots(module, match.param_pattern):
                    keys = (tensor_key(module, slot), *map(id, storage_of(module, slot)))
                    self.protected.update(dict.fromkeys(keys, reason))
            if not matches:
                names = [name for name, _ in self.model.named_parameters()]
                shown = selector.source if isinstance(selector.source, str) else selector.text
                shown = shorten(shown)
                hint = nearest(shown, names)
                problem = Sentence("{name} matches nothing.", name=shown)
                self.unmatched.append(Unmatched(path, problem, hint))
        return any_matches

    def pin_named(self, names: Iterable[str], kind: Why, path: str) -> bool:
        """Let nothing write the tensors of these names; return whether there is any."""
        tensors, missing, count = self.index_of(self.model, "").tensors, [], 0
        for name in names:
            if (tensor := tensors.get(plain_name(name))) is None:
                missing.append(name)
            else:
                self.protected[id(tensor)], count = Reason(kind, path), count + 1
        if missing:
            problem = Sentence("the model has no {names}.", names=join_limited(missing))
            self.unmatched.append(Unmatched(path, problem))
        return bool(count)

    def add_rule(self, rule: Rule, source: ConfigSource, has_override: bool) -> None:
        """Add the rule of one entry, for the layers it names."""
        init = rule.init
        if isinstance(init, PretrainedInit):
            load = CheckpointLoad(rule.path, source.name, init)
            self.loads.append((source_depth(source), load))
        elif not rule.has_law:
            self.custom_calls.append(CustomCall(rule.path, source.name, self.next_order(), rule))
        elif isinstance(init, BaseInit) and init.layers:
            self.add_layer_rule(rule, init, source)
        elif not has_override:
            problem = "does nothing: it has neither 'layer' nor 'override'."
            self.unmatched.append(Unmatched(rule.path, problem))

    def add_layer_rule(self, rule: Rule, init: BaseInit, source: ConfigSource) -> None:
        """Add the candidates of a rule with ``layer``."""
        index = self.index_of(source.module, source.name)
        found = [resolve_selector(parse_selector(layer), index) for layer in init.layers]
        level: Level = "default" if source.is_default else "layer"
        bound = BoundRule(rule, init, level, depth=source_depth(source))
        if callable(getattr(init, "adjust", None)):
            self.fits.append(DataFit(rule.path, rule.type_name, init))
        filled = self.add_matches(bound, index, merge_matches(found))
        if level != "default":
            path = f"{rule.path}.layer"
            self.unmatched.extend(explain_no_match(path, found, index, filled))

    def add_override(self, override: Override, outer: Rule, source: ConfigSource) -> None:
        """Add what an override asks for: of every layer under one name, or of one pattern."""
        rule, init = override.rule, override.rule.init
        index = self.index_of(source.module, source.name)
        matches = match_override(override, index)
        names = outermost(matches, index)
        if override.ignored_layer:
            problem = "is not used: an override fills every layer below it."
            self.unmatched.append(Unmatched(f"{rule.path}.layer", problem))
        for name in names:
            if isinstance(init, PretrainedInit):
                load = CheckpointLoad(rule.path, name, init)
                self.loads.append((source_depth(source), load))
            elif not rule.has_law:
                order = self.next_order()
                self.custom_calls.append(CustomCall(rule.path, name, order, rule, True))
        if not (isinstance(init, BaseInit) and rule.has_law):
            return
        level: Level = "default" if source.is_default else "override"
        after = ""
        if isinstance(outer.init, PretrainedInit):
            level, after = "after load", outer.path
        bound = BoundRule(rule, init, level, after, source_depth(source))
        if any(init.modules_to_fill(index.by_name[name]) is not None for name in names):
            matches = [ModuleMatch(index.positions[id(index.by_name[name])]) for name in names]
        filled = self.add_matches(bound, index, matches)
        if not filled and not are_placeholders((match.position for match in matches), index):
            problem = "{name} has no 'weight' or 'bias' that it could fill."
            problem = Sentence(problem, name=repr(override.selector.source))
            self.unmatched.append(Unmatched(f"{rule.path}.name", problem))

    def add_matches(
        self, bound_rule: BoundRule, index: ModuleIndex, matches: Iterable[ModuleMatch]
    ) -> set[int]:
        """Add a rule's candidates for the layers it matches.

        Returns:
            The positions of the layers of which the rule fills anything.
        """
        filled = set()
        for match in matches:
            name, module = index.named_modules[match.position]
            inner = bound_rule.init.modules_to_fill(module)
            if inner is None:
                count = self.add_module(bound_rule, name, module, match)
            else:
                names = {id(part): full for full, part in ModuleIndex(module, name).named_modules}
                count = sum(
                    self.add_module(bound_rule, names[id(part)], part, ModuleMatch(0))
                    for part in inner
                )
            if count:
                filled.add(match.position)
        return filled

    def add_module(
        self, bound_rule: BoundRule, name: str, module: nn.Module, match: ModuleMatch
    ) -> int:
        """Add a rule's candidates for one layer; return how many of its tensors are matched.

        Most layers of a large model are like another one, which the rule has been bound to before.
        """
        kind = None if match.param_pattern else layer_kind(module, match.direct)
        if kind is not None and (known := bound_rule.layers.get(kind)):
            for key, law in known:
                self.add_candidate(id(module._parameters[key]), bound_rule, law)
            return len(known)
        if match.param_pattern:
            slots = find_slots(module, match.param_pattern, alone=match.direct)
        else:
            slots, roles = layer_slots(module), bound_rule.init.roles
            keeps = not match.direct and any(slot.role == "scale" for slot in slots)
            if roles is not None:
                slots = [slot for slot in slots if slot.role in roles]
            if keeps:
                reason = Reason(Why.NORM_AMONG_OTHERS)
                for slot in slots:
                    self.skipped.setdefault(id(slot.tensor), reason)
                return len(slots)
        explicit = bool(match.param_pattern)
        for slot in slots:
            if not self.add_slot(bound_rule, name, module, slot, explicit):
                return len(slots)
        derived = () if match.param_pattern else derived_params(module)
        for key in derived:
            full = join_name(name, key)
            problem = Sentence(
                "cannot fill {name}: it is computed by a parametrisation.", name=full
            )
            self.unmatched.append(Unmatched(bound_rule.rule.path, problem))
            for tensor in source_params(module, key):
                self.skipped.setdefault(id(tensor), Reason(Why.SOURCE_OF, full))
        fillable = not (derived or any(unfillable_reason(slot.tensor) for slot in slots))
        if kind is not None and fillable and not bound_rule.init.model_arguments:
            laws = (bound_rule.law_for(self.model, name, module, slot, False) for slot in slots)
            bound_rule.layers[kind] = [
                (slot.key, law) for slot, law in zip(slots, laws, strict=True) if law
            ]
        return len(slots) + len(derived)

    def add_slot(
        self, bound_rule: BoundRule, name: str, module: nn.Module, slot: ParamSlot, explicit: bool
    ) -> bool:
        """Add a rule's candidate for one tensor; ``explicit`` if the rule names the tensor.

        Returns:
            False if the whole layer is to be left alone: a norm under a law for matrices.
        """
        tensor = slot.tensor
        key = tensor_key(module, slot) if slot.through_parametrization else id(tensor)
        if problem := unfillable_reason(tensor):
            self.skipped[key] = Reason(Why.UNFILLABLE, problem)
            if not is_lazy(tensor):
                full = join_name(name, slot.key)
                problem = Sentence(
                    "cannot fill {name}: {why}.", name=full, why=as_sentence(problem)
                )
                self.unmatched.append(Unmatched(bound_rule.rule.path, problem))
            return True
        law = bound_rule.law_for(self.model, name, module, slot, explicit)
        if law is None:
            least = str(bound_rule.init.min_dims)
            reason = Reason(Why.NORM_TOO_FLAT, bound_rule.rule.type_name, least)
            self.skipped.update({id(p): reason for p in module._parameters.values()})
            return False
        self.add_candidate(key, bound_rule, law, explicit)
        if slot.through_parametrization:
            reason = Reason(Why.SET_THROUGH, join_name(name, slot.key))
            self.skipped.update((id(p), reason) for p in storage_of(module, slot))
        if slot.through_parametrization or slot.role == "buffer":
            self.named_slots.setdefault(id(module), {})[slot.key] = slot
        return True

    def add_candidate(
        self, key: int, bound_rule: BoundRule, law: Law, explicit: bool = False
    ) -> None:
        """Add a rule's law for the tensor of a key, once."""
        candidates = self.candidates.get(key)
        if candidates is None:
            self.candidates[key] = [Candidate(bound_rule, law, self.next_order())]
        elif candidates[-1].bound_rule is not bound_rule:
            candidates.append(Candidate(bound_rule, law, self.next_order()))
        elif explicit:  # a tied tensor: its own name says more than its layer's
            candidates[-1] = candidates[-1]._replace(law=law)

    def next_order(self) -> int:
        """Return the next place in the order of writing."""
        self.last_order += 1
        return self.last_order

    def index_of(self, module: nn.Module, name: str) -> ModuleIndex:
        """Return the index of a part of the model; made once."""
        found = self.indexes.get(id(module))
        if found is None or found.prefix != name:
            found = self.indexes[id(module)] = ModuleIndex(module, name)
        return found


def layer_kind(module: nn.Module, direct: bool) -> LayerKind | None:
    """Return what a rule for layers goes by: of equal layers it fills the same by the same laws.

    None for a layer with a parametrisation, or with a tensor that is not as plain as most.
    """
    if "parametrizations" in module._modules:
        return None
    kind: list[object] = [type(module), direct]
    for key, tensor in module._parameters.items():
        if tensor is not None:
            if type(tensor) is not nn.Parameter or tensor.layout is not torch.strided:
                return None
            if tensor.is_inference() or not tensor.is_contiguous():
                return None
            kind += (key, tensor.shape, tensor.dtype)
    return tuple(kind)


def match_override(override: Override, index: ModuleIndex) -> list[ModuleMatch]:
    """Return what an override matches.

    A plain name is an attribute, as in mmcv (a property that returns a layer is one), and
    everything below it is meant; else it is what it would be in ``layer``.

    Raises:
        NoSuchModuleError: it matches nothing.
    """
    selector = override.selector
    positions = find_module(selector, index) if selector.kind == "name" else []
    if positions and not selector.param_pattern:
        return [ModuleMatch(at) for at in index.descendants(positions)]
    matches = list(resolve_selector(selector, index).matches) if selector.text else []
    if not matches:
        raise NoSuchModuleError(
            f"{override.rule.path}.name",
            Sentence(
                "{model} has no module {name}.",
                model=type(index.module).__name__,
                name=format_value(selector.source),
            ),
            nearest(
                str(selector.source).strip("*"),
                (name for name, _ in index.named_positions if name),
            ),
        )
    return matches


def source_depth(source: ConfigSource) -> int:
    """Return how deep in the model a source stands; 0 for the model itself."""
    return source.name.count(".") + 1 if source.name else 0


def outermost(matches: Iterable[ModuleMatch], index: ModuleIndex) -> list[str]:
    """Return the names of the matched modules that are not inside of others that are."""
    names = dict.fromkeys(index.named_modules[match.position][0] for match in matches)
    if "" in names:
        return [""]

    def inside(name: str) -> bool:
        keys = name.split(".")
        return any(".".join(keys[:at]) in names for at in range(1, len(keys)))

    return [name for name in names if not inside(name)]


def join_name(prefix: str, key: str) -> str:
    """Return the full name of a module's tensor."""
    return f"{prefix}.{key}" if prefix else key


def tensor_key(module: nn.Module, slot: ParamSlot) -> int:
    """Return what a tensor is known by: its own id, or that of the chain that computes it."""
    if slot.through_parametrization:
        return id(module.get_submodule(f"parametrizations.{slot.key}"))
    return id(slot.tensor)


def all_tensor_keys(module: nn.Module) -> Iterator[int]:
    """Yield what the tensors of one layer are known by: parameters, buffers, computed ones."""
    for tensor in (*module._parameters.values(), *module._buffers.values()):
        if tensor is not None:
            yield id(tensor)
    for slot in find_slots(module, "*"):
        if slot.through_parametrization:
            yield tensor_key(module, slot)
            yield from map(id, storage_of(module, slot))
