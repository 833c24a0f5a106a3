"""Laws: how the numbers of one tensor are drawn, and what theory says about them.

A law (`Constant`, `Normal`, `Uniform`, ...) has all its numbers; a recipe, such as those of
`brickbook.init.recipes`, gives the law for a tensor of a known shape. All laws stand in this one
file, however long, so that they can be read side by side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from brickbook.errors import BadArgumentError, UnknownNameError, nearest

__all__ = [
    "Atoms", "Centred", "Constant", "Contextual", "HadamardMatrix", "IdentityMatrix", "Law",
    "Normal", "OrthogonalMatrix", "Recipe", "SparseNormal", "Stacked", "Target", "TruncNormal",
    "Uniform", "law_from_dict", "law_to_dict", "mass",
]  # fmt: skip

Atoms = tuple[tuple[float, float], ...]  # (value, probability), by value

SHORT = (torch.float16, torch.bfloat16)
PIECE = 1 << 20  # elements drawn at once where scratch memory is needed


@runtime_checkable
class Recipe(Protocol):
    """What a rule of a config holds: gives the law for a tensor of a known shape."""

    @property
    def least_dims(self) -> int:
        """The fewest dimensions a tensor must have."""
        ...

    def at(self, shape: tuple[int, ...]) -> Law:
        """Return the law with its numbers filled in."""
        ...


@dataclass(frozen=True)
class Target:
    """A tensor that a rule speaks of, for recipes that must know more than its shape.

    ``name`` is the qualified name without the prefixes of wrappers, ``role`` one of
    "weight", "bias", "scale", "embedding", "buffer" and "other"; ``shape`` is that of one part
    where several are packed into one tensor.
    """

    name: str
    shape: tuple[int, ...]
    role: str
    module: nn.Module
    model: nn.Module


@runtime_checkable
class Contextual(Recipe, Protocol):
    """A recipe that depends on where the tensor stands: asked first for the recipe to use there."""

    def meet(self, target: Target) -> Recipe:
        """Return the recipe for one tensor; raises ConfigError if there is none."""
        ...


@dataclass(frozen=True)
class Law:
    """A distribution of elements; all numbers are known.

    A law has its theory (``mean``, ``std``, ``support``, ``atoms``, ``pdf``) and ``draw``, which
    overwrites a tensor of 32 or more bits, of any strides; `fill` does so for every dtype.
    ``independent`` says that each element is drawn for itself, so that parts of a tensor can be
    drawn apart. ``exact`` says that nothing is rounded twice when ``draw`` gets 16 bits.
    """

    independent: ClassVar[bool] = True
    exact: ClassVar[bool] = False

    if TYPE_CHECKING:  # at run time a property here would be taken for a field's default below

        @property
        def mean(self) -> float: ...  # noqa: D102

        @property
        def std(self) -> float: ...  # noqa: D102

    def __str__(self) -> str:
        values = (getattr(self, field.name) for field in fields(self))
        words = (str(value) if isinstance(value, Law) else f"{value:.4g}" for value in values)
        return f"{type(self).__name__}({', '.join(words)})"

    @property
    def least_dims(self) -> int:
        """Any tensor will do."""
        return 0

    def at(self, shape: tuple[int, ...]) -> Law:
        """Return this law: it does not depend on the shape."""
        return self

    @property
    def support(self) -> tuple[float, float]:
        """The least and the greatest value that can be drawn."""
        raise NotImplementedError

    @property
    def atoms(self) -> Atoms:
        """The point masses: (value, probability) of every value that is drawn again and again."""
        return ()

    def pdf(self, x: Tensor) -> Tensor:
        """Density at ``x``, in float64, of what is not in the atoms: integrates to the rest."""
        raise NotImplementedError

    def times(self, factor: float) -> Law:
        """Return the law of ``factor`` times what this one draws; ``factor`` is 0 or more."""
        raise NotImplementedError

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Overwrite ``tensor`` in place; it has 32 or more bits unless the law is ``exact``."""
        raise NotImplementedError

    def is_random(self) -> bool:
        """Whether anything is drawn."""
        return True

    def fill(self, tensor: Tensor, generator: torch.Generator | None = None) -> None:
        """Overwrite ``tensor`` in place with draws from ``generator`` (default: torch's own).

        A tensor of 16 bits gets numbers drawn in float32 and rounded once.
        """
        if torch.is_grad_enabled():  # entering no_grad takes longer than to fill a small tensor
            with torch.no_grad():
                self.fill(tensor, generator)
        elif self.exact or tensor.dtype not in SHORT:
            self.draw(tensor, generator)
        else:
            self.round_once(tensor, generator)

    def round_once(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Draw in float32, then round to the 16 bits of the tensor."""
        most = PIECE if self.independent else tensor.numel()
        room = torch.empty(min(most, tensor.numel()), dtype=torch.float32, device=tensor.device)
        for piece in pieces(tensor, most):
            part = room[: piece.numel()].view(piece.shape)
            self.draw(part, generator)
            piece.copy_(part)


@dataclass(frozen=True)
class Constant(Law):
    """Every element is ``value``."""

    exact = True
    value: float

    @property
    def mean(self) -> float:
        """The value."""
        return self.value

    @property
    def std(self) -> float:
        """0: a point mass."""
        return 0.0

    @property
    def support(self) -> tuple[float, float]:
        """The value alone."""
        return self.value, self.value

    @property
    def atoms(self) -> Atoms:
        """The value, with probability 1."""
        return ((self.value, 1.0),)

    def pdf(self, x: Tensor) -> Tensor:
        """0: everything is in the atom."""
        return torch.zeros_like(x, dtype=torch.float64)

    def is_random(self) -> bool:
        """Nothing is drawn."""
        return False

    def times(self, factor: float) -> Law:
        """Scale the value."""
        return Constant(self.value * factor)

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Write the value everywhere; nothing is drawn."""
        tensor.fill_(self.value)


@dataclass(frozen=True)
class Normal(Law):
    """N(mean, std²)."""

    mean: float  # pyright: ignore[reportIncompatibleMethodOverride] - a field, see Law
    std: float  # pyright: ignore[reportIncompatibleMethodOverride]

    @property
    def support(self) -> tuple[float, float]:
        """All real numbers (the mean alone if std is 0)."""
        return (self.mean, self.mean) if self.std == 0 else (-math.inf, math.inf)

    @property
    def atoms(self) -> Atoms:
        """None, or the mean if std is 0."""
        return ((self.mean, 1.0),) if self.std == 0 else ()

    def pdf(self, x: Tensor) -> Tensor:
        """``exp(-((x - mean) / std)² / 2) / (std √(2π))``."""
        if self.std == 0:
            return torch.zeros_like(x, dtype=torch.float64)
        z = (x.double() - self.mean) / self.std
        return torch.exp(-z * z / 2) / (self.std * math.sqrt(2 * math.pi))

    def times(self, factor: float) -> Law:
        """Scale mean and std."""
        return Normal(self.mean * factor, self.std * factor)

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Draw every element."""
        tensor.normal_(self.mean, self.std, generator=generator)


@dataclass(frozen=True)
class Uniform(Law):
    """U[low, high)."""

    low: float
    high: float

    @property
    def mean(self) -> float:
        """``(low + high) / 2``."""
        return (self.low + self.high) / 2

    @property
    def std(self) -> float:
        """``(high - low) / √12``."""
        return (self.high - self.low) / math.sqrt(12)

    @property
    def support(self) -> tuple[float, float]:
        """The two bounds; rounding to 16 bits may give the upper one."""
        return self.low, self.high

    @property
    def atoms(self) -> Atoms:
        """None, or the bounds if they are one."""
        return ((self.low, 1.0),) if self.low == self.high else ()

    def pdf(self, x: Tensor) -> Tensor:
        """``1 / (high - low)`` between the bounds."""
        if self.low == self.high:
            return torch.zeros_like(x, dtype=torch.float64)
        x = x.double()
        inside = (x >= self.low) & (x <= self.high)
        return inside.double() / (self.high - self.low)

    def times(self, factor: float) -> Law:
        """Scale the bounds."""
        return Uniform(self.low * factor, self.high * factor)

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Draw every element."""
        tensor.uniform_(self.low, self.high, generator=generator)


@dataclass(frozen=True)
class TruncNormal(Law):
    """N(loc, scale²) given that the value lies in [low, high]; all four are absolute numbers.

    ``mean`` and ``std`` are those of the truncated law: with α = (low - loc)/scale, β =
    (high - loc)/scale, Z = Φ(β) - Φ(α): mean = loc + scale·(φ(α) - φ(β))/Z and variance =
    scale²·(1 + (αφ(α) - βφ(β))/Z - ((φ(α) - φ(β))/Z)²). Source: Johnson, Kotz & Balakrishnan,
    Continuous Univariate Distributions 1 (1994), §13.10.1.
    """

    loc: float
    scale: float
    low: float
    high: float

    @property
    def cuts(self) -> tuple[float, float]:
        """α and β: the bounds in units of scale."""
        return (self.low - self.loc) / self.scale, (self.high - self.loc) / self.scale

    @property
    def mean(self) -> float:
        """The mean after truncation."""
        alpha, beta = self.cuts
        return self.loc + self.scale * (density(alpha) - density(beta)) / mass(alpha, beta)

    @property
    def std(self) -> float:
        """The standard deviation after truncation."""
        alpha, beta = self.cuts
        z = mass(alpha, beta)
        shift = (density(alpha) - density(beta)) / z
        edges = (edge(alpha) - edge(beta)) / z
        return self.scale * math.sqrt(max(0.0, 1 + edges - shift * shift))

    @property
    def support(self) -> tuple[float, float]:
        """The two cut points."""
        return self.low, self.high

    def pdf(self, x: Tensor) -> Tensor:
        """The normal density over its mass between the cut points, 0 outside."""
        x = x.double()
        inside = (x >= self.low) & (x <= self.high)
        return torch.where(inside, Normal(self.loc, self.scale).pdf(x) / mass(*self.cuts), 0.0)

    def times(self, factor: float) -> Law:
        """Scale all four numbers."""
        if factor == 0:
            return Constant(0.0)
        numbers = (self.loc, self.scale, self.low, self.high)
        return TruncNormal(*(number * factor for number in numbers))

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Draw every element: by rejection, or by the inverse CDF in float64 for far tails.

        Not mmcv's numbers for a given seed: its inverse CDF in float32 puts a few elements of
        every 10⁸ on the cut points, however far away those are.
        """
        for piece in pieces(tensor, PIECE // 16):  # either way needs scratch memory, several times
            self.draw_piece(piece, generator)

    def draw_piece(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Draw some of the elements."""
        alpha, beta = self.cuts
        if mass(alpha, beta) < 0.2:
            flat = self.loc + self.scale * far_tail(tensor, alpha, beta, generator)
            tensor.copy_(flat.clamp_(self.low, self.high))
            return
        tensor.normal_(self.loc, self.scale, generator=generator)
        outside = (tensor < self.low) | (tensor > self.high)
        while count := int(outside.sum()):
            again = tensor.new_empty(count).normal_(self.loc, self.scale, generator=generator)
            tensor[outside] = again
            outside = (tensor < self.low) | (tensor > self.high)


@dataclass(frozen=True)
class OrthogonalMatrix(Law):
    """``gain`` times a random matrix with orthonormal rows (or columns, if it is tall).

    Haar-distributed: with n the longer side, an element divided by ``gain`` has the density
    ``Γ(n/2) / (√π Γ((n-1)/2)) · (1 - x²)^((n-3)/2)``, mean 0 and variance 1/n. Source: Saxe et al.
    2013, §3, https://arxiv.org/abs/1312.6120; drawn as Mezzadri 2007, §5, by QR with signs.
    """

    independent = False
    gain: float
    rows: int
    columns: int

    @property
    def longer(self) -> int:
        """The longer side of the matrix."""
        return max(self.rows, self.columns)

    @property
    def mean(self) -> float:
        """0 by symmetry."""
        return 0.0

    @property
    def std(self) -> float:
        """``|gain| / √n``."""
        return abs(self.gain) / math.sqrt(self.longer)

    @property
    def support(self) -> tuple[float, float]:
        """Plus and minus the gain: no row is longer."""
        return -abs(self.gain), abs(self.gain)

    @property
    def atoms(self) -> Atoms:
        """None, or plus and minus the gain for a single element."""
        gain = abs(self.gain)
        return ((-gain, 0.5), (gain, 0.5)) if self.longer == 1 else ()

    def pdf(self, x: Tensor) -> Tensor:
        """Density of one element."""
        n = self.longer
        x = x.double() / abs(self.gain)
        if n == 1:
            return torch.zeros_like(x)
        log = math.lgamma(n / 2) - math.lgamma((n - 1) / 2) - math.log(math.pi) / 2
        inside = (1 - x * x).clamp_min(0).pow((n - 3) / 2)
        return torch.where(x.abs() <= 1, inside * math.exp(log) / abs(self.gain), 0.0)

    def times(self, factor: float) -> Law:
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
class IdentityMatrix(Law):
    """``gain`` on the main diagonal of a matrix, or of ``groups`` equal blocks of rows; else 0.

    Nothing is drawn. As a law of an element: ``gain`` with probability (number of ones) /
    (number of elements).
    """

    independent = False
    exact = True
    gain: float
    rows: int
    columns: int
    groups: int = 1

    @property
    def share(self) -> float:
        """The share of the elements on a diagonal."""
        return (
            self.groups * min(self.rows // self.groups, self.columns) / (self.rows * self.columns)
        )

    @property
    def mean(self) -> float:
        """``gain · share``."""
        return self.gain * self.share

    @property
    def std(self) -> float:
        """``|gain| √(share (1 - share))``."""
        return abs(self.gain) * math.sqrt(self.share * (1 - self.share))

    @property
    def support(self) -> tuple[float, float]:
        """0 and the gain."""
        return span(self.atoms)

    @property
    def atoms(self) -> Atoms:
        """0 and the gain."""
        return merged([(0.0, 1 - self.share), (self.gain, self.share)])

    def pdf(self, x: Tensor) -> Tensor:
        """0: everything is in the atoms."""
        return torch.zeros_like(x, dtype=torch.float64)

    def is_random(self) -> bool:
        """Nothing is drawn."""
        return False

    def times(self, factor: float) -> Law:
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
class HadamardMatrix(Law):
    """The corner of ``rows`` × ``columns`` of ``gain · 2^(-m/2) · H_m``, with ``2^m >= rows``.

    ``H_m`` is Sylvester's Hadamard matrix: element (i, j) is -1 to the number of ones that i and j
    have in common in base 2. The columns are orthonormal times the gain if ``rows`` is a power of
    two. Nothing is drawn. Source: Zhao, Schäfer & Anandkumar 2022, definition 2 and algorithm 1,
    https://arxiv.org/abs/2110.12661; scaled as in its authors' code.
    """

    independent = False
    exact = True
    gain: float
    rows: int
    columns: int

    @property
    def size(self) -> float:
        """The absolute value of every element."""
        m = (max(self.rows, self.columns) - 1).bit_length()
        return abs(self.gain) * 2.0 ** (-m / 2)

    @property
    def excess(self) -> float:
        """How many more elements of ``H_m`` are 1 than -1, as a share of all."""
        m = (max(self.rows, self.columns) - 1).bit_length()
        return sum_of_signs(self.rows, self.columns, m) / (self.rows * self.columns)

    @property
    def mean(self) -> float:
        """``gain · 2^(-m/2) · excess``."""
        return math.copysign(self.size, self.gain) * self.excess

    @property
    def std(self) -> float:
        """``|gain| · 2^(-m/2) · √(1 - excess²)``."""
        return self.size * math.sqrt(1 - self.excess**2)

    @property
    def support(self) -> tuple[float, float]:
        """Plus and minus the size."""
        return span(self.atoms)

    @property
    def atoms(self) -> Atoms:
        """Plus and minus the size."""
        size = math.copysign(self.size, self.gain)
        return merged([(size, (1 + self.excess) / 2), (-size, (1 - self.excess) / 2)])

    def pdf(self, x: Tensor) -> Tensor:
        """0: everything is in the atoms."""
        return torch.zeros_like(x, dtype=torch.float64)

    def is_random(self) -> bool:
        """Nothing is drawn."""
        return False

    def times(self, factor: float) -> Law:
        """Scale the gain."""
        if factor == 0:
            return Constant(0.0)
        return HadamardMatrix(self.gain * factor, self.rows, self.columns)

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Write a 2-D tensor: each quarter is a copy of the first, the last one with its sign."""
        tensor[:1, :1] = math.copysign(self.size, self.gain)
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

    independent = False
    scale: float
    rows: int
    zeros: int

    @property
    def share(self) -> float:
        """The share of the elements that are drawn."""
        return 1 - self.zeros / self.rows

    @property
    def mean(self) -> float:
        """0 by symmetry."""
        return 0.0

    @property
    def std(self) -> float:
        """``scale √share``."""
        return self.scale * math.sqrt(self.share)

    @property
    def support(self) -> tuple[float, float]:
        """All real numbers."""
        return -math.inf, math.inf

    @property
    def atoms(self) -> Atoms:
        """The zeros."""
        return merged([(0.0, self.zeros / self.rows)])

    def pdf(self, x: Tensor) -> Tensor:
        """The normal density times the share that is drawn."""
        return Normal(0.0, self.scale).pdf(x) * self.share

    def times(self, factor: float) -> Law:
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

    independent = False
    exact = True  # the inner law sees to its own rounding
    law: Law
    taps: int

    def is_random(self) -> bool:
        """Whether the inner law draws anything."""
        return self.law.is_random()

    @property
    def mean(self) -> float:
        """That of the centre over the number of taps."""
        return self.law.mean / self.taps

    @property
    def std(self) -> float:
        """From the second moment of the centre over the number of taps."""
        second = (self.law.std**2 + self.law.mean**2) / self.taps
        return math.sqrt(max(0.0, second - self.mean**2))

    @property
    def support(self) -> tuple[float, float]:
        """That of the centre, and 0."""
        low, high = self.law.support
        return (low, high) if self.taps == 1 else (min(low, 0.0), max(high, 0.0))

    @property
    def atoms(self) -> Atoms:
        """0, and those of the centre."""
        inner = ((value, share / self.taps) for value, share in self.law.atoms)
        return merged([(0.0, 1 - 1 / self.taps), *inner])

    def pdf(self, x: Tensor) -> Tensor:
        """That of the centre over the number of taps."""
        return self.law.pdf(x) / self.taps

    def times(self, factor: float) -> Law:
        """Scale the centre."""
        return Centred(self.law.times(factor), self.taps) if factor else Constant(0.0)

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

    independent = False
    exact = True  # the inner law sees to its own rounding
    law: Law
    parts: int

    def __str__(self) -> str:
        return f"{self.parts} × {self.law}"

    def is_random(self) -> bool:
        """Whether the inner law draws anything."""
        return self.law.is_random()

    @property
    def mean(self) -> float:
        """That of a part."""
        return self.law.mean

    @property
    def std(self) -> float:
        """That of a part."""
        return self.law.std

    @property
    def support(self) -> tuple[float, float]:
        """That of a part."""
        return self.law.support

    @property
    def atoms(self) -> Atoms:
        """Those of a part."""
        return self.law.atoms

    def pdf(self, x: Tensor) -> Tensor:
        """That of a part."""
        return self.law.pdf(x)

    def times(self, factor: float) -> Law:
        """Scale each part."""
        return Stacked(self.law.times(factor), self.parts) if factor else Constant(0.0)

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Draw one part after the other."""
        for part in tensor.tensor_split(self.parts):
            self.law.fill(part, generator)


def law_to_dict(law: Law) -> dict[str, Any]:
    """Return a law as JSON-able values: its class name and its numbers.

    Numbers that JSON does not have are written as words, laws inside a law as dicts.

    >>> law_to_dict(TruncNormal(0.0, 1.0, -2.0, math.inf))
    {'type': 'TruncNormal', 'loc': 0.0, 'scale': 1.0, 'low': -2.0, 'high': 'inf'}
    """
    found: dict[str, Any] = {"type": type(law).__name__}
    for item in fields(law):
        value = getattr(law, item.name)
        if isinstance(value, Law):
            value = law_to_dict(value)
        elif isinstance(value, float) and not math.isfinite(value):
            value = str(value)
        found[item.name] = value
    return found


def law_from_dict(data: Mapping[str, Any], path: str = "law") -> Law:
    """Undo `law_to_dict`; knows every subclass of `Law` that has been imported.

    Raises KeyError for an unknown class, TypeError for keys that are not its numbers.

    >>> law_from_dict({"type": "Normal", "mean": 0.0, "std": 0.02})
    Normal(mean=0.0, std=0.02)
    """
    known = {kind.__name__: kind for kind in subclasses(Law)}
    kind = known.get(data.get("type", ""))
    if kind is None:
        problem = f"unknown law {data.get('type')!r}."
        raise UnknownNameError(f"{path}.type", problem, nearest(data.get("type"), known))
    names = {item.name: item.default is not MISSING for item in fields(kind)}
    for key in data:
        if key != "type" and key not in names:
            problem = f"{kind.__name__} has no such number."
            raise BadArgumentError(f"{path}.{key}", problem, nearest(key, names))
    missing = [name for name, optional in names.items() if not optional and name not in data]
    if missing:
        raise BadArgumentError(path, f"{kind.__name__} also needs {', '.join(missing)}.")
    numbers = {key: value for key, value in data.items() if key != "type"}
    for key, value in numbers.items():
        if isinstance(value, Mapping):
            numbers[key] = law_from_dict(value, f"{path}.{key}")
        elif isinstance(value, str):
            numbers[key] = float(value)
    return kind(**numbers)


def subclasses(kind: type[Law]) -> Iterator[type[Law]]:
    """Yield the classes below one."""
    for below in kind.__subclasses__():
        yield below
        yield from subclasses(below)


def pieces(tensor: Tensor, most: int) -> Iterator[Tensor]:
    """Cut a tensor into views of at most ``most`` elements, in logical order.

    A contiguous one into flat views, any other along its first axes.
    """
    if tensor.numel() <= most:
        yield tensor
    elif tensor.is_contiguous():
        yield from tensor.view(-1).split(most)
    elif rows := most // tensor[0].numel():
        yield from tensor.split(rows)
    else:
        for row in tensor:
            yield from pieces(row, most)


def merged(atoms: Iterable[tuple[float, float]]) -> Atoms:
    """Put atoms in order, equal values into one and impossible ones away."""
    found: dict[float, float] = {}
    for value, share in atoms:
        found[value] = found.get(value, 0.0) + share
    return tuple(sorted((value, share) for value, share in found.items() if share > 0))


def span(atoms: Atoms) -> tuple[float, float]:
    """Return the least and the greatest value."""
    return atoms[0][0], atoms[-1][0]


@lru_cache(maxsize=4096)
def sum_of_signs(rows: int, columns: int, m: int) -> int:
    """Add the elements of the corner of ``H_m``, quarter by quarter."""
    if rows <= 0 or columns <= 0:
        return 0
    if m == 0:
        return 1
    half = 1 << (m - 1)
    above, left = min(rows, half), min(columns, half)
    return (
        sum_of_signs(above, left, m - 1)
        + sum_of_signs(above, columns - half, m - 1)
        + sum_of_signs(rows - half, left, m - 1)
        - sum_of_signs(rows - half, columns - half, m - 1)
    )


def density(z: float) -> float:
    """φ(z), the standard normal density; 0 at ±inf."""
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def edge(z: float) -> float:
    """``z φ(z)``, 0 at ±inf."""
    return 0.0 if math.isinf(z) else z * density(z)


def mass(alpha: float, beta: float) -> float:
    """Φ(β) - Φ(α), taken in the tail where it loses no digits."""
    if alpha > 0:
        alpha, beta = -beta, -alpha
    return (math.erfc(-beta / math.sqrt(2)) - math.erfc(-alpha / math.sqrt(2))) / 2


def far_tail(like: Tensor, alpha: float, beta: float, generator: torch.Generator | None) -> Tensor:
    """Standard normal draws between two cuts, by the inverse CDF in float64."""
    flip = alpha > 0
    if flip:
        alpha, beta = -beta, -alpha
    lower, upper = math.erfc(-alpha / math.sqrt(2)) / 2, math.erfc(-beta / math.sqrt(2)) / 2
    u = torch.empty_like(like, dtype=torch.float64).uniform_(generator=generator)
    z = torch.special.ndtri(u.mul_(upper - lower).add_(lower)).clamp_(alpha, beta)
    return -z if flip else z
