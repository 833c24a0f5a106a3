"""Findings about a plan: rules without effect, parameters without a rule, laws not kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache

import torch

from brickbook.errors import as_sentence, with_hint
from brickbook.html import format_2g
from brickbook.init.execution import InitReport
from brickbook.init.laws import Law
from brickbook.init.planning import InitPlan, PlanRow, Why
from brickbook.measure.diagnosis.finding import Finding, make_finding
from brickbook.measure.diagnosis.rules import LAW_TOLERANCE

__all__ = ["ObservedStats", "find_unmatched", "find_untouched", "law_violations"]

ObservedStats = tuple[int, float | None, float | None]  # how many elements, their mean, their std
INTEGRATION_STEPS = 4001


def find_unmatched(plan: InitPlan) -> Iterator[Finding]:
    """Yield a finding for every rule that does nothing."""
    for item in plan.unmatched:
        words = {"path": item.path, "problem": as_sentence(with_hint(item.problem, item.hint))}
        yield Finding("unmatched", "warning", (item.path,), "unmatched", words)


def find_untouched(plan: InitPlan) -> Iterator[Finding]:
    """Say which parameters no rule matches, if any rule does something at all."""
    rows = [
        row
        for row in plan.rows
        if row.law is None
        and row.kind == "parameter"
        and row.is_left(Why.NO_RULE, Why.NEEDS_ARGUMENTS)
        if not row.frozen and "norm" not in row.module.lower()
    ]
    if rows and plan.planned:
        kinds = tuple(dict.fromkeys(row.module for row in rows))
        names = tuple(row.name for row in rows)
        yield make_finding(
            "untouched", "note", names, "untouched", {"kinds": kinds}, count=len(rows)
        )


def law_violations(
    plan: InitPlan, report: InitReport | None, observe: Callable[[str], ObservedStats | None]
) -> Iterator[Finding]:
    """Yield a finding for the tensors whose std is not that of the law that has written them.

    ``observe`` returns the statistics of a tensor now, None if it cannot be read.
    """
    changed = {fit.path for fit in plan.fits}
    odd: list[tuple[float, PlanRow, Law, float, int]] = []
    for row in plan.rows:
        written = report is None or report[row.name].action == "written"
        if (
            row.law is None
            or row.later_writers
            or row.tied_to
            or row.source in changed
            or not written
        ):
            continue
        count, mean, std = observe(row.name) or (0, None, None)
        if not count or mean is None or std is None:
            continue
        far = law_distance(row, row.law, count, mean, std)
        if far > 1:
            odd.append((far, row, row.law, std, count))
    if odd:
        _, row, law, std, count = max(odd, key=lambda item: item[0])
        words = {
            "found": format_2g(std),
            "wanted": format_2g(law.std),
            "law": str(law),
            "n": f"{count:,}",
            "worst": row.name,
        }
        names = tuple(item[1].name for item in odd)
        yield make_finding("law", "warning", names, "law", words, found=std, wanted=law.std)


def law_distance(row: PlanRow, law: Law, count: int, mean: float, std: float) -> float:
    """Return the distance of mean and std from the law, in units of what is allowed."""
    if law.std == 0:
        allowed = LAW_TOLERANCE[1] * abs(law.mean) + 1e-30
        return (abs(mean - law.mean) + std) / allowed
    slack = LAW_TOLERANCE[1] + LAW_TOLERANCE[0] * math.sqrt((kurtosis(law) - 1) / (4 * count))
    if row.padding is not None and row.shape:  # a row of zeros
        slack += 1 / row.shape[0]
    return abs(std / law.std - 1) / slack


@lru_cache(maxsize=1024)
def kurtosis(law: Law) -> float:
    """Return the fourth central moment over the square of the variance; 3 where it is unknown."""
    mean, std = law.mean, law.std
    low, high = (max(mean - 12 * std, law.support[0]), min(mean + 12 * std, law.support[1]))
    x = torch.linspace(low, high, INTEGRATION_STEPS, dtype=torch.float64, device="cpu")
    fourth = float(torch.trapezoid(law.pdf(x) * (x - mean) ** 4, x))
    fourth += sum(share * (value - mean) ** 4 for value, share in law.atoms)
    found = fourth / std**4
    return found if math.isfinite(found) and found >= 1 else 3.0
