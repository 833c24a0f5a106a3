"""The diagnosis: what is wrong with how a model starts, in words and with the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.errors import BadArgumentError
from brickbook.init.initplan import InitPlan
from brickbook.init.report import InitReport
from brickbook.init.rows import Row
from brickbook.init.walking import plain_module_name
from brickbook.measure.chains import chains
from brickbook.measure.comparisons import Comparison
from brickbook.measure.diagnosis_gains import gains
from brickbook.measure.diagnosis_plan import Found, kept_laws, unmatched, untouched
from brickbook.measure.diagnosis_rules import RULES, DiagnosisRule
from brickbook.measure.diagnosis_signals import signal_findings
from brickbook.measure.diagnosis_weights import symmetric, weights_of, zeros
from brickbook.measure.findings import SEVERITIES, Finding, finding
from brickbook.measure.outputs import first_of, numbers
from brickbook.measure.signals import Signals

__all__ = ["RULES", "DiagnosisRule", "Finding", "diagnose"]


def diagnose(
    model: nn.Module | None = None,
    *,
    plan: InitPlan | None = None,
    report: InitReport | None = None,
    comparison: Comparison | None = None,
    signals: Signals | None = None,
) -> tuple[Finding, ...]:
    """Say what is wrong with how a model starts: the worst first, then in the model's order.

    Each argument adds what can be told from it; `RULES` has the rules with their thresholds.
    ``model``: its weights. ``plan`` alone: what they will be, as the laws stand for the values;
    with a ``report`` or a ``comparison`` it has been carried out, and what its laws promise is
    held against what is there. ``signals``: what `probe` has measured.

    Nothing is written, and the same arguments give the same findings.

    Raises TypeError if there is nothing to look at.
    """
    if model is None and plan is None and report is None and comparison is None and signals is None:
        problem = "expected something to look at: model, plan, report, comparison or signals."
        raise BadArgumentError("diagnose", problem)
    done = report is not None or comparison is not None
    told = report.plan if report is not None else plan
    found: list[Finding] = []
    if told is not None:
        found += [*unmatched(told), *untouched(told)]
        if done:
            found += kept_laws(told, report, partial(look, model, comparison))
    rows = told.by_name if told is not None and not done else {}
    with torch.no_grad():
        found += not_finite(model, comparison, rows)
        if model is not None:
            found += of_weights(model, rows)
    if signals is not None:
        found += signal_findings(signals)
    places = places_of(model, told, comparison, signals)
    rules = list(RULES)
    return tuple(
        sorted(
            found,
            key=lambda item: (
                SEVERITIES.index(item.severity),
                place(item.subject, places),
                rules.index(item.rule),
            ),
        )
    )


def of_weights(model: nn.Module, rows: Mapping[str, Row]) -> Iterator[Finding]:
    """Yield what the rules about weights find."""
    weights = weights_of(model, rows)
    linked = chains(model)
    yield from symmetric(weights)
    yield from zeros(weights, linked)
    yield from gains(weights, linked)


def not_finite(
    model: nn.Module | None, comparison: Comparison | None, rows: Mapping[str, Row]
) -> Iterator[Finding]:
    """Say which parameters hold NaN or Inf and will keep them."""
    bad: dict[str, tuple[int, int]] = {}
    if comparison is not None:
        for name, stats in comparison.after.items():
            if stats.kind == "parameter" and stats.nan + stats.inf:
                bad[name] = stats.nan + stats.inf, stats.count
    elif model is not None:
        for name, tensor in model.named_parameters():
            row = rows.get(name)
            if (row is None or row.law is None) and (count := holes(tensor)):
                bad[name] = count, tensor.numel()
    if bad:
        count, size = next(iter(bad.values()))
        words = {"bad": f"{count:,}", "size": f"{size:,}"}
        yield finding("not-finite", "error", tuple(bad), "not-finite.weights", words, bad=count)


def holes(tensor: Tensor) -> int:
    """Count the elements that are NaN or Inf."""
    if is_lazy(tensor) or first_of([tensor]) is None:
        return 0
    if tensor.sum().isfinite():  # any of them would be in it
        return 0
    seen = numbers(tensor)
    return seen["nan"] + seen["inf"]


def look(model: nn.Module | None, comparison: Comparison | None, name: str) -> Found | None:
    """Return how many elements a tensor has now, their mean and their std."""
    if comparison is not None:
        stats = comparison.after.tensors.get(name)
        return None if stats is None else (stats.count, stats.mean, stats.std)
    tensor = tensor_of(model, name) if model is not None else None
    if tensor is None or is_lazy(tensor) or first_of([tensor]) is None:
        return None
    with torch.no_grad():
        seen = numbers(tensor)
    return tensor.numel(), seen["mean"], seen["std"]


def tensor_of(model: nn.Module, name: str) -> Tensor | None:
    """Return a parameter or a buffer by its name; None for what is computed."""
    owner, _, key = name.rpartition(".")
    try:
        part = model.get_submodule(owner)
    except AttributeError:
        return None
    return part._parameters.get(key, part._buffers.get(key))


def places_of(
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


def place(subject: str, places: Mapping[str, int]) -> int:
    """Return the number of the layer that a finding is about; -1 if it is about the config."""
    name = plain_module_name(subject.removeprefix("input of ").split(" (call ")[0])
    while name and name not in places:
        name = name.rpartition(".")[0]
    return places.get(name, -1)
