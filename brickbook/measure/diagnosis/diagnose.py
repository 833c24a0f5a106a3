"""The diagnosis: what is wrong with a model's initialisation, in words and with the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from brickbook.errors import BadArgumentError
from brickbook.init.execution import InitReport
from brickbook.init.planning import InitPlan, PlanRow, reject_flat_shards
from brickbook.init.tracing import History
from brickbook.introspect import find_chains, gather, plain_module_name
from brickbook.measure.diagnosis.finding import SEVERITIES, Finding, make_finding
from brickbook.measure.diagnosis.gains import find_gains
from brickbook.measure.diagnosis.hidden import find_hidden_sizes, normed_layers
from brickbook.measure.diagnosis.history import find_in_history
from brickbook.measure.diagnosis.plan import (
    ObservedStats,
    find_unmatched,
    find_untouched,
    law_violations,
)
from brickbook.measure.diagnosis.rules import RULES
from brickbook.measure.diagnosis.signals import find_in_signals
from brickbook.measure.diagnosis.weights import (
    find_huge,
    find_symmetric,
    find_zeros,
    summarize_weights,
)
from brickbook.measure.probe import Signals, first_float_tensor, tensor_stats
from brickbook.measure.snapshot import Comparison, missing_reason

__all__ = ["diagnose"]

DRIFTS = ("depth", "gradients", "not-finite", "saturated")


def diagnose(
    model: nn.Module | None = None,
    *,
    plan: InitPlan | None = None,
    report: InitReport | None = None,
    comparison: Comparison | None = None,
    signals: Signals | None = None,
    history: History | None = None,
) -> tuple[Finding, ...]:
    """Find what is wrong with a model's initialisation: the worst first, then in the model's order.

    Each argument adds what can be found from it; `RULES` has the rules with their thresholds.
    Nothing is written, and the same arguments give the same findings. The DTensors of a ``model``
    are gathered, one at a time: all ranks call this.

    Args:
        model: Its weights are looked at.
        plan: Its laws stand for the values that they will write; with a ``report`` or a
            ``comparison`` it has been carried out, and the values are compared with the laws.
        report: What an initialisation did; its plan replaces ``plan``.
        comparison: The statistics of the tensors, instead of the tensors themselves.
        signals: What `probe` has measured.
        history: What `trace` has seen.

    Raises:
        BadArgumentError: There is nothing to look at.
        BadValueError: FSDP1 keeps pieces of the parameters of ``model``.
    """
    if all(each is None for each in (model, plan, report, comparison, signals, history)):
        known = "model, plan, report, comparison, signals or history"
        raise BadArgumentError("diagnose", f"expected something to look at: {known}.")
    done = report is not None or comparison is not None
    plan_made = report.plan if report is not None else plan
    found: list[Finding] = []
    if plan_made is not None:
        found += [*find_unmatched(plan_made), *find_untouched(plan_made)]
        if done:
            found += law_violations(plan_made, report, partial(current_stats, model, comparison))
    rows = plan_made.by_name if plan_made is not None and not done else {}
    if model is not None:
        reject_flat_shards(model)
    with torch.no_grad():
        found += find_nonfinite_weights(model, comparison, rows)
        if model is not None:
            found += find_in_weights(model, rows, signals)
    if signals is not None:
        in_signals = list(find_in_signals(signals))
        drifts = [item for item in in_signals if item.rule in DRIFTS and item.severity != "note"]
        if signals.loss is not None and not drifts:
            # What a formula says of the gains, the signals do not bear out.
            found = [
                replace(item, severity="note") if item.rule == "gain" else item for item in found
            ]
        found += in_signals
    if history is not None:
        found += find_in_history(history)
    places = number_layers(model, plan_made, comparison, signals)
    rules = list(RULES)
    return tuple(
        sorted(
            found,
            key=lambda item: (
                SEVERITIES.index(item.severity),
                layer_number(item.subject, places),
                rules.index(item.rule),
            ),
        )
    )


def find_in_weights(
    model: nn.Module, rows: Mapping[str, PlanRow], signals: Signals | None
) -> Iterator[Finding]:
    """Yield the findings of the rules about weights."""
    weights = summarize_weights(model, rows)
    linked = find_chains(model)
    yield from find_symmetric(weights)
    yield from find_zeros(weights, linked)
    yield from find_huge(weights)
    yield from find_gains(weights, linked)
    yield from find_hidden_sizes(weights, normed_layers(linked, signals))


def find_nonfinite_weights(
    model: nn.Module | None, comparison: Comparison | None, rows: Mapping[str, PlanRow]
) -> Iterator[Finding]:
    """Yield a finding for the parameters that hold NaN or Inf and will keep them."""
    bad: dict[str, tuple[int, int]] = {}
    if comparison is not None:
        for name, stats in comparison.after.items():
            if stats.kind == "parameter" and stats.nan + stats.inf:
                bad[name] = stats.nan + stats.inf, stats.count
    elif model is not None:
        for name, tensor in model.named_parameters():
            row = rows.get(name)
            if (row is None or row.law is None) and (count := count_nonfinite(tensor)):
                bad[name] = count, tensor.numel()
    if bad:
        count, size = next(iter(bad.values()))
        words = {"bad": f"{count:,}", "size": f"{size:,}"}
        yield make_finding(
            "not-finite", "error", tuple(bad), "not-finite.weights", words, bad=count
        )


def count_nonfinite(tensor: Tensor) -> int:
    """Count the elements that are NaN or Inf."""
    if missing_reason(tensor) or first_float_tensor([tensor]) is None:
        return 0
    tensor = gather(tensor.detach())
    if tensor.sum().isfinite():  # any of them would be in it
        return 0
    seen = tensor_stats(tensor)
    return seen["nan"] + seen["inf"]


def current_stats(
    model: nn.Module | None, comparison: Comparison | None, name: str
) -> ObservedStats | None:
    """Return how many elements a tensor has now, their mean and their std."""
    if comparison is not None:
        stats = comparison.after.tensors.get(name)
        return None if stats is None else (stats.count, stats.mean, stats.std)
    tensor = find_tensor(model, name) if model is not None else None
    if tensor is None or missing_reason(tensor) or first_float_tensor([tensor]) is None:
        return None
    with torch.no_grad():
        seen = tensor_stats(gather(tensor.detach()))
    return tensor.numel(), seen["mean"], seen["std"]


def find_tensor(model: nn.Module, name: str) -> Tensor | None:
    """Return a parameter or a buffer by its name; None for what is computed."""
    owner, _, key = name.rpartition(".")
    try:
        part = model.get_submodule(owner)
    except AttributeError:
        return None
    return part._parameters.get(key, part._buffers.get(key))


def number_layers(
    model: nn.Module | None,
    plan: InitPlan | None,
    comparison: Comparison | None,
    signals: Signals | None,
) -> dict[str, int]:
    """Number the layers in the model's order; without it in that of what there is."""
    names: list[str] = []
    if model is not None:
        names += [plain_module_name(name) for name, _ in model.named_modules() if name]
    names += [name.rpartition(".")[0] for name in (*(plan or ()), *(comparison or ()))]
    names += [row.name for row in signals or ()]
    return {name: at for at, name in enumerate(dict.fromkeys(names))}


def layer_number(subject: str, numbers: Mapping[str, int]) -> int:
    """Return the number of the layer that a finding is about; -1 if it is about the config."""
    name = plain_module_name(subject.removeprefix("input of ").split(" (call ")[0])
    while name and name not in numbers:
        name = name.rpartition(".")[0]
    return numbers.get(name, -1)
