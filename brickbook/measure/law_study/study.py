"""A law looked at: its numbers in theory and in a sample, and what many such layers do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, cast

import torch
from torch import Tensor, nn

from brickbook.bricks import build_activation_layer
from brickbook.config import to_literal
from brickbook.errors import BadArgumentError, BadValueError, Sentence, wrong_value
from brickbook.html import format_number
from brickbook.init.initializers import INITIALIZERS, BaseInit, PretrainedInit, law_for
from brickbook.init.laws import (
    Centred,
    HadamardMatrix,
    IdentityMatrix,
    Law,
    OrthogonalMatrix,
    SparseNormal,
    Stacked,
    law_from_dict,
    law_to_dict,
)
from brickbook.measure.law_study.formula import fans_for, formula
from brickbook.measure.law_study.kurtosis import kurtosis
from brickbook.measure.law_study.layer import LayerSize, target_in
from brickbook.measure.law_study.signals import ChainSignals, chain_signals
from brickbook.measure.mean_field import find_activation
from brickbook.records import Column, Record, read_fields, refusing_damage
from brickbook.registry import build_from_cfg

__all__ = ["LawStudy", "Moment", "study_law"]

SAMPLE = 1 << 16  # elements drawn for the histogram, at most
LARGEST_FIXED = 1 << 21  # elements of a tensor that is not drawn
SIDES = 1 << 25  # longer side · shorter side² of a matrix that is drawn as a whole, at most
BINS = 60
DEPTH = 20


class Moment(NamedTuple):
    """A number of a distribution: by theory, None where that has no closed form, and of a sample.

    ``name`` is one of "mean", "std", "min", "max", "zeros" (their share) and "kurtosis".
    """

    name: str
    theory: float | None
    sample: float | None


COLUMNS = (
    Column("moment", "", value=lambda row: row.name, dtype="str"),
    Column("theory", "theory", dtype="float64", text=format_number, right=True),
    Column("sample", "sample", dtype="float64", text=format_number, right=True),
)


@dataclass(frozen=True, repr=False)
class LawStudy(Record):
    """What an initialiser does to one tensor of a layer, in theory and in a sample.

    Attributes:
        name: The initialiser's type.
        arguments: Those that were given, as Python would write them.
        layer: The layer and its size.
        tensor: Which tensor of it: "weight", "bias".
        shape: That of the tensor; of one that packs several, that of one of these.
        fans: (fan_in, fan_out) as the initialiser counts them, None for a tensor without.
        law: With its numbers.
        formula: With its numbers filled in, "" where none is known.
        bias: What the bias beside a weight becomes; None if there is none, or it is left.
        moments: The numbers of the law and of the sample.
        edges: Of the histogram's bins.
        counts: Of the sample's elements in the bins.
        size: How many elements the sample has.
        singular_values: Of a matrix that is drawn as a whole, of ``matrix`` rows and columns.
        signals: Through many such layers.
        seed: Of all that is drawn.
    """

    name: str
    arguments: Mapping[str, str]
    layer: str
    tensor: str
    shape: tuple[int, ...]
    fans: tuple[int, int] | None
    law: Law
    formula: str
    bias: float | None
    moments: tuple[Moment, ...]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    size: int
    singular_values: tuple[float, ...]
    matrix: tuple[int, int] | None
    signals: ChainSignals
    seed: int

    _index: ClassVar[str] = "moment"
    _drawn_by: ClassVar[str] = "brickbook.views.svg.law_study.law_study_picture"

    @property
    def title(self) -> str:
        """The initialiser with its arguments, and the layer."""
        given = ", ".join(f"{key}={value}" for key, value in self.arguments.items())
        return f"{self.name}({given}) on {self.layer}"

    def moment(self, name: str) -> Moment:
        """Return one of the moments."""
        return next(moment for moment in self.moments if moment.name == name)

    def _columns(self) -> Sequence[Column]:
        return COLUMNS

    def _rows(self) -> Iterator[Moment]:
        return iter(self.moments)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-able values: a number that is not finite as text."""
        return {
            **vars(self),
            "arguments": dict(self.arguments),
            "law": law_to_dict(self.law),
            "moments": [[name, *map(encode, values)] for name, *values in self.moments],
            "signals": self.signals.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "law_study") -> LawStudy:
        """Undo ``to_dict``, JSON included; a ConfigError names a key that is missing or unknown."""
        with refusing_damage(path):
            known = dict(data) if isinstance(data, Mapping) else data
            if isinstance(known, dict) and {"law", "moments", "signals"} <= known.keys():
                known["law"] = law_from_dict(known["law"], f"{path}.law")
                known["moments"] = tuple(
                    Moment(name, *map(decode, values)) for name, *values in known["moments"]
                )
                known["signals"] = ChainSignals.from_dict(known["signals"], f"{path}.signals")
            return cls(**read_fields(cls, known, path))

    def __repr__(self) -> str:
        formula = f"; {self.formula}" if self.formula else ""
        return f"LawStudy({self.title}: {self.law}{formula})"


def encode(value: float | None) -> float | str | None:
    """Return a number for JSON, which does not know infinity."""
    return value if value is None or math.isfinite(value) else str(value)


def decode(value: Any) -> Any:
    """Undo `encode`."""
    return float(value) if isinstance(value, str) else value


def study_law(
    init: Mapping[str, Any] | BaseInit | str,
    layer: LayerSize | None = None,
    *,
    activation: str | nn.Module = "ReLU",
    depth: int = DEPTH,
    seed: int = 0,
) -> LawStudy:
    """Look at the law of an initialiser on one layer.

    >>> study_law({"type": "Kaiming", "mode": "fan_in"}, LayerSize("Linear", 512, 256)).formula
    'std = gain / √fan_in = √2 / √512 = 0.0625'

    Args:
        init: A type, its config or an initialiser.
        layer: The layer's class and size; by default a linear one of 512 inputs and outputs.
        activation: What follows each layer: a ``type`` of brickbook's activations or a module that
            takes each element by itself; "linear" for none. The gain 'auto' is that of this one.
        depth: How many layers a signal goes through.
        seed: Of the sample and of the layers drawn.

    Raises:
        ConfigError: The config cannot be used, its type gives no law that is known before a model
            and its data are, or it fills nothing of the layer.
    """
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise BadArgumentError("depth", wrong_value("a whole number from 1 up", depth))
    made, arguments = read_initializer(init)
    size = layer or LayerSize()
    name, phi = find_activation(activation)
    target, slot = target_in(size, made, activation_module(activation))
    law = law_for(made, target, explicit=made.roles == {"bias"})
    one = law.law if isinstance(law, Stacked) else law
    sample = draw_sample(one, target.shape, seed)
    edges, counts = histogram(sample)
    values, matrix = matrix_spectrum(one, sample)
    bias = bias_beside(made, target.role)
    return LawStudy(
        made.type_name,
        arguments,
        str(size),
        slot.key,
        target.shape,
        fans_for(made, target),
        law,
        formula(made, target, law),
        bias,
        moments_of(law, sample),
        edges,
        counts,
        sample.numel(),
        values,
        matrix,
        chain_signals(law, target, bias or 0.0, (name, phi), depth, seed),
        seed,
    )


def activation_module(activation: str | nn.Module) -> nn.Module:
    """Return an activation as the module that follows the layer."""
    if isinstance(activation, nn.Module):
        return activation
    if activation == "linear":
        return nn.Identity()
    return build_activation_layer({"type": activation})


def read_initializer(init: Any) -> tuple[BaseInit, dict[str, str]]:
    """Return an initialiser that gives a law, and the arguments it was given.

    Raises:
        ConfigError: It cannot be built, or gives no law by itself.
    """
    given: dict[str, Any] = {}
    if isinstance(init, str):
        init = {"type": init}
    if isinstance(init, Mapping):
        given = {key: value for key, value in init.items() if key not in ("type", "layer")}
        made = build_from_cfg(dict(init), INITIALIZERS, path="init_cfg")
    else:
        made = init
    kind = type(made).__name__.removesuffix("Init")
    if isinstance(made, PretrainedInit):
        raise BadValueError("init_cfg.type", "Pretrained copies a checkpoint: it has no law.")
    if hasattr(type(made), "adjust"):
        problem = (
            "{name} scales weights by what a batch makes of a model: no law tells by how much."
        )
        raise BadValueError("init_cfg.type", Sentence(problem, name=kind))
    if not isinstance(made, BaseInit):
        problem = "{name} gives no law that is known before the weights are."
        raise BadArgumentError("init_cfg.type", Sentence(problem, name=kind))
    return made, {key: to_literal(value) for key, value in given.items()}


def bias_beside(init: BaseInit, role: str) -> float | None:
    """Return what the bias beside a weight becomes."""
    writes = role != "bias" and (init.roles is None or "bias" in init.roles)
    return float(init.bias) if writes else None


@torch.no_grad()
def draw_sample(law: Law, shape: tuple[int, ...], seed: int) -> Tensor:
    """Return elements of a tensor by a law: a vector, or of one drawn as a whole a matrix.

    Of a large tensor there are fewer, by the same law; none of a very large one that is not drawn.
    """
    own = torch.Generator().manual_seed(seed)
    if not law.is_random() and math.prod(shape) > LARGEST_FIXED:
        return torch.empty(0)
    if law.elementwise:
        sample = torch.empty(min(SAMPLE, max(1, math.prod(shape))))
        law.fill(sample, own)
        return sample
    small, size = cut_matrix(law, shape)
    sample = torch.empty(size)
    small.fill(sample, own)
    return sample


def cut_matrix(law: Law, shape: tuple[int, ...]) -> tuple[Law, tuple[int, ...]]:
    """Return a law and a shape that are quickly drawn, with elements by the same law.

    Of an orthogonal matrix the shorter side is cut: its rows, or columns, stay orthonormal. Of a
    sparse one, columns are; of one that is not drawn nothing is, nor of its share of zeros.
    """
    inner = law.law if isinstance(law, Centred) else law
    rows, columns = shape[0], math.prod(shape[1:])
    if isinstance(inner, SparseNormal):
        return law, (rows, max(1, min(columns, SAMPLE // rows)))
    if not isinstance(inner, OrthogonalMatrix):
        return law, shape
    longer, shorter = max(inner.rows, inner.columns), min(inner.rows, inner.columns)
    kept = max(1, min(shorter, math.isqrt(SIDES // longer)))
    if kept == shorter:
        return law, shape
    wide = inner.rows <= inner.columns
    if isinstance(law, Centred):  # (out, in) at the centre, out >= in: the inputs are cut
        small = replace(inner, columns=kept)
        return replace(law, law=small), (shape[0], kept, *shape[2:])
    side = (kept, columns) if wide else (rows, kept)
    return replace(inner, rows=side[0], columns=side[1]), side


def histogram(sample: Tensor) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Return edges and counts; of a single value bins around it, without a sample none."""
    if not sample.numel():
        return (), ()
    values = widened(sample)
    low, high = float(values.min()), float(values.max())
    if low == high:
        room = abs(low) or 1.0
        low, high = low - room, high + room
    counts = torch.histc(values, BINS, low, high)
    edges = torch.linspace(low, high, BINS + 1, dtype=torch.float64)
    return tuple(edges.tolist()), tuple(int(count) for count in counts.tolist())


def moments_of(law: Law, sample: Tensor) -> tuple[Moment, ...]:
    """Return the moments of a law and of a sample."""
    low, high = law.support
    zeros = float(sum(share for value, share in law.atoms if value == 0))
    names = ("mean", "std", "min", "max", "zeros", "kurtosis")
    theory = (float(law.mean), float(law.std), float(low), float(high), zeros, kurtosis(law))
    return tuple(map(Moment, names, theory, sample_moments(sample)))


def sample_moments(sample: Tensor) -> tuple[float | None, ...]:
    """Return mean, std, least, greatest, the share of zeros and the kurtosis."""
    if not sample.numel():
        return (None,) * 6
    values = widened(sample)
    mean = float(values.mean())
    squares = (values - mean).square()
    variance, fourth = float(squares.mean()), float(squares.square().mean())
    known = variance > 1e-14 * mean**2  # else it is rounding
    return (
        mean,
        math.sqrt(variance),
        float(values.min()),
        float(values.max()),
        float((values == 0).sum()) / values.numel(),
        fourth / variance**2 if known and variance else None,
    )


def widened(sample: Tensor) -> Tensor:
    """Return a sample as a vector in float64; a large one as it is, for time."""
    return sample.flatten().double() if sample.numel() <= SAMPLE * 4 else sample.flatten()


def matrix_spectrum(law: Law, sample: Tensor) -> tuple[tuple[float, ...], tuple[int, int] | None]:
    """Return the singular values of a matrix (out, in · kernel) that is drawn as a whole."""
    inner = law.law if isinstance(law, Centred) else law
    whole = isinstance(inner, (OrthogonalMatrix, IdentityMatrix, HadamardMatrix))
    if not whole or not sample.numel():
        return (), None
    matrix = sample.reshape(sample.shape[0], -1)
    if isinstance(law, Centred):  # all else is 0
        middle = (slice(None), slice(None), *(size // 2 for size in sample.shape[2:]))
        matrix = sample[middle]
    cost = max(matrix.shape) * min(matrix.shape) ** 2
    if cost > SIDES:
        return (), None
    values = torch.linalg.svdvals(matrix)
    return tuple(values.tolist()), cast("tuple[int, int]", tuple(matrix.shape))
