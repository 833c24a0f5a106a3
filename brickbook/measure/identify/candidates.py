"""Known starts: the laws that a tensor of a shape may have been drawn from, and by which call."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from brickbook.init.laws import Law, Normal, TruncNormal, Uniform

__all__ = [
    "Candidate",
    "normal_candidates",
    "uniform_candidates",
    "uniform_of_number",
    "whole_numbers",
]

TRUNC_STD = 0.87962566103423978  # of N(0, 1) cut at ±2: what JAX and timm divide by
USUAL_STDS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.006, 0.005, 0.002, 0.001, 1e-4, 1e-6)
MOST_BOUNDS = 20_000  # bounds that are tried for one tensor
MOST_NAMES = 3  # calls that coincide for a shape
DEEPEST = 100  # layers of a model whose weights are scaled by its depth


class Candidate(NamedTuple):
    """A known start: the law, and the call that draws it; ``usual`` if others are less likely."""

    law: Law
    call: str
    usual: bool = True


def variances(shape: Sequence[int], fans: Sequence[int]) -> Iterator[tuple[float, str]]:
    """Yield the variances that the initialisers of the literature give a shape, with their names.

    ``fans`` are inputs of the layer that the shape does not tell, such as those of a bias.
    """
    for fan in fans:
        yield 1 / (3 * fan), "kaiming(fan_in, a=√5)"
        yield 1 / fan, "LeCun(fan_in)"
    if len(shape) < 2:
        return
    kernel = math.prod(shape[2:])
    outputs, inputs = shape[0] * kernel, math.prod(shape[1:])
    yield 1 / (3 * inputs), "kaiming(fan_in, a=√5)"
    yield 2 / inputs, "kaiming(fan_in, relu)"
    yield 2 / outputs, "kaiming(fan_out, relu)"
    yield 2 / (shape[1] * kernel + outputs), "xavier"
    yield 1 / inputs, "LeCun(fan_in)"
    yield 1 / outputs, "LeCun(fan_out)"
    yield 1 / (3 * outputs), "kaiming(fan_out, a=√5)"
    yield 1 / (3 * shape[0]), "std=1/√(3 channels)"
    yield 1 / shape[0], "std=1/√channels"
    yield 1 / shape[1], "std=1/√width"
    yield 1 / (3 * shape[1]), "std=1/√(3 width)"
    yield 2 / kernel, "kaiming(fan_out // groups, relu)"
    yield 2 / (5 * shape[-1]), "std=√(2/(5 width))"
    for parts in (2, 3, 4):
        if not outputs % parts:
            yield 2 / (inputs + outputs // parts), f"xavier(1/{parts} of the rows)"
    yield 25 / 9 / inputs, "kaiming(fan_in, tanh)"
    yield 2 / (1 + 0.01**2) / inputs, "kaiming(fan_in, leaky_relu)"
    yield 2 / (1 + 0.01**2) / outputs, "kaiming(fan_out, leaky_relu)"
    yield (25 / 9) * 2 / (shape[1] * kernel + outputs), "xavier(gain=tanh)"
    yield 4 / (shape[1] * kernel + outputs), "xavier(gain=√2)"
    yield 1 / (shape[1] * kernel + outputs), "xavier(gain=1/√2)"


def decimals(low: float, high: float) -> Iterator[tuple[float, bool]]:
    """Yield the numbers of two digits in a range, and whether they have one digit."""
    if not 0 < low <= high:
        return
    for power in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1):
        for digits in range(10, 100):
            value = float(f"{digits}e{power}")
            if low <= value <= high:
                yield value, digits % 10 == 0


def within(low: float, value: float, high: float) -> bool:
    """Whether a number lies in a range, whose ends belong to it."""
    return low <= value <= high


def uniform_candidates(
    shape: Sequence[int], fans: Sequence[int], low: float, high: float
) -> list[Candidate]:
    """Return the usual uniform laws about 0 whose bound lies in a range."""
    found = [
        Candidate(Uniform(-bound, bound), f"{name} uniform")
        for variance, name in variances(shape, fans)
        if within(low, bound := math.sqrt(3 * variance), high)
    ]
    if low > 0:
        for power in range(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1):
            bound = 2.0**power
            found.append(Candidate(Uniform(-bound, bound), f"uniform_(±{bound:g})", usual=False))
    for bound, one_digit in decimals(low, high):
        found.append(Candidate(Uniform(-bound, bound), f"uniform_(±{bound:g})", one_digit))
    return distinct(found)


def whole_numbers(low: float, high: float) -> Iterator[tuple[int, range]]:
    """Yield c = 1, 3, 6, 2 and the whole numbers k for which ``√(c/k)`` lies in a range."""
    for factor in (1, 3, 6, 2):
        first = max(1, math.ceil(factor / high**2))
        yield factor, range(first, min(math.floor(factor / low**2), first + MOST_BOUNDS) + 1)


def uniform_of_number(factor: int, number: int) -> Candidate:
    """Return the uniform law about 0 of bound ``√(factor / number)``."""
    bound = math.sqrt(factor / number)
    text = f"1/√{number}" if factor == 1 else f"√({factor}/{number})"
    return Candidate(Uniform(-bound, bound), f"uniform_(±{text})", usual=False)


def normal_candidates(
    shape: Sequence[int], fans: Sequence[int], low: float, high: float
) -> list[Candidate]:
    """Return the normal laws about 0, cut ones among them, whose std lies in a range."""
    scales: list[tuple[float, str, bool]] = [(std, f"std={std:g}", True) for std in USUAL_STDS]
    scales += [(math.sqrt(variance), name, True) for variance, name in variances(shape, fans)]
    for depth in range(1, DEEPEST + 1):
        scales.append((0.02 / math.sqrt(2 * depth), f"std=0.02/√(2·{depth})", False))
    two_digits = [(std, f"std={std:g}", False) for std, _ in decimals(low / TRUNC_STD, high * 1.2)]
    found = [
        Candidate(Normal(0.0, std), normal_call(name), usual)
        for std, name, usual in (*scales, *two_digits)
        if within(low, std, high)
    ]
    for std, name, usual in (*scales, *two_digits):
        for cut in (2.0, 3.0):
            laws = [TruncNormal(0.0, std, -cut * std, cut * std)]
            if not usual_decimal(name):
                wide = std / TRUNC_STD
                laws = [TruncNormal(0.0, wide, -cut * wide, cut * wide), *laws]
            for law in laws:
                if within(low, law.std, high):
                    found.append(Candidate(law, f"trunc_normal_({name}, ±{cut:g}σ)", usual))
    return distinct(found)


def normal_call(name: str) -> str:
    """Return the call of a normal law."""
    return f"normal_({name})" if name.startswith("std") else f"{name} normal"


def usual_decimal(name: str) -> bool:
    """Whether a scale is a number of its own, not one of the shape."""
    return name.startswith("std=") and "√" not in name


def distinct(found: Sequence[Candidate]) -> list[Candidate]:
    """Put the names of one law together; the usual ones come first."""
    groups: dict[Law, list[Candidate]] = {}
    for each in found:
        groups.setdefault(each.law, []).append(each)
    merged = [
        Candidate(
            law,
            " = ".join(list(dict.fromkeys(each.call for each in group))[:MOST_NAMES]),
            group[0].usual,
        )
        for law, group in groups.items()
    ]
    return sorted(merged, key=lambda each: not each.usual)
