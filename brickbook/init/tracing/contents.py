"""What is known of the numbers in a tensor, and what an operation makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from brickbook.init.laws import (
    Constant,
    IdentityMatrix,
    Law,
    Normal,
    TruncNormal,
    Uniform,
    normal_mass,
)

__all__ = [
    "CODE",
    "EMPTY",
    "GIVEN",
    "LOADED",
    "VALUES",
    "Content",
    "Kind",
    "overwrites",
    "result_of",
]


class Kind(str, Enum):
    """What the numbers of a tensor are."""

    EMPTY = "empty"  # memory that nothing has written
    LAW = "law"  # drawn from a law, or one constant
    VALUES = "values"  # computed, or given by Python or NumPy: torch draws nothing of it
    CODE = "code"  # drawn, then changed in a way that leaves no law that is known here
    LOADED = "loaded"  # by load_state_dict
    GIVEN = "given"  # there before the trace began, or made unseen


@dataclass(frozen=True)
class Content:
    """The numbers of a tensor: their kind, and their law where there is one."""

    kind: Kind
    law: Law | None = None

    @property
    def is_fixed(self) -> bool:
        """Whether nothing of it is drawn."""
        return self.kind is Kind.VALUES or (self.law is not None and not self.law.is_random())

    def of_a_part(self) -> Content:
        """Return what a part of the tensor holds: of a matrix's law nothing is left in it."""
        if self.law is None or self.law.elementwise:
            return self
        return Content(Kind.CODE if self.law.is_random() else Kind.VALUES)


EMPTY, VALUES, CODE = Content(Kind.EMPTY), Content(Kind.VALUES), Content(Kind.CODE)
LOADED, GIVEN = Content(Kind.LOADED), Content(Kind.GIVEN)

# Operations by the names that ATen has for them, without the underscore of those in place.
COPIES = (
    "alias", "clone", "contiguous", "copy", "_copy_from", "detach", "lift_fresh_copy", "positive",
    "to", "_to_copy", "_unsafe_view",
)  # fmt: skip
OVERWRITING = (
    "bernoulli_", "cauchy_", "copy_", "exponential_", "fill_", "geometric_", "log_normal_",
    "normal_", "random_", "uniform_", "zero_",
)  # fmt: skip
CONSTANTS = {"zero": 0.0, "zeros": 0.0, "ones": 1.0}
FUNCTIONS: Mapping[str, Callable[[float], float]] = {
    "abs": abs, "cos": math.cos, "exp": math.exp, "expm1": math.expm1, "log": math.log,
    "log1p": math.log1p, "reciprocal": lambda x: 1 / x, "rsqrt": lambda x: 1 / math.sqrt(x),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)), "sin": math.sin, "sqrt": math.sqrt,
    "square": lambda x: x * x, "tanh": math.tanh,
}  # fmt: skip
# Bounds of a cut that a law has already: what float32 leaves of them, in units of its std; and
# which share of the numbers a cut may move without another law.
SAME_BOUND, LARGEST_CUT = 1e-4, 1e-9


def result_of(
    func: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    read: Callable[[Tensor], Content],
) -> Content:
    """Return what an operation leaves in the tensor that it writes or makes.

    Args:
        func: the operation, an overload of ATen's.
        args: its positional arguments, the tensor that it changes first.
        kwargs: its other arguments.
        read: returns what a tensor among them holds.
    """
    name = func.overloadpacket.__name__
    made = created(name, args, read)
    if made is not None:
        return made
    name = name.rstrip("_")
    if name in COPIES:
        return read(args[1] if name in ("copy", "_copy_from") else args[0])
    known = mapped(name, args, kwargs.get("alpha", 1), read)
    if known is not None:
        return known
    sources = [read(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    if EMPTY in sources and not overwrites(func):
        return EMPTY
    drawn = torch.Tag.nondeterministic_seeded in func.tags
    return VALUES if all(source.is_fixed for source in sources) and not drawn else CODE


def overwrites(func: Any) -> bool:
    """Whether an operation in place leaves nothing of what was there."""
    return func.overloadpacket.__name__ in OVERWRITING or "out" in func._overloadname.split("_")


def created(name: str, args: Sequence[Any], read: Callable[[Tensor], Content]) -> Content | None:
    """Return the content that an operation writes whatever was there; None if it reads that."""
    in_place, name = name.endswith("_"), name.rstrip("_")
    plain = name.removeprefix("new_").removesuffix("_like")
    if plain.startswith("empty"):
        return EMPTY
    if plain in CONSTANTS:
        return Content(Kind.LAW, Constant(CONSTANTS[plain]))
    if plain in ("fill", "full"):
        return constant(number_of(args[1], read))
    if plain in ("rand", "uniform"):
        low, high = numbers_of(args[1:3] if plain == "uniform" else (), read, (0.0, 1.0))
        return with_law(low, high, Uniform)
    if plain in ("randn", "normal"):
        given = () if plain == "randn" else args[1:3] if in_place else args[:2]
        mean, std = numbers_of(given, read, (0.0, 1.0))
        return with_law(mean, std, Normal)
    if name == "eye":
        rows, columns = args[0], args[1] if len(args) > 1 and isinstance(args[1], int) else args[0]
        return Content(Kind.LAW, IdentityMatrix(1.0, rows, columns))
    if name == "lift_fresh":  # a number or a list that Python gives
        single = args[0].numel() == 1 and not (args[0].is_meta or args[0].is_complex())
        return constant(float(args[0])) if single else VALUES
    if name == "scalar_tensor":
        return constant(number_of(args[0], read))
    return None


def constant(value: float | None) -> Content:
    """Return the content of a tensor that is one number everywhere, whichever it is."""
    return VALUES if value is None else Content(Kind.LAW, Constant(value))


def with_law(first: float | None, second: float | None, law: Callable[..., Law]) -> Content:
    """Return the content of a law with two numbers; of own code if one of them is not known."""
    return CODE if first is None or second is None else Content(Kind.LAW, law(first, second))


def number_of(value: Any, read: Callable[[Tensor], Content]) -> float | None:
    """Return a number that is given as such, or as a tensor of one value; None if it is neither."""
    if isinstance(value, (bool, int, float)):
        return float(value)
    if isinstance(value, Tensor):
        law = read(value).law
        if isinstance(law, Constant):
            return law.value
        if value.numel() == 1 and not value.is_meta and not value.is_complex():
            return float(value) if read(value).is_fixed else None
    return None


def numbers_of(
    given: Sequence[Any], read: Callable[[Tensor], Content], default: tuple[float, float]
) -> tuple[float | None, float | None]:
    """Return two numbers of an operation, with the defaults of those that were left out."""
    known = [number_of(value, read) for value in given]
    first, second = (*known, *default[len(known) :])
    return first, second


def mapped(
    name: str, args: Sequence[Any], alpha: float, read: Callable[[Tensor], Content]
) -> Content | None:
    """Return the content after an operation that maps every element by itself; else None."""
    if name in ("add", "sub", "mul", "div", "rsub", "neg"):
        return combined(name, args, alpha, read)
    source = read(args[0]) if args and isinstance(args[0], Tensor) else None
    if source is None or source.law is None:
        return None
    law = source.law
    if name == "clamp":
        ends = (*args[1:3], None, None)[:2]
        least, most = (number_of(end, read) for end in ends)
        if (least is None and ends[0] is not None) or (most is None and ends[1] is not None):
            return None
        return clamped(law, least, most)
    if name == "erfinv" and isinstance(law, Uniform) and -1 <= law.low < law.high <= 1:
        low, high = torch.tensor([law.low, law.high], dtype=torch.float64).erfinv().tolist()
        return Content(Kind.LAW, truncated(0.0, math.sqrt(0.5), low, high))
    if name in FUNCTIONS and isinstance(law, Constant):
        try:
            return constant(FUNCTIONS[name](law.value))
        except (ArithmeticError, ValueError):
            return VALUES
    return None


def combined(
    name: str, args: Sequence[Any], alpha: float, read: Callable[[Tensor], Content]
) -> Content | None:
    """Return the content of a sum or product of which one side is a number."""
    if name == "neg":
        return affine(read(args[0]), -1.0, 0.0)
    for tensor, number, swapped in ((args[0], args[1], False), (args[1], args[0], True)):
        if not isinstance(tensor, Tensor) or (
            swapped and (name not in ("add", "mul") or alpha != 1)
        ):
            continue
        value = number_of(number, read)
        if value is None:
            continue
        source = read(tensor)
        if name == "mul":
            return affine(source, value, 0.0)
        if name == "div":
            return affine(source, 1 / value, 0.0) if value else None
        if name == "rsub":
            return affine(source, -float(alpha), value)
        return affine(source, 1.0, -value * alpha if name == "sub" else value * alpha)
    return None


def affine(content: Content, scale: float, shift: float) -> Content | None:
    """Return the content of ``scale · x + shift``; None if its law is not known."""
    law = content.law
    if isinstance(law, Constant):
        return Content(Kind.LAW, Constant(law.value * scale + shift))
    if type(law) is Normal:
        return Content(Kind.LAW, Normal(law.mean * scale + shift, law.std * abs(scale)))
    if type(law) is Uniform:
        low, high = sorted((law.low * scale + shift, law.high * scale + shift))
        return Content(Kind.LAW, Uniform(low, high))
    if isinstance(law, TruncNormal) and scale:
        low, high = sorted((law.low * scale + shift, law.high * scale + shift))
        moved = truncated(law.loc * scale + shift, law.scale * abs(scale), low, high)
        return Content(Kind.LAW, moved)
    if law is not None and not shift and scale >= 0:
        return Content(Kind.LAW, law.scale_by(scale))
    return None


def truncated(loc: float, scale: float, low: float, high: float) -> Law:
    """Return a truncated normal law, the normal law if nothing is cut off."""
    if low == -math.inf and high == math.inf:
        return Normal(loc, scale)
    return TruncNormal(loc, scale, low, high)


def clamped(law: Law, least: float | None, most: float | None) -> Content | None:
    """Return the content after a cut: the law, if nothing but rounding errors lies beyond."""
    if isinstance(law, Constant):
        value = law.value if least is None else max(law.value, least)
        return constant(value if most is None else min(value, most))
    low, high = law.support
    least, most = (-math.inf if least is None else least), (math.inf if most is None else most)
    slack = SAME_BOUND * law.std
    if isinstance(law, (Normal, TruncNormal)):
        loc, scale = (law.mean, law.std) if isinstance(law, Normal) else (law.loc, law.scale)
        cut = normal_mass((low - loc) / scale, (high - loc) / scale) if scale else 0.0
        ends = max(low, least), min(high, most)
        kept = normal_mass((ends[0] - loc) / scale, (ends[1] - loc) / scale) if scale else 0.0
        near = low >= least - slack and high <= most + slack
        if not scale or (not near and kept < cut * (1 - LARGEST_CUT)):
            return None
        low = least if abs(low - least) <= slack else ends[0]  # what was meant, without rounding
        high = most if abs(high - most) <= slack else ends[1]
        return Content(Kind.LAW, truncated(loc, scale, low, high))
    return Content(Kind.LAW, law) if low >= least - slack and high <= most + slack else None
