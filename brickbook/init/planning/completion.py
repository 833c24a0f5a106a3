"""A plan for a model without memory: torch's defaults, resets, what stays empty."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.config import callable_without_args
from brickbook.errors import BadValueError, join_limited
from brickbook.init.laws import Law, law_in_dtype
from brickbook.init.planning.candidates import join_name
from brickbook.init.planning.config import Rule
from brickbook.init.planning.result import CustomCall, InitPlan, Phase, PlanRow
from brickbook.init.planning.sources import is_base_module
from brickbook.init.planning.torch_defaults import (
    is_torch_method,
    own_tensors,
    torch_default_laws,
    torch_laws_by_id,
)
from brickbook.init.planning.why import Reason, Why
from brickbook.introspect import (
    is_sharded,
    meta_attributes,
    parametrized_slots,
    post_order,
    tensors_in,
    unfillable_reason,
    walk,
)

__all__ = [
    "RESET_METHODS",
    "CompletedPlan",
    "complete_plan",
    "extra_rows",
    "is_poisoned",
    "poison",
    "unfilled_error",
]

TORCH_SOURCE, TORCH_RULE = "torch", "default"
UNKNOWN_STARTS = (  # what a trace says of tensors that have no law
    Why.OWN_CODE, Why.COMPUTED, Why.LEFT_EMPTY, Why.NOT_SEEN, Why.LOADED,
)  # fmt: skip
RESET_METHODS = (
    "reset_parameters",
    "reset_buffers",
    "init_non_persistent_buffers",
    "init_weights",
)


@dataclass(frozen=True)
class CompletedPlan:
    """A plan with a row for every tensor that has no values.

    Attributes:
        plan: the plan, with torch's own laws and the resets of modules.
        uncertain: rows without a law on whose module custom init code is called: whether it fills
            them cannot be known before.
        uncovered: rows that nothing fills.
    """

    plan: InitPlan
    uncertain: tuple[PlanRow, ...]
    uncovered: tuple[PlanRow, ...]

    @property
    def without_law(self) -> tuple[PlanRow, ...]:
        """The rows without a law."""
        return self.uncertain + self.uncovered


def complete_plan(plan: InitPlan, model: nn.Module, loaded_ids: Collection[int]) -> CompletedPlan:
    """Add torch's own laws and the resets of modules to a plan; nothing is written.

    Args:
        plan: the plan of ``model`` by its rules.
        model: the model, with tensors on the meta device.
        loaded_ids: the ids of the tensors that checkpoints fill.
    """
    plan = add_default_rows(plan, model)
    plan = replace(plan, rows=(*plan.rows, *extra_rows(plan, model)))
    tensors = dict(tensors_in(model))
    filled = {id(tensors[row.name]) for row in plan.rows if is_set_by_rule(row, tensors)}
    open_ids = {id(tensor) for tensor in tensors.values() if tensor.is_meta}
    open_ids -= {*loaded_ids, *filled}
    plan = replace(plan, runs=(*plan.runs, *find_resets(model, open_ids, plan.runs)))
    uncertain, uncovered = {}, {}
    for row in plan.rows:
        tensor = tensors.get(row.name)
        if row.law is not None or row.tied_to or row.is_left(Why.SET_THROUGH, Why.COMPUTED_FROM):
            continue
        if tensor is not None and (id(tensor) in loaded_ids or not tensor.is_meta):
            continue
        row = with_reason(row, tensor, plan.runs)
        (uncertain if row.is_left(Why.MAY_FILL) else uncovered)[row.name] = row
    empty = uncertain | uncovered
    rows = tuple(empty.get(row.name, row) for row in plan.rows)
    return CompletedPlan(
        replace(plan, rows=rows), tuple(uncertain.values()), tuple(uncovered.values())
    )


def is_set_by_rule(row: PlanRow, tensors: Mapping[str, Tensor]) -> bool:
    """Whether a rule of the config, not torch's own law, fills a tensor."""
    return row.law is not None and row.phase is Phase.RULES and row.name in tensors


def with_reason(row: PlanRow, tensor: Tensor | None, calls: Iterable[CustomCall]) -> PlanRow:
    """Return the row of a tensor that no law fills, with the reason for it."""
    if tensor is not None and is_lazy(tensor):
        return row._replace(why=Reason(Why.UNFILLABLE, unfillable_reason(tensor)))
    paths = () if row.pinned or tensor is None else calls_covering(calls, row)
    if paths:
        return row._replace(why=Reason(Why.MAY_FILL, ", ".join(paths)), later_writers=paths)
    if row.later_writers:
        return row._replace(why=Reason(Why.NOT_IN_CHECKPOINT, ", ".join(row.later_writers)))
    return row


def calls_covering(calls: Iterable[CustomCall], row: PlanRow) -> tuple[str, ...]:
    """Return the paths of the calls on a tensor's module, or on a module around it."""
    return tuple(
        call.path for call in calls if not call.name or row.name.startswith(f"{call.name}.")
    )


def extra_rows(plan: InitPlan, model: nn.Module) -> Iterator[PlanRow]:
    """Yield rows for meta tensors that the plan does not have: buffers, and plain attributes."""
    seen: dict[int, str] = {}
    for prefix, module in walk(model):
        for key, tensor in own_tensors(module):
            name = join_name(prefix, key)
            first = seen.setdefault(id(tensor), name)
            if key not in module._buffers or name in plan or not tensor.is_meta:
                continue
            row = empty_row(name, "buffer", module, tensor)
            if first == name:
                yield row._replace(why=Reason(Why.NO_RULE, row.module))
            else:
                yield row._replace(why=Reason(Why.TIED, first), tied_to=first)
    names = {id(module): name for name, module in model.named_modules()}
    for module, key, tensor in meta_attributes(model):
        if id(tensor) not in seen:
            row = empty_row(join_name(names[id(module)], key), "attribute", module, tensor)
            yield row._replace(why=Reason(Why.PLAIN_ATTRIBUTE))


def empty_row(name: str, kind: str, module: nn.Module, tensor: Tensor) -> PlanRow:
    """Return a row for a tensor that the plan does not have."""
    shape = () if is_lazy(tensor) else tuple(tensor.shape)
    return PlanRow(name, kind, type(module).__name__, shape, str(tensor.dtype)[6:])


# What torch's constructors would do.


def add_default_rows(plan: InitPlan, model: nn.Module) -> InitPlan:
    """Return a plan in which torch's own law fills what no rule matches.

    Only tensors on the meta device, which have no values to keep: parameters, what torch's
    parametrisations compute, and the running statistics of norms. They come before all other
    steps, in the order of the model, so that rules, custom init code and checkpoints write later.
    What is protected, frozen under ``frozen='skip'``, or of an initialised module keeps its row.
    """
    laws = torch_laws_by_id(model)
    tensors: dict[str, tuple[nn.Module, str, Tensor]] = {
        join_name(prefix, key): (module, key, tensor)
        for prefix, module in walk(model)
        for key, tensor in own_tensors(module)
    }
    rows = {row.name: row for row in plan.rows}
    for row in plan.rows:
        module, key, tensor = tensors.get(row.name, (model, "", None))
        law = laws.get(id(tensor))
        if tensor is not None and law is not None and accepts_default(row, tensor):
            padding = getattr(module, "padding_idx", None) if key == "weight" else None
            rows[row.name] = with_default_law(row, law)._replace(padding=padding)
    for prefix, module in walk(model):
        if "parametrizations" in module._modules:
            add_parametrized_defaults(rows, prefix, module, tensors)
    seen = set[int]()
    for name, (module, key, tensor) in tensors.items():
        law = laws.get(id(tensor)) if key in module._buffers and tensor.is_meta else None
        if law is not None and id(tensor) not in seen and not is_lazy(tensor):
            seen.add(id(tensor))
            row = empty_row(name, "buffer", module, tensor)
            rows.setdefault(name, with_default_law(row, law))
    ordered = (
        row._replace(order=at) if row.phase is Phase.TORCH_DEFAULTS else row
        for at, row in enumerate(rows.values())
    )
    return replace(plan, rows=tuple(ordered))


def accepts_default(row: PlanRow, tensor: Tensor) -> bool:
    """Whether torch's law may fill a row: it has no law, no values and no reason to stay."""
    free = row.law is None and not row.tied_to and not row.pinned and tensor.is_meta
    return free and not row.is_left(Why.ALREADY_INITIALIZED) and not unfillable_reason(tensor)


def with_default_law(row: PlanRow, law: Law) -> PlanRow:
    """Return a row with torch's law."""
    law = law_in_dtype(law, getattr(torch, row.dtype))
    return row._replace(
        law=law, source=TORCH_SOURCE, rule=TORCH_RULE, why=None, phase=Phase.TORCH_DEFAULTS
    )


def add_parametrized_defaults(
    rows: dict[str, PlanRow],
    prefix: str,
    module: nn.Module,
    tensors: Mapping[str, tuple[nn.Module, str, Tensor]],
) -> None:
    """Give torch's law to what a layer's parametrisations compute, if no rule has any part of it.

    Args:
        rows: the rows by name, which are changed.
        prefix: the name of ``module``.
        module: a layer with parametrisations.
        tensors: the module, key and tensor of every name.
    """
    laws = torch_default_laws(module)
    for slot in parametrized_slots(module):
        name, chain_key = join_name(prefix, slot.key), f"parametrizations.{slot.key}"
        inner = tensors_in(module.get_submodule(chain_key))
        names = (join_name(prefix, f"{chain_key}.{key}") for key, _ in inner)
        storage = [rows[each] for each in names if each in rows]
        free = all(
            accepts_default(row, tensors[row.name][2]) for row in storage if row.name in tensors
        )
        if slot.key in laws and name not in rows and free:
            row = empty_row(name, "parametrised", module, slot.tensor)
            rows[name] = with_default_law(row, laws[slot.key])
            for each in storage:
                rows[each.name] = each._replace(why=Reason(Why.SET_THROUGH, name))


# What modules do to initialise themselves again.


def find_resets(
    model: nn.Module, open_ids: Collection[int], calls: Sequence[CustomCall]
) -> list[CustomCall]:
    """Return the calls of modules' own resets that may fill any of the open tensors, by id.

    A ``reset_parameters()``, ``reset_buffers()``, (timm's) ``init_non_persistent_buffers()`` or
    ``init_weights()`` that needs no argument and that torch did not write; children before parents,
    as in construction. No ``init_weights`` of a BaseModule, which carries out configs, nor in a
    module whose own one the plan calls already.
    """
    found: list[CustomCall] = []
    started = tuple(f"{call.name}." if call.name else "" for call in calls if call.rule is None)
    for name, module in post_order(model):
        methods = [method for method in RESET_METHODS if is_custom_reset(module, method)]
        if f"{name}.".startswith(started) or is_base_module(module) or is_initialized(module):
            methods = [method for method in methods if method != "init_weights"]
        if not methods or not any(id(tensor) in open_ids for _, tensor in tensors_in(module)):
            continue
        for method in methods:
            path = join_name(name, method)
            rule = Rule(path, method, ResetCall(method))
            found.append(CustomCall(path, name, len(found), rule, phase=Phase.RESETS))
    return found


class ResetCall:
    """A method to call on a module."""

    def __init__(self, method: str) -> None:
        self.method = method

    def __call__(self, module: nn.Module) -> None:
        getattr(module, self.method)()


def is_initialized(module: nn.Module) -> bool:
    """Whether a module says of itself that it is initialised."""
    return getattr(module, "is_init", False) is True


def is_custom_reset(module: nn.Module, method: str) -> bool:
    """Whether a module has a method of its own of this name, to be called with no argument."""
    function = getattr(type(module), method, None)
    if not callable(function):
        return False
    if is_torch_method(module, method) and (torch_default_laws(module) or not module._parameters):
        return False
    return callable_without_args(function)


# What stays empty.


class PoisonMark(NamedTuple):
    """What memory was made before anybody filled it, and torch's count of its writes then."""

    message: str
    tensor: Tensor | None = None
    version: int = 0

    def __str__(self) -> str:
        return self.message


@torch.no_grad()
def poison(tensor: Tensor | None) -> PoisonMark:
    """Make memory that nothing has filled show: NaN, or 0 where there is no NaN."""
    if tensor is None:
        return PoisonMark("it stays on the meta device")
    if is_lazy(tensor):
        return PoisonMark("it stays as it is")
    number = torch.nan if tensor.is_floating_point() or tensor.is_complex() else 0
    tensor.fill_(number)
    return PoisonMark(f"it is {'NaN' if number else 0}", tensor, tensor._version)


@torch.no_grad()
def is_poisoned(tensor: Tensor, mark: PoisonMark) -> bool:
    """Whether a poisoned tensor still is, in any place.

    Numbers without NaN count as filled once torch has counted a write, or if any is not 0.
    """
    if not tensor.numel():
        return False
    if tensor.is_floating_point() or tensor.is_complex():
        found: Any = torch.isnan(tensor).any()
        return bool(found.full_tensor() if is_sharded(found) else found)
    return tensor is mark.tensor and tensor._version == mark.version and not bool(tensor.any())


def unfilled_error(rows: Iterable[PlanRow], model: nn.Module) -> BadValueError:
    """Return the error for tensors that nothing fills, with how to address them."""
    rows = list(rows)
    reasons = {"" if row.is_left(Why.NO_RULE) else row.reason for row in rows}
    if len(reasons) == 1 and (reason := reasons.pop()):
        problem = f"nothing fills {join_limited(row.name for row in rows)}: {reason}."
    else:
        found = (
            row.name if row.is_left(Why.NO_RULE) else f"{row.name} ({row.reason})" for row in rows
        )
        problem = f"nothing fills {join_limited(found)}."
    hints = []
    named = [row for row in rows if is_addressable(row, model)]
    if named:
        keys = dict.fromkeys(repr(f"{row.module}:{row.name.rpartition('.')[2]}") for row in named)
        hints.append(f"Name them in a rule: {join_limited(keys, most=4)}.")
    tables = [row for row in rows if row.kind != "parameter" and not is_addressable(row, model)]
    if tables:
        hints.append(f"Give {tables[0].module} a reset_buffers(), or build it in skeleton().")
    hints.append("Or pass allow_uninitialized=True.")
    return BadValueError("model", problem, " ".join(hints))


def is_addressable(row: PlanRow, model: nn.Module) -> bool:
    """Whether a rule could match a tensor: a parameter or a stored buffer that is not pinned."""
    owner, _, key = row.name.rpartition(".")
    unmatched = row.is_left(Why.NO_RULE, Why.NEEDS_ARGUMENTS, *UNKNOWN_STARTS)
    if row.pinned or not (unmatched or row.later_writers):
        return False
    if row.kind == "buffer":
        return key not in model.get_submodule(owner)._non_persistent_buffers_set
    return row.kind == "parameter"
