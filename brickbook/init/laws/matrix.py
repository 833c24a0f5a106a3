"""Laws of a matrix as a whole: orthogonal, identity, Hadamard and sparse ones, in kernels too."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from brickbook.init.laws.base import Atoms, DiscreteLaw, Law, merge_atoms
from brickbook.init.laws.elementwise import Constant, Normal

__all__ = [
    "BlockConstants", "Centred", "HadamardMatrix", "IdentityMatrix", "OrthogonalMatrix",
    "SparseNormal", "Stacked",
]  # fmt: skip


@dataclass(frozen=True)
class OrthogonalMatrix(Law):
    """``gain`` times a random matrix with orthonormal rows (or columns, if it is tall).

    Haar-distributed: with n the longer side, an element divided by ``gain`` has the density
    ``Γ(n/2) / (√π Γ((n-1)/2)) · (1 - x²)^((n-3)/2)``, mean 0 and variance 1/n. Source: Saxe et al.
    2013, §3, https://arxiv.org/abs/1312.6120; drawn as Mezzadri 2007, §5, by QR with signs.
    """

    elementwise = False
    gain: float
    rows: int
    columns: int

    @property
    def longer_side(self) -> int:
        """The longer side of the matrix."""
        return max(self.rows, self.columns)

    @property
    def mean(self) -> float:
        """0 by symmetry."""
        return 0.0

    @property
    def std(self) -> float:
        """``|gain| / √n``."""
        return abs(self.gain) / math.sqrt(self.longer_side)

    @property
    def support(self) -> tuple[float, float]:
        """Plus and minus the gain: no row is longer."""
        return -abs(self.gain), abs(self.gain)

    @property
    def atoms(self) -> Atoms:
        """None, or plus and minus the gain for a single element."""
        gain = abs(self.gain)
        return ((-gain, 0.5), (gain, 0.5)) if self.longer_side == 1 else ()

    def pdf(self, x: Tensor) -> Tensor:
        """Density of one element."""
        n = self.longer_side
        x = x.double() / abs(self.gain)
        if n == 1:
            return torch.zeros_like(x)
        log = math.lgamma(n / 2) - math.lgamma((n - 1) / 2) - math.log(math.pi) / 2
        inside = (1 - x * x).clamp_min(0).pow((n - 3) / 2)
        return torch.where(x.abs() <= 1, inside * math.exp(log) / abs(self.gain), 0.0)

    def scale_by(self, factor: float) -> Law:
        """Scale the gain."""
        if factor == 0:
            return Constant(0.0)
        return OrthogonalMatrix(self.gain * factor, self.rows, self.columns)

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Draw the whole matrix: (out, in · kernel) of a weight; torch's numbers for a seed."""
        matrix = tensor.new_empty((self.rows, self.columns)).normal_(generator=generator)
        wide = self.rows < self.columns
        q, r = torch.linalg.qr(matrix.t() if wide else matrix)
        q *= r.diagonal().sgn()
        tensor.copy_((q.t() if wide else q).reshape(tensor.shape)).mul_(self.gain)


@dataclass(frozen=True)
class IdentityMatrix(DiscreteLaw):
    """``gain`` on the main diagonal of a matrix, or of ``groups`` equal blocks of rows; else 0.

    Nothing is drawn. As a law of an element: ``gain`` with probability (number of ones) /
    (number of elements).
    """

    elementwise = False
    gain: float
    rows: int
    columns: int
    groups: int = 1

    @property
    def nonzero_fraction(self) -> float:
        """The share of the elements on a diagonal."""
        return (
            self.groups * min(self.rows // self.groups, self.columns) / (self.rows * self.columns)
        )

    @property
    def atoms(self) -> Atoms:
        """0 and the gain."""
        return merge_atoms([(0.0, 1 - self.nonzero_fraction), (self.gain, self.nonzero_fraction)])

    def scale_by(self, factor: float) -> Law:
        """Scale the gain."""
        if factor == 0:
            return Constant(0.0)
        return IdentityMatrix(self.gain * factor, self.rows, self.columns, self.groups)

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Write the diagonals of a 2-D tensor."""
        tensor.zero_()
        each = self.rows // self.groups
        for first in range(0, self.rows, each):
            tensor[first : first + each].diagonal().fill_(self.gain)


@dataclass(frozen=True)
class HadamardMatrix(DiscreteLaw):
    """The corner of ``rows`` × ``columns`` of ``gain · 2^(-m/2) · H_m``, with ``2^m >= rows``.

    ``H_m`` is Sylvester's Hadamard matrix: element (i, j) is -1 to the number of ones that i and j
    have in common in base 2. The columns are orthonormal times the gain if ``rows`` is a power of
    two. Nothing is drawn. Source: Zhao, Schäfer & Anandkumar 2022, definition 2 and algorithm 1,
    https://arxiv.org/abs/2110.12661; scaled as in its authors' code.
    """

    elementwise = False
    gain: float
    rows: int
    columns: int

    @property
    def magnitude(self) -> float:
        """The absolute value of every element."""
        m = (max(self.rows, self.columns) - 1).bit_length()
        return abs(self.gain) * 2.0 ** (-m / 2)

    @property
    def mean_sign(self) -> float:
        """How many more elements of ``H_m`` are 1 than -1, as a share of all."""
        m = (max(self.rows, self.columns) - 1).bit_length()
        return sum_hadamard_signs(self.rows, self.columns, m) / (self.rows * self.columns)

    @property
    def atoms(self) -> Atoms:
        """Plus and minus the size."""
        size = math.copysign(self.magnitude, self.gain)
        return merge_atoms([(size, (1 + self.mean_sign) / 2), (-size, (1 - self.mean_sign) / 2)])

    @property
    def mean(self) -> float:
        """``gain · 2^(-m/2) · mean_sign``, which its two atoms would give with fewer digits."""
        return math.copysign(self.magnitude, self.gain) * self.mean_sign

    def scale_by(self, factor: float) -> Law:
        """Scale the gain."""
        if factor == 0:
            return Constant(0.0)
        return HadamardMatrix(self.gain * factor, self.rows, self.columns)

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Write a 2-D tensor: each quarter is a copy of the first, the last one with its sign."""
        tensor[:1, :1] = math.copysign(self.magnitude, self.gain)
        side = 1
        while side < max(self.rows, self.columns):
            first = tensor[:side, :side]
            tensor[:side, side : 2 * side] = first[:, : max(self.columns - side, 0)]
            tensor[side : 2 * side, :side] = first[: max(self.rows - side, 0)]
            last = tensor[side : 2 * side, side : 2 * side]
            last.copy_(first[: last.shape[0], : last.shape[1]]).neg_()
            side *= 2


@dataclass(frozen=True)
class SparseNormal(Law):
    """N(0, scale²), but ``zeros`` of the ``rows`` elements of every column are 0.

    Source: Martens 2010, Deep learning via Hessian-free optimization, §5, as in
    ``torch.nn.init.sparse_``, which draws the places column by column.
    """

    elementwise = False
    scale: float
    rows: int
    zeros: int

    @property
    def nonzero_fraction(self) -> float:
        """The share of the elements that are drawn."""
        return 1 - self.zeros / self.rows

    @property
    def mean(self) -> float:
        """0 by symmetry."""
        return 0.0

    @property
    def std(self) -> float:
        """``scale √nonzero_fraction``."""
        return self.scale * math.sqrt(self.nonzero_fraction)

    @property
    def support(self) -> tuple[float, float]:
        """All real numbers."""
        return -math.inf, math.inf

    @property
    def atoms(self) -> Atoms:
        """The zeros."""
        return merge_atoms([(0.0, self.zeros / self.rows)])

    def pdf(self, x: Tensor) -> Tensor:
        """The normal density times the share that is drawn."""
        return Normal(0.0, self.scale).pdf(x) * self.nonzero_fraction

    def mass_beyond(self, limit: float) -> float:
        """The probability under the normal law, times the share of elements that is drawn."""
        return Normal(0.0, self.scale).mass_beyond(limit) * self.nonzero_fraction

    def scale_by(self, factor: float) -> Law:
        """Scale what is drawn."""
        if factor == 0:
            return Constant(0.0)
        return SparseNormal(self.scale * factor, self.rows, self.zeros)

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Draw a 2-D tensor, then the places of the zeros; torch's numbers for a seed."""
        values = tensor.new_empty(tensor.shape) if not tensor.is_contiguous() else tensor
        values.normal_(0.0, self.scale, generator=generator)
        tensor.copy_(values)
        device = generator.device if generator is not None else "cpu"
        for column in tensor.unbind(1):
            order = torch.randperm(self.rows, generator=generator, device=device)
            column[order[: self.zeros].to(tensor.device)] = 0


@dataclass(frozen=True)
class Centred(Law):
    """A kernel that is 0 but at its centre, where the matrix (out, in) follows ``law``.

    ``taps`` is the number of the kernel's elements. The centre of an axis of length k is tap
    k // 2: of an even kernel the later of the two in the middle, as in ``torch.nn.init.dirac_``.
    """

    elementwise = False
    exact_in_16_bits = True  # the inner law sees to its own rounding
    law: Law
    taps: int

    def is_random(self) -> bool:
        """Whether the inner law draws anything."""
        return self.law.is_random()

    @property
    def mean(self) -> float:
        """The mean of the centre over the number of taps."""
        return self.law.mean / self.taps

    @property
    def std(self) -> float:
        """From the second moment of the centre over the number of taps."""
        second = (self.law.std**2 + self.law.mean**2) / self.taps
        return math.sqrt(max(0.0, second - self.mean**2))

    @property
    def support(self) -> tuple[float, float]:
        """From the least to the largest of the centre's values and 0."""
        low, high = self.law.support
        return (low, high) if self.taps == 1 else (min(low, 0.0), max(high, 0.0))

    @property
    def atoms(self) -> Atoms:
        """0 for all other taps, and the atoms of the centre, each with its probability."""
        inner = ((value, share / self.taps) for value, share in self.law.atoms)
        return merge_atoms([(0.0, 1 - 1 / self.taps), *inner])

    def pdf(self, x: Tensor) -> Tensor:
        """The density of the centre over the number of taps."""
        return self.law.pdf(x) / self.taps

    def mass_beyond(self, limit: float) -> float:
        """The probability for the centre over the number of taps."""
        return self.law.mass_beyond(limit) / self.taps

    def scale_by(self, factor: float) -> Law:
        """Scale the centre."""
        return Centred(self.law.scale_by(factor), self.taps) if factor else Constant(0.0)

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Write zeros, then the centre."""
        tensor.zero_()
        middle = (slice(None), slice(None), *(size // 2 for size in tensor.shape[2:]))
        self.law.fill(tensor[middle], generator)


@dataclass(frozen=True)
class Stacked(Law):
    """``parts`` equal blocks along the first axis, each a tensor of its own by ``law``.

    For weights packed into one tensor (query, key and value, or the gates of an LSTM) under laws
    that are drawn as a whole.
    """

    elementwise = False
    exact_in_16_bits = True  # the inner law sees to its own rounding
    law: Law
    parts: int

    def __str__(self) -> str:
        return f"{self.parts} × {self.law}"

    def is_random(self) -> bool:
        """Whether the inner law draws anything."""
        return self.law.is_random()

    @property
    def mean(self) -> float:
        """The mean of each part."""
        return self.law.mean

    @property
    def std(self) -> float:
        """The std of each part."""
        return self.law.std

    @property
    def support(self) -> tuple[float, float]:
        """The support of each part."""
        return self.law.support

    @property
    def atoms(self) -> Atoms:
        """The atoms of each part."""
        return self.law.atoms

    def pdf(self, x: Tensor) -> Tensor:
        """The density of each part."""
        return self.law.pdf(x)

    def mass_beyond(self, limit: float) -> float:
        """The probability of each part."""
        return self.law.mass_beyond(limit)

    def scale_by(self, factor: float) -> Law:
        """Scale each part."""
        return Stacked(self.law.scale_by(factor), self.parts) if factor else Constant(0.0)

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Draw one part after the other."""
        for part in tensor.tensor_split(self.parts):
            self.law.fill(part, generator)


@dataclass(frozen=True)
class BlockConstants(DiscreteLaw):
    """Equal blocks along the first axis, each with one value everywhere: the biases of gates."""

    elementwise = False
    values: tuple[float, ...]

    def __str__(self) -> str:
        return f"BlockConstants({', '.join(f'{value:.4g}' for value in self.values)})"

    @property
    def atoms(self) -> Atoms:
        """The values, each with the share of its blocks."""
        return merge_atoms((value, 1 / len(self.values)) for value in self.values)

    def scale_by(self, factor: float) -> Law:
        """Scale the values."""
        return BlockConstants(tuple(value * factor for value in self.values))

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Write one block after the other; nothing is drawn."""
        for block, value in zip(tensor.tensor_split(len(self.values)), self.values, strict=True):
            block.fill_(value)


@dataclass(frozen=True)
class RowSections(Law):
    """Sections along the first axis, one after the other, each of ``rows`` and by a law of its own.

    For tensors that are written section by section: query, key and value, or one row of zeros.
    Mean, std and density are those of an element taken anywhere, a mixture of the sections'.
    """

    elementwise = False
    exact_in_16_bits = True  # the inner laws see to their own rounding
    laws: tuple[Law, ...]
    rows: tuple[int, ...]

    def __str__(self) -> str:
        parts = zip(self.rows, self.laws, strict=True)
        return f"RowSections({', '.join(f'{rows} × {law}' for rows, law in parts)})"

    @property
    def weighted_laws(self) -> tuple[tuple[float, Law], ...]:
        """The laws, each with the share of the elements that it has."""
        total = sum(self.rows)
        return tuple((rows / total, law) for rows, law in zip(self.rows, self.laws, strict=True))

    def is_random(self) -> bool:
        """Whether a section draws anything."""
        return any(law.is_random() for law in self.laws)

    @property
    def mean(self) -> float:
        """``Σ pᵢ μᵢ``."""
        return math.fsum(share * law.mean for share, law in self.weighted_laws)

    @property
    def std(self) -> float:
        """``√(Σ pᵢ (σᵢ² + (μᵢ - μ)²))``."""
        mean = self.mean
        parts = (p * (law.std**2 + (law.mean - mean) ** 2) for p, law in self.weighted_laws)
        return math.sqrt(math.fsum(parts))

    @property
    def support(self) -> tuple[float, float]:
        """The least and the greatest value of all sections."""
        ends = [law.support for law in self.laws]
        return min(low for low, _ in ends), max(high for _, high in ends)

    @property
    def atoms(self) -> Atoms:
        """The atoms of the sections, weighted by their shares of the elements."""
        return merge_atoms(
            (value, share * p) for p, law in self.weighted_laws for value, share in law.atoms
        )

    def pdf(self, x: Tensor) -> Tensor:
        """The densities of the sections, by their shares."""
        density = torch.zeros_like(x, dtype=torch.float64)
        for share, law in self.weighted_laws:
            density += share * law.pdf(x)
        return density

    def mass_beyond(self, limit: float) -> float:
        """The mean of the sections' probabilities, weighted by their shares of the elements."""
        return math.fsum(share * law.mass_beyond(limit) for share, law in self.weighted_laws)

    def scale_by(self, factor: float) -> Law:
        """Scale each section."""
        return RowSections(tuple(law.scale_by(factor) for law in self.laws), self.rows)

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Draw one section after the other."""
        for part, law in zip(tensor.split(self.rows), self.laws, strict=True):
            law.fill(part, generator)


@lru_cache(maxsize=4096)
def sum_hadamard_signs(rows: int, columns: int, m: int) -> int:
    """Add the elements of the corner of ``H_m``, quarter by quarter."""
    if rows <= 0 or columns <= 0:
        return 0
    if m == 0:
        return 1
    half = 1 << (m - 1)
    above, left = min(rows, half), min(columns, half)
    return (
        sum_hadamard_signs(above, left, m - 1)
        + sum_hadamard_signs(above, columns - half, m - 1)
        + sum_hadamard_signs(rows - half, left, m - 1)
        - sum_hadamard_signs(rows - half, columns - half, m - 1)
    )
