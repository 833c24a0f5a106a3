"""What a plan says beside its laws: rules without effect, what is left, and what laws promise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache

import torch

from brickbook.init.initplan import InitPlan
from brickbook.init.laws import Law
from brickbook.init.report import InitReport
from brickbook.init.rows import Row
from brickbook.measure.diagnosis_rules import LAW
from brickbook.measure.findings import Finding, finding, short

__all__ = ["Found", "kept_laws", "unmatched", "untouched"]

Found = tuple[int, float | None, float | None]  # how many elements, their mean, their std
STEPS = 4001
NOBODY = "no rule speaks of "


def unmatched(plan: InitPlan) -> Iterator[Finding]:
    """Say which rules do nothing."""
    for item in plan.unmatched:
        problem = f"{item.problem} {item.hint}".rstrip()
        words = {"path": item.path, "problem": problem}
        yield Finding("unmatched", "warning", (item.path,), "unmatched", words)


def untouched(plan: InitPlan) -> Iterator[Finding]:
    """Say which parameters no rule speaks of, if any rule does something at all."""
    rows = [
        row
        for row in plan.rows
        if row.law is None and row.kind == "parameter" and row.reason.startswith(NOBODY)
        if not row.frozen and "norm" not in row.module.lower()
    ]
    if rows and plan.planned:
        kinds = tuple(dict.fromkeys(row.reason.removeprefix(NOBODY) for row in rows))
        names = tuple(row.name for row in rows)
        yield finding("untouched", "note", names, "untouched", {"kinds": kinds}, count=len(rows))


def kept_laws(
    plan: InitPlan, report: InitReport | None, look: Callable[[str], Found | None]
) -> Iterator[Finding]:
    """Say which tensors have another std than the law that has written them.

    ``look`` returns what a tensor has now, None if it cannot be seen.
    """
    changed = {fit.path for fit in plan.fits}
    odd: list[tuple[float, Row, Law, float, int]] = []
    for row in plan.rows:
        written = report is None or report[row.name].action == "written"
        if row.law is None or row.then or row.tied_to or row.source in changed or not written:
            continue
        count, mean, std = look(row.name) or (0, None, None)
        if not count or mean is None or std is None:
            continue
        far = distance(row, row.law, count, mean, std)
        if far > 1:
            odd.append((far, row, row.law, std, count))
    if odd:
        _, row, law, std, count = max(odd, key=lambda item: item[0])
        words = {
            "found": short(std),
            "wanted": short(law.std),
            "law": str(law),
            "n": f"{count:,}",
            "worst": row.name,
        }
        names = tuple(item[1].name for item in odd)
        yield finding("law", "warning", names, "law", words, found=std, wanted=law.std)


def distance(row: Row, law: Law, count: int, mean: float, std: float) -> float:
    """Return how far numbers are from their law, in units of what is allowed."""
    if law.std == 0:
        allowed = LAW[1] * abs(law.mean) + 1e-30
        return (abs(mean - law.mean) + std) / allowed
    slack = LAW[1] + LAW[0] * math.sqrt((kurtosis(law) - 1) / (4 * count))
    if row.padding is not None and row.shape:  # a row of zeros
        slack += 1 / row.shape[0]
    return abs(std / law.std - 1) / slack


@lru_cache(maxsize=1024)
def kurtosis(law: Law) -> float:
    """Return the fourth central moment over the square of the variance; 3 where it is unknown."""
    mean, std = law.mean, law.std
    low, high = (max(mean - 12 * std, law.support[0]), min(mean + 12 * std, law.support[1]))
    x = torch.linspace(low, high, STEPS, dtype=torch.float64, device="cpu")
    fourth = float(torch.trapezoid(law.pdf(x) * (x - mean) ** 4, x))
    fourth += sum(share * (value - mean) ** 4 for value, share in law.atoms)
    found = fourth / std**4
    return found if math.isfinite(found) and found >= 1 else 3.0
