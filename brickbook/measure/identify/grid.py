"""The grid of torch's generator on the CPU: whether numbers are as it draws them, to the last bit.

``uniform_`` in float32 takes one of 2²⁴ numbers of [0, 1); everything that torch draws there is a
function of these. Other numbers fall between: those that a step of training has moved, normal draws
of another generator, and what was rounded to 16 bits. Uniform draws from 32 bits, as of CUDA's
generator, lie on the grid in the upper half of their range, where float32 has no more digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from brickbook.init.laws import TruncNormal, Uniform, normal_mass

__all__ = [
    "SURE",
    "GridCount",
    "count_inverse_cdf",
    "count_pairs",
    "count_radii",
    "count_uniform",
    "float32_ends",
    "intact_share",
    "is_on_grid",
    "on_uniform_grid",
]

STEPS = 2**24  # numbers that float32 draws take in [0, 1)
NORMAL_BLOCK = 16  # elements that `normal_` makes of 16 uniform numbers, two by two
CHUNK = 1 << 20  # elements looked at at once
SURE = 6.0  # standard errors: one in 10⁹
POWER = 7.0  # standard errors that a fresh draw would have to be off, or nothing is said
FLOAT_EPS = torch.finfo(torch.float32).eps


class GridCount(NamedTuple):
    """How many numbers, or pairs of them, lie on a grid.

    Attributes:
        tested: how many there are.
        near: how many of them are as near as most fresh draws are.
        far: how many are farther than any fresh draw.
        rates: the share of ``near`` among fresh draws at least, of ``near`` among other numbers at
            most, of ``far`` among other numbers at least; as measured.
    """

    tested: int
    near: int
    far: int
    rates: tuple[float, float, float]

    def __add__(self, other: object) -> GridCount:
        if not isinstance(other, GridCount):
            return NotImplemented
        tested, near, far = (a + b for a, b in zip(self[:3], other[:3], strict=True))
        return GridCount(tested, near, far, self.rates)

    @property
    def standard_errors(self) -> float:
        """By how many standard errors there are more near ones than by chance."""
        chance = self.rates[1]
        spread = math.sqrt(self.tested * chance * (1 - chance))
        return (self.near - self.tested * chance) / spread if spread else 0.0

    @property
    def has_power(self) -> bool:
        """Whether a fresh draw would be told from other numbers."""
        fresh, chance, _ = self.rates
        spread = math.sqrt(chance * (1 - chance))
        return math.sqrt(self.tested) * (fresh - chance) / spread >= POWER

    def share_on(self, expected_off: float = 0.0) -> float:
        """Return the share of the numbers that stand as they were drawn, 1 where none is off.

        Args:
            expected_off: the share that is off in a fresh draw too.
        """
        each = self.rates[2]
        off = self.far / (self.tested * each)
        foreseen = expected_off * self.tested * each
        slack = STRAYS + 1e-5 * self.tested + SURE * math.sqrt(foreseen) + 0.1 * foreseen
        if self.far - foreseen <= slack:
            return 1.0
        return max(0.0, 1.0 - max(off - expected_off, 0.0) / (1 - expected_off))


# near among fresh ones, near and far among others
EXACT = (1.0, 0.5, 0.5)
ONE_SIDED = (1.0, 0.7, 0.3)
PAIRS = (0.97, 0.4, 0.19)
INVERSE = (0.87, 0.53, 0.1)
RADII = (0.85, 0.42, 0.15)
STRAYS = 2.0  # far ones that are forgiven: the end of a tensor that was drawn in parts


def is_on_grid(count: GridCount) -> bool:
    """Whether there are more near ones than chance gives: wrong once in 10⁹."""
    return count.has_power and count.standard_errors > SURE


def in_chunks(values: Tensor, count: Callable[[Tensor], GridCount]) -> GridCount:
    """Add up the counts of parts of a flat tensor."""
    first, *rest = values.split(CHUNK)
    found = count(first)
    for part in rest:
        found += count(part)
    return found


def single(value: float) -> float:
    """Return a number as float32 has it."""
    return float(torch.tensor(value, dtype=torch.float32))


def count_uniform(values: Tensor, law: Uniform) -> GridCount:
    """Count the numbers that ``uniform_`` can have drawn: ``low + m (high - low) / 2²⁴``.

    The product and the sum are rounded once (fused) or twice, as the processor has it. Of fresh
    draws all are on the grid, of other numbers 0.33 to 0.48. (Draws between two powers of 2 are
    round enough to lie on the grid of other bounds in 0.79 of the cases: they are tried too; of the
    floats between 0 and 1 0.67 are on the grid.)
    """
    ends = float32_ends(torch.tensor([[law.low, law.high]], dtype=torch.float64))

    rates = EXACT if law.low < 0 < law.high else ONE_SIDED

    def count(part: Tensor) -> GridCount:
        near = int(on_uniform_grid(part, ends)[0].sum())
        return GridCount(len(part), near, len(part) - near, rates)

    return in_chunks(values, count)


def float32_ends(bounds: Tensor) -> Tensor:
    """Return low and width of rows (low, high) as ``uniform_`` has them in float32."""
    ends = bounds.float()
    return torch.stack((ends[:, 0], ends[:, 1] - ends[:, 0]), dim=1).double()


def on_uniform_grid(values: Tensor, ends: Tensor) -> Tensor:
    """Return for each row (low, width) of ``ends``, in float32, which of the numbers it gives."""
    low, width = ends[:, :1], ends[:, 1:]
    wanted = values.double()[None]
    nearest = ((wanted - low) / width * STEPS).round()
    found = torch.zeros(nearest.shape, dtype=torch.bool)
    for step in (-1, 0, 1):
        place = (nearest + step) / STEPS
        fused = (place * width + low).float()
        twice = (place * width).float() + low.float()
        inside = (place >= 0) & (place < 1)
        found |= ((fused == values[None]) | (twice == values[None])) & inside
    return found


def pairs_of(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the numbers that ``normal_`` makes as pairs: i and i + 8 of blocks of 16.

    If the number of elements is no multiple of 16, the last 16 are drawn anew.
    """
    whole = len(values) - len(values) % NORMAL_BLOCK
    blocks = values[:whole].double().view(-1, 2, NORMAL_BLOCK // 2)
    first, second = blocks[:, 0].reshape(-1), blocks[:, 1].reshape(-1)
    if whole < len(values):
        kept = (whole - NORMAL_BLOCK) // 2  # the last block is overwritten in part
        last = values[-NORMAL_BLOCK:].double().view(2, -1)
        first, second = torch.cat((first[:kept], last[0])), torch.cat((second[:kept], last[1]))
    used = (first != 0) | (second != 0)  # rows that were set to 0 afterwards
    return first[used], second[used]


def count_pairs(values: Tensor) -> GridCount:
    """Count the pairs of ``normal_`` whose angle is one of 2²⁴: whatever the std, for a mean of 0.

    Box & Muller 1958: x = r cos θ, y = r sin θ with θ = 2π m / 2²⁴ in float32. Of fresh pairs 0.98
    are within 0.2 steps (0.97 after a scaling), and all within 0.45; of moved ones 0.38 and 0.8.
    """
    angle_unit = single(2 * math.pi)

    def count(part: Tensor) -> GridCount:
        first, second = pairs_of(part)
        angle = torch.atan2(second, first).remainder(2 * math.pi)
        nearest = (angle * (STEPS / (2 * math.pi))).round()
        off = torch.full_like(angle, math.inf)
        for step in (-1, 0, 1):
            place = ((nearest + step) / STEPS * angle_unit).float().double()
            off = torch.minimum(off, (angle - place).abs())
        off *= STEPS / (2 * math.pi)
        near, far = int((off < 0.2).sum()), int((off > 0.45).sum())
        return GridCount(len(off), near, far, PAIRS)

    return in_chunks(values, count)


def count_radii(values: Tensor, std: float) -> GridCount:
    """Count the pairs of ``normal_`` whose radius is on the grid for a std: ``1 - exp(-r²/2σ²)``.

    Rounding leaves the grid visible where r is small or large, in one pair of twenty.
    """
    first, second = pairs_of(values)
    height = torch.exp((first * first + second * second) / (-2 * std * std)) * STEPS
    height = height[(height < 0.015 * STEPS) | (height > 0.97 * STEPS)]
    off = (height - height.round()).abs()
    return GridCount(len(off), int((off < 0.2).sum()), int((off > 0.45).sum()), RADII)


def count_inverse_cdf(values: Tensor, law: TruncNormal) -> GridCount:
    """Count the numbers that an inverse CDF in float32 can have made: ``erfinv`` of ``uniform_``.

    So timm, older torch and others draw a truncated normal law. Of fresh draws 0.87 or more are
    within one unit in the last place (0.66 after a scaling), and all within three; of moved ones
    0.49 and 0.87.
    """
    alpha, beta = law.standardized_bounds
    ends = [math.erf(end / math.sqrt(2)) for end in (alpha, beta)]
    low, high = single(ends[0]), single(ends[1])
    width = single(high - low)
    cut = max(abs(alpha), abs(beta))

    def count(part: Tensor) -> GridCount:
        z = (part.double() - law.loc) / law.scale
        z = z[z.abs() < cut * (1 - 1e-6)]  # what is on a cut point was put there
        nearest = ((torch.erf(z / math.sqrt(2)) - low) / width * STEPS).round()
        unit = FLOAT_EPS * torch.exp2(z.abs().clamp_min(1e-12).log2().floor())
        off = torch.full_like(z, math.inf)
        for step in range(-2, 3):
            place = ((nearest + step) / STEPS * width + low).float()
            back = torch.erfinv(place).double() * math.sqrt(2)
            off = torch.minimum(off, (z - back).abs() / unit)
        near, far = int((off <= 1).sum()), int((off > 3.1).sum())
        return GridCount(len(off), near, far, INVERSE)

    return in_chunks(values, count)


def intact_share(law: TruncNormal) -> float:
    """Return the share of pairs that rejection leaves as ``normal_`` has made them."""
    return normal_mass(*law.standardized_bounds) ** 2
