"""From a model and its configs to a plan: nothing is written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.errors import BadArgumentError, BadValueError, UnmatchedRuleError
from brickbook.init.planning.candidates import PlanBuilder
from brickbook.init.planning.config import read_rules
from brickbook.init.planning.options import FrozenPolicy, InitOptions, PrecedenceOrder
from brickbook.init.planning.precedence import resolve
from brickbook.init.planning.result import InitPlan
from brickbook.init.planning.sources import (
    AlreadyInitialized,
    ConfigSource,
    CustomInit,
    collect_sources,
)
from brickbook.init.planning.why import Why
from brickbook.introspect import (
    ModuleIndex,
    first_flat_shard,
    origin_of,
    pauses_collection,
    plain_name,
)

__all__ = ["plan", "plan_base_module", "plan_with_tensors", "reject_flat_shards"]


def plan(
    model: nn.Module,
    init_cfg: object = None,
    *,
    strict: bool = False,
    order: PrecedenceOrder = "brickbook",
    frozen: FrozenPolicy = "init",
    only_missing: bool = False,
    protect: Sequence[str | type] | str | type = (),
    reinitialize: bool = False,
    assume_loaded: Collection[str | type] | str | type | None = None,
) -> InitPlan:
    """Say what ``initialize(model, init_cfg)`` would do; nothing is written or loaded.

    Meta-device and lazy models can be planned.

    Args:
        model: any module.
        init_cfg: a dict or a list of dicts; with None the rules are those that the modules carry.
        strict: a rule that matches nothing is an error (else it is listed in ``unmatched``).
        order: with "mmcv" an override wins only over the rules that stand before it.
        frozen: "skip" leaves parameters that take no gradient.
        only_missing: leaves what brickbook's `load_checkpoint` or `load_state_dict` has loaded.
            Torch's own functions leave no note of it: without any in the model it is refused.
        protect: names or patterns of what nothing may write, as in ``layer``; the dotted name of a
            parameter as well.
        reinitialize: initialises again the parts that are initialised already.
        assume_loaded: with ``only_missing``, what was loaded by other functions: names or patterns
            as in ``protect``, or the state dict; () if nothing was.

    Returns:
        A row for every parameter: the rule that wins, its law, or why it is left as it is.

    Raises:
        ConfigError: the config cannot be carried out; also mmcv's TypeError, KeyError, ValueError
            or RuntimeError. The subclass UnmatchedRuleError with ``strict=True``.
    """
    options = InitOptions(strict, order, frozen, only_missing, protect, reinitialize, assume_loaded)
    return plan_with_tensors(model, init_cfg, options)[0]


PlanAndTensors = tuple[InitPlan, dict[str, Tensor]]


def plan_with_tensors(
    model: nn.Module, init_cfg: object, options: InitOptions, *, custom_init: bool = True
) -> PlanAndTensors:
    """Return the plan, and the tensors of its rows by name (none for a parametrised one).

    Args:
        model: the model.
        init_cfg: its config; with None the rules are those that the modules carry.
        options: the options of `plan`.
        custom_init: whether modules' custom ``init_weights`` are called, with None.
    """
    if init_cfg is None:
        sources = collect_sources(model, reinitialize=options.reinitialize)
        kept = (each for each in sources if custom_init or not isinstance(each, CustomInit))
        return build_plan(model, kept, options)
    return build_plan(model, [ConfigSource("", model, read_rules(init_cfg))], options)


def plan_base_module(model: nn.Module, options: InitOptions) -> PlanAndTensors:
    """Plan what `BaseModule.init_weights` does: everything but the model's own ``init_weights``."""
    sources = collect_sources(model, root_custom_init=False, reinitialize=options.reinitialize)
    return build_plan(model, sources, options)


@pauses_collection
def build_plan(
    model: nn.Module,
    sources: Iterable[ConfigSource | CustomInit | AlreadyInitialized],
    options: InitOptions,
) -> PlanAndTensors:
    """Collect the candidates of all sources, then let the winners be chosen."""
    if not isinstance(model, nn.Module):
        raise BadArgumentError("model", f"expected an nn.Module, got {type(model).__name__}.")
    builder = PlanBuilder(model)
    reject_torchscript(builder.index_of(model, ""))
    reject_flat_shards(model)
    for source in sources:
        builder.add(source)
    builder.pin(options.protect_selectors, Why.PROTECTED)
    pin_loaded(builder, options)
    if options.strict and builder.unmatched:
        first = builder.unmatched[0]
        raise UnmatchedRuleError(first.path, first.problem, first.hint)
    return resolve(builder, options)


def pin_loaded(builder: PlanBuilder, options: InitOptions) -> None:
    """Let nothing write what is said to be loaded; refuse if nothing is known of what was."""
    given, kind = options.assume_loaded, Why.SAID_TO_BE_LOADED
    if isinstance(given, Mapping):  # a state dict, which may hold more than tensors
        names = [str(name) for name, value in given.items() if isinstance(value, Tensor)]
        found = builder.pin_named(names, kind, "assume_loaded")
    elif given is not None:
        found = builder.pin(options.loaded_selectors, kind)
    else:
        if options.only_missing:
            require_note_of_loading(builder)
        return
    if given and not found:
        problem = f"nothing of it is in the model: {builder.unmatched[-1].problem}"
        raise BadValueError("assume_loaded", problem, builder.unmatched[-1].hint)


def require_note_of_loading(builder: PlanBuilder) -> None:
    """Raise ValueError unless it is noted of any tensor of a model where it was loaded from."""
    tensors = builder.index_of(builder.model, "").tensors.values()
    filled = [tensor for tensor in tensors if not (is_lazy(tensor) or tensor.is_meta)]
    if filled and not any(map(origin_of, filled)):
        raise BadValueError(
            "only_missing",
            "nothing in the model carries a note of loading: torch's load_state_dict and "
            "from_pretrained leave none.",
            "Say what was loaded: assume_loaded=state_dict, or names or patterns, () for nothing.",
        )


def reject_torchscript(index: ModuleIndex) -> None:
    """Raise TypeError for TorchScript: its layers have lost their classes, no rule matches."""
    kind = next((kind for kind in index.by_class if issubclass(kind, torch.jit.ScriptModule)), None)
    if kind is not None:
        name = index.named_modules[index.by_class[kind][-1]][0]
        problem = "it is TorchScript, whose layers have lost their classes."
        hint = "Start the model before torch.jit compiles it."
        raise BadArgumentError(f"model.{name}".rstrip("."), problem, hint)


def reject_flat_shards(model: nn.Module) -> None:
    """Raise ValueError for the shards of FSDP1: shapes and places in the whole are not known."""
    name = first_flat_shard(model)
    if name is not None:
        raise BadValueError(
            plain_name(name),
            "FSDP1 (FullyShardedDataParallel) keeps a piece of a flat parameter on each rank: "
            "its shape, and its place in the whole, are not known.",
            "Call it inside FullyShardedDataParallel.summon_full_params(model), on every rank.",
        )
