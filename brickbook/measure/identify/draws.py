"""Which draw of torch's generator on the CPU some numbers are, by its grid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from brickbook.init.laws import (
    Law,
    Normal,
    TruncNormal,
    Uniform,
    normal_mass,
)
from brickbook.measure.identify.candidates import (
    Candidate,
    normal_candidates,
    uniform_candidates,
    uniform_of_number,
    whole_numbers,
)
from brickbook.measure.identify.distribution import (
    SAMPLE,
    is_normal_like,
    is_roughly,
    sample_of,
)
from brickbook.measure.identify.evidence import Evidence, Verdict
from brickbook.measure.identify.grid import (
    SURE,
    GridCount,
    count_inverse_cdf,
    count_pairs,
    count_radii,
    count_uniform,
    float32_ends,
    intact_share,
    is_on_grid,
    on_uniform_grid,
)

__all__ = ["may_reach", "on_inverse_cdf", "on_normal", "on_uniform"]

MANY_RADII = 200  # pairs whose radius can be read; with fewer a scale is not refused
BATCH = 64  # bounds that are tried at once


def drawn_evidence(candidate: Candidate, count: GridCount, expected_off: float = 0.0) -> Evidence:
    """Return what a count on the grid says: all of it stands, or a share."""
    share = count.share_on(expected_off)
    verdict: Verdict = "untouched" if share == 1.0 else "moved"
    return Evidence(verdict, candidate.law, candidate.call, "grid", share)


def on_uniform(
    values: Tensor, rest: Tensor, shape: Sequence[int], fans: Sequence[int],
    known: Sequence[Candidate],
) -> Evidence | bool:  # fmt: skip
    """Return what ``uniform_`` has drawn, or whether that would be seen."""
    low, high = (float(end) for end in rest.aminmax())
    bound = max(-low, high)
    slack = 16 / len(rest)
    laws = [each for each in known if type(each.law) is Uniform]
    if low >= 0:
        found = [Candidate(Uniform(0.0, 1.0), "uniform_()")] if high < 1 else []
        return first_on_grid(rest, [*laws, *found]) or False
    spread = float(rest.double().std()) * math.sqrt(3) / bound
    if not 1 - 8 / math.sqrt(len(rest)) - 0.05 < spread < 1 + 8 / math.sqrt(len(rest)) + 0.05:
        return first_on_grid(rest, laws) or False
    ends = bound, bound * (1 + slack)
    inner = float(sample_of(rest).abs().quantile(0.95))  # some may have been moved beyond the bound
    usual = first_on_grid(rest, [*laws, *uniform_candidates(shape, fans, inner, ends[1])])
    return usual or on_a_whole_number(rest, *ends) or False


def first_on_grid(values: Tensor, candidates: Sequence[Candidate]) -> Evidence | None:
    """Return the uniform law, of several, on whose grid the numbers lie."""
    if not candidates:
        return None
    bounds = torch.tensor([each.law.support for each in candidates], dtype=torch.float64)
    at = best_bounds(sample_of(values), bounds)
    return None if at is None else count_whole(values, candidates[at])


def on_a_whole_number(values: Tensor, low: float, high: float) -> Evidence | None:
    """Return the uniform law of bound ``√(c/k)``, k whole, on whose grid the numbers lie."""
    sample = sample_of(values)
    for factor, numbers in whole_numbers(low, high):
        bounds = torch.sqrt(factor / torch.tensor(list(numbers), dtype=torch.float64))
        at = best_bounds(sample, torch.stack((-bounds, bounds), dim=1)) if len(numbers) else None
        if at is not None and (
            found := count_whole(values, uniform_of_number(factor, numbers[at]))
        ):
            return found
    return None


def best_bounds(sample: Tensor, bounds: Tensor) -> int | None:
    """Return the place of the bounds on whose grid most of a sample lie, None if too few do."""
    hits = torch.cat([
        on_uniform_grid(sample, float32_ends(part)).sum(dim=1) for part in bounds.split(BATCH)
    ])  # fmt: skip
    most, at = hits.max(dim=0)
    return int(at) if int(most) >= 0.7 * len(sample) else None


def count_whole(values: Tensor, candidate: Candidate) -> Evidence | None:
    """Return what all numbers say of a uniform law, on whose grid a sample lies."""
    law = candidate.law
    if not isinstance(law, Uniform) or not is_roughly(values, law):
        return None
    count = count_uniform(values, law)
    if not is_on_grid(count):
        return None
    found = drawn_evidence(candidate, count)
    upper = values[values.double() > law.mean + 1e-6 * law.std]
    if found.verdict == "moved" and len(upper) and count_uniform(upper, law).share_on() == 1.0:
        return found._replace(verdict="untouched", share=1.0, reason="32 bits")
    return found


def on_normal(
    values: Tensor, rest: Tensor, shape: Sequence[int], fans: Sequence[int],
    known: Sequence[Candidate],
) -> Evidence | bool:  # fmt: skip
    """Return what ``normal_`` has drawn, or whether that would be seen."""
    if len(values) < 16 or not is_normal_like(rest):
        return False
    count = count_pairs(values)
    if not is_on_grid(count):
        return count.has_power
    std = float(rest.double().square().mean().sqrt())
    error = 6 * math.sqrt(1 / (2 * len(rest)))
    laws = [each for each in known if isinstance(each.law, (Normal, TruncNormal))]
    found = [*laws, *normal_candidates(shape, fans, std * (1 - error), std * (1 + error))]
    best = choose_scale(values, rest, std, found)
    if best is None and len(rest) > MANY_RADII * 40 and (near := nearest_usual(rest, std, found)):
        return Evidence("moved", near.law, near.call, "grid", reason="scale")
    if best is None:
        rounded = float(f"{std:.4g}")
        best = Candidate(Normal(0.0, rounded), f"normal_, std about {std:.3g}")
    cut = 1 - intact_share(best.law) if isinstance(best.law, TruncNormal) else 0.0
    return drawn_evidence(best, count, cut)


def choose_scale(
    values: Tensor, rest: Tensor, std: float, found: Sequence[Candidate]
) -> Candidate | None:
    """Return the law of a normal draw: the one whose radii lie on the grid, else the likeliest."""
    most = float(rest.abs().max())
    possible = [each for each in found if may_reach(each.law, most, len(rest))]
    start = values[: 1 << 18]
    scored = [(count_radii(start, scale_of(each.law)), each) for each in possible]
    sure = [(n.standard_errors, each) for n, each in scored if n.standard_errors > SURE]
    if sure:
        return max(sure, key=lambda pair: pair[0])[1]
    near = [
        (count.standard_errors if count.tested else 0.0, each)
        for count, each in scored
        if each.usual and abs(each.law.std / std - 1) <= 4 * math.sqrt(1 / (2 * len(rest)))
    ]
    if not near or any(count.tested >= MANY_RADII for count, _ in scored):
        return None
    return max(near, key=lambda pair: pair[0])[1]


def nearest_usual(rest: Tensor, std: float, found: Sequence[Candidate]) -> Candidate | None:
    """Return the usual normal law from which the std of numbers is not to be told, if any."""
    error = 3 * math.sqrt(1 / (2 * len(rest)))
    near = [
        each
        for each in found
        if each.usual and type(each.law) is Normal and abs(each.law.std / std - 1) <= error
    ]
    return min(near, key=lambda each: abs(each.law.std - std), default=None)


def scale_of(law: Law) -> float:
    """Return the std of a normal law before it is cut."""
    return law.scale if isinstance(law, TruncNormal) else law.std


def may_reach(law: Law, most: float, size: int) -> bool:
    """Whether the largest of some numbers fits a law: not beyond a cut, nor far below the tail."""
    if isinstance(law, TruncNormal):
        return most <= law.high * (1 + 1e-6)
    return size * 2 * normal_mass(most / law.std, math.inf) < 25


def on_inverse_cdf(
    values: Tensor, rest: Tensor, shape: Sequence[int], fans: Sequence[int],
    known: Sequence[Candidate],
) -> Evidence | bool:  # fmt: skip
    """Return what the inverse of a normal CDF has made of ``uniform_``, or whether it is seen."""
    if len(rest) < SAMPLE // 4 or not is_normal_like(rest):
        return False
    std = float(rest.double().square().mean().sqrt())
    error = 6 * math.sqrt(1 / (2 * len(rest)))
    usual = normal_candidates(shape, fans, std * (1 - error), std * (1 + error))
    most = float(rest.abs().max())
    sample = sample_of(rest, 4 * SAMPLE)
    power = False
    best: tuple[float, Candidate, TruncNormal] | None = None
    for each in [*known, *usual]:
        law = cut_law(each.law)
        if law is None or most > law.high * (1 + 1e-6) or not may_reach(each.law, most, len(rest)):
            continue
        count = count_inverse_cdf(sample, law)
        power = power or count.has_power
        if count.standard_errors > 4.5 and (best is None or count.standard_errors > best[0]):
            best = count.standard_errors, each, law
    if best is None:
        return power
    count = count_inverse_cdf(rest, best[2])
    if not is_on_grid(count) or not is_roughly(rest, best[2]):
        return power
    return drawn_evidence(best[1], count)


def cut_law(law: Law) -> TruncNormal | None:
    """Return a law about 0 as one that is cut, a normal one so far out that nothing is lost."""
    if isinstance(law, TruncNormal):
        return law if law.loc == 0 else None
    if isinstance(law, Normal) and law.mean == 0 and law.std > 0:
        return TruncNormal(0.0, law.std, -8 * law.std, 8 * law.std)
    return None
