"""What every law has: its theory, one ``fill``, and a form that JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from brickbook.config import require_number
from brickbook.errors import BadArgumentError, UnknownNameError, nearest

__all__ = [
    "Atoms",
    "DiscreteLaw",
    "Law",
    "iter_chunks",
    "law_from_dict",
    "law_to_dict",
    "merge_atoms",
    "same_law",
]

Atoms = tuple[tuple[float, float], ...]  # (value, probability), by value

HALF_DTYPES = (torch.float16, torch.bfloat16)
LARGEST_EXACT_INT = 1 << 53  # above, not every int is a float
ROUNDING = 1e-12  # in which two ways to the same law may differ
CHUNK_SIZE = 1 << 20  # elements drawn at once where scratch memory is needed


@dataclass(frozen=True)
class Law:
    """A distribution of elements; all numbers are known.

    A law has its theory (``mean``, ``std``, ``support``, ``atoms``, ``pdf``) and ``draw``, which
    overwrites a tensor of 32 or more bits, of any strides; `fill` does so for every dtype.
    ``elementwise`` says that each element is drawn for itself, so that parts of a tensor can be
    drawn apart. ``exact_in_16_bits`` says that nothing is rounded twice when ``draw`` gets 16 bits.
    """

    elementwise: ClassVar[bool] = True
    exact_in_16_bits: ClassVar[bool] = False

    if TYPE_CHECKING:  # at run time a property here would be taken for a field's default below

        @property
        def mean(self) -> float: ...  # noqa: D102

        @property
        def std(self) -> float: ...  # noqa: D102

    def __str__(self) -> str:
        values = (getattr(self, field.name) for field in fields(self))
        words = (str(value) if isinstance(value, Law) else f"{value:.4g}" for value in values)
        return f"{type(self).__name__}({', '.join(words)})"

    def __post_init__(self) -> None:
        """Make floats of integers that have more digits than a float: torch takes no such int."""
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, int) and abs(value) > LARGEST_EXACT_INT:
                object.__setattr__(self, item.name, float(require_number(item.name, value)))

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

    def mass_beyond(self, limit: float) -> float:
        """Return the probability that an element is more than ``limit`` away from 0.

        0 here, because a law of bounded support is refused where its bounds do not fit a dtype.
        """
        return 0.0

    def scale_by(self, factor: float) -> Law:
        """Return the law of ``factor`` times what this one draws; ``factor`` is 0 or more."""
        raise NotImplementedError

    def draw(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Overwrite ``tensor`` in place; it has 32 or more bits unless ``exact_in_16_bits``."""
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
        elif self.exact_in_16_bits or tensor.dtype not in HALF_DTYPES:
            self.draw(tensor, generator)
        else:
            self.draw_then_round(tensor, generator)

    def draw_then_round(self, tensor: Tensor, generator: torch.Generator | None) -> None:
        """Draw in float32, then round to the 16 bits of the tensor."""
        size = CHUNK_SIZE if self.elementwise else tensor.numel()
        wide = torch.empty(min(size, tensor.numel()), dtype=torch.float32, device=tensor.device)
        for chunk in iter_chunks(tensor, size):
            drawn = wide[: chunk.numel()].view(chunk.shape)
            self.draw(drawn, generator)
            chunk.copy_(drawn)


@dataclass(frozen=True)
class DiscreteLaw(Law):
    """A law of a few values: mean, std, support and density follow from its ``atoms``.

    Nothing is drawn: which element gets which value is fixed.
    """

    exact_in_16_bits = True

    @property
    def mean(self) -> float:
        """``Σ pᵢ vᵢ``."""
        return math.fsum(share * value for value, share in self.atoms)

    @property
    def std(self) -> float:
        """``√(Σ pᵢ pⱼ (vᵢ - vⱼ)²)`` over all pairs of values."""
        pairs = combinations(self.atoms, 2)
        return math.hypot(*(math.sqrt(p * q) * (a - b) for (a, p), (b, q) in pairs))

    @property
    def support(self) -> tuple[float, float]:
        """The least and the greatest value."""
        return self.atoms[0][0], self.atoms[-1][0]

    def pdf(self, x: Tensor) -> Tensor:
        """0: everything is in the atoms."""
        return torch.zeros_like(x, dtype=torch.float64)

    def is_random(self) -> bool:
        """Nothing is drawn."""
        return False


def law_to_dict(law: Law) -> dict[str, Any]:
    """Return a law as JSON-able values: its class name and its numbers.

    Numbers that JSON does not have are written as words, laws inside a law as dicts.

    >>> from brickbook.init.laws import TruncNormal
    >>> law_to_dict(TruncNormal(0.0, 1.0, -2.0, math.inf))
    {'type': 'TruncNormal', 'loc': 0.0, 'scale': 1.0, 'low': -2.0, 'high': 'inf'}
    """
    found: dict[str, Any] = {"type": type(law).__name__}
    for item in fields(law):
        value = getattr(law, item.name)
        if isinstance(value, Law):
            value = law_to_dict(value)
        elif isinstance(value, tuple):
            value = [law_to_dict(part) if isinstance(part, Law) else part for part in value]
        elif isinstance(value, float) and not math.isfinite(value):
            value = str(value)
        found[item.name] = value
    return found


def law_from_dict(data: Mapping[str, Any], path: str = "law") -> Law:
    """Undo `law_to_dict`; knows every subclass of `Law` that has been imported.

    Args:
        data: The class name under ``type``, and its numbers.
        path: Where the dict stands, for errors.

    Raises:
        UnknownNameError: No law has this name; a KeyError.
        BadArgumentError: A key is none of its numbers, or one is missing; a TypeError.

    >>> from brickbook.init.laws import Normal
    >>> law_from_dict({"type": "Normal", "mean": 0.0, "std": 0.02})
    Normal(mean=0.0, std=0.02)
    """
    known = {kind.__name__: kind for kind in iter_subclasses(Law) if kind is not DiscreteLaw}
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
        elif isinstance(value, list):
            numbers[key] = tuple(
                law_from_dict(part, f"{path}.{key}[{at}]") if isinstance(part, Mapping) else part
                for at, part in enumerate(value)
            )
    return kind(**numbers)


def same_law(first: Law | None, second: Law | None) -> bool:
    """Whether two laws are one, but for the last digits of their numbers.

    >>> from brickbook.init.laws import Uniform
    >>> same_law(Uniform(-0.5, 0.5), Uniform(-0.49999999999999994, 0.5))
    True
    """
    if first is None or second is None or first == second:
        return first == second
    if type(first) is not type(second):
        return False
    pairs = ((getattr(first, item.name), getattr(second, item.name)) for item in fields(first))
    return all(same_number(a, b) for a, b in pairs)


def same_number(first: Any, second: Any) -> bool:
    """Whether two numbers of a law, or laws in it, are the same but for rounding."""
    if isinstance(first, Law) or isinstance(second, Law):
        return isinstance(first, Law) and isinstance(second, Law) and same_law(first, second)
    if isinstance(first, tuple):
        return len(first) == len(second) and all(map(same_number, first, second))
    return math.isclose(first, second, rel_tol=ROUNDING)


def iter_subclasses(kind: type[Law]) -> Iterator[type[Law]]:
    """Yield the classes below one."""
    for subclass in kind.__subclasses__():
        yield subclass
        yield from iter_subclasses(subclass)


def iter_chunks(tensor: Tensor, max_elements: int) -> Iterator[Tensor]:
    """Cut a tensor into views of at most ``max_elements`` elements, in logical order.

    A contiguous one into flat views, any other along its first axes.
    """
    if tensor.numel() <= max_elements:
        yield tensor
    elif tensor.is_contiguous():
        yield from tensor.view(-1).split(max_elements)
    elif rows := max_elements // tensor[0].numel():
        yield from tensor.split(rows)
    else:
        for row in tensor:
            yield from iter_chunks(row, max_elements)


def merge_atoms(atoms: Iterable[tuple[float, float]]) -> Atoms:
    """Put atoms in order, equal values into one and impossible ones away."""
    found: dict[float, float] = {}
    for value, share in atoms:
        found[value] = found.get(value, 0.0) + share
    return tuple(sorted((value, share) for value, share in found.items() if share > 0))
