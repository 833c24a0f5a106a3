"""Singular values: of every weight as a matrix, and of the map from input to output."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from brickbook.errors import BadArgumentError, BadValueError, UnknownNameError, nearest, wrong_value
from brickbook.html import format_number, format_shape
from brickbook.introspect import class_name, gather, plain_name, unwrap_model
from brickbook.measure.probe import (
    collect_tensors,
    first_float_tensor,
    grad_mode,
    make_batch,
    preserved_state,
    real_numbers,
    run_forward,
    seeded_rng,
    without_compile,
)
from brickbook.records import Column, Record, read_fields, refusing_damage

__all__ = ["Spectra", "Spectrum", "jacobian_spectrum", "spectra"]

EXACT_COST = 2e10  # multiplications: up to here all singular values are computed
LARGEST_VALUES, SPARE, POWER_STEPS = 64, 16, 6  # of the randomised method


@dataclass(frozen=True, repr=False)
class Spectrum:
    """The singular values of one matrix, largest first; none if the matrix is not finite.

    ``exact`` says that they are all there; otherwise they are the largest, and randomised estimates
    from below. ``rms`` is the root of the mean square of the elements, of several ``blocks`` on a
    diagonal of those in them.
    """

    name: str
    kind: str
    shape: tuple[int, int]
    values: tuple[float, ...]
    exact: bool = True
    rms: float | None = None
    blocks: int = 1

    @property
    def largest(self) -> float | None:
        """The largest singular value: how much a vector can grow."""
        return self.values[0] if self.values else None

    @property
    def smallest(self) -> float | None:
        """The smallest of all singular values, None where they are not all there."""
        return self.values[-1] if self.values and self.exact else None

    @property
    def stable_rank(self) -> float | None:
        """``‖W‖² / σ_max²``: over how many directions the matrix is spread."""
        if not self.largest or self.rms is None:
            return None
        elements = self.shape[0] * self.shape[1] / self.blocks
        return self.rms**2 * elements / self.largest**2

    @property
    def independent(self) -> tuple[float, float] | None:
        """Between what values those of a large matrix of independent elements of mean 0 would lie.

        ``rms·|√rows - √columns|`` and ``rms·(√rows + √columns)``, the edges of Marchenko and
        Pastur's law, https://doi.org/10.1070/SM1967v001n04ABEH001994.
        """
        if self.rms is None:
            return None
        rows, columns = (math.sqrt(size / self.blocks) for size in self.shape)
        return self.rms * abs(rows - columns), self.rms * (rows + columns)

    def __repr__(self) -> str:
        return f"Spectrum({self.name!r}, {self.shape}, largest {format_number(self.largest)})"


def edge(at: int) -> Any:
    """Return a function from a row to one of the two numbers of `Spectrum.independent`."""
    return lambda row: None if row.independent is None else row.independent[at]


COLUMNS = (
    Column("name", "matrix", dtype="str"),
    Column("kind", "class", dtype="str"),
    Column("shape", "shape", text=format_shape),
    Column("largest", "largest", dtype="float64", text=format_number, right=True),
    Column("smallest", "smallest", dtype="float64", text=format_number, right=True),
    Column("stable_rank", "stable rank", dtype="float64", text=format_number, right=True),
    Column("independent_low", value=edge(0), dtype="float64"),
    Column("independent_high", "if independent", value=edge(1), dtype="float64",
           text=format_number, right=True),
    Column("exact", dtype="bool"),
)  # fmt: skip


@dataclass(frozen=True, repr=False)
class Spectra(Record):
    """The singular values of a model's weights."""

    rows: tuple[Spectrum, ...]

    _drawn_by: ClassVar[str] = "brickbook.views.svg.spectra.spectra_picture"

    def __getitem__(self, name: str) -> Spectrum:
        """Return the spectrum of a name."""
        for row in self.rows:
            if row.name == name:
                return row
        names = [row.name for row in self.rows]
        raise UnknownNameError("name", f"no matrix {name!r}.", nearest(name, names))

    def __iter__(self) -> Iterator[Spectrum]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def _columns(self) -> Sequence[Column]:
        return COLUMNS

    def _rows(self) -> Sequence[Spectrum]:
        return self.rows

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-able values."""
        return {"rows": [asdict(row) for row in self.rows]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "spectra") -> Spectra:
        """Undo ``to_dict``; a ConfigError names a key that is missing or unknown."""
        with refusing_damage(path):
            rows = read_fields(cls, data, path)["rows"]
            each = (read_fields(Spectrum, r, f"{path}.rows[{at}]") for at, r in enumerate(rows))
            return cls(tuple(Spectrum(**row) for row in each))

    def __repr__(self) -> str:
        some = [row for row in self.rows if row.largest is not None]
        if not some:
            return f"Spectra({len(self)} matrices)"
        top = max(some, key=lambda row: row.largest or 0.0)
        return f"Spectra({len(self)} matrices, largest {format_number(top.largest)} in {top.name})"


@torch.no_grad()
def spectra(model: nn.Module, *, exact_cost: float = EXACT_COST, seed: int = 0) -> Spectra:
    """Return the singular values of every weight with two axes or more.

    A weight is a matrix of its first axis by all others, that of a convolution of output channels
    by channels times kernel: this is no spectrum of the convolution, whose norm is at most
    ``√(kernel size)`` times as large where the stride is 1. With groups the matrix has a block for
    each. The model is only read; torch's generator is as before.

    Args:
        model: The model.
        exact_cost: Up to rows·columns·min(rows, columns) multiplications all values are computed,
            beyond it the largest 64 are estimated (`torch.svd_lowrank`).
        seed: That of the estimate.

    Raises:
        BadArgumentError: ``model`` is no module.
        BadValueError: A weight is on the meta device.
    """
    if not isinstance(model, nn.Module):
        raise BadArgumentError("model", wrong_value("a module", model))
    found: list[Spectrum] = []
    for prefix, part in unwrap_model(model).named_modules():
        for key, weight in part.named_parameters(recurse=False):
            if weight.dim() < 2 or not (weight.is_floating_point() or weight.is_complex()):
                continue
            name = plain_name(f"{prefix}.{key}".lstrip("."))
            if weight.is_meta:
                raise BadValueError("model", f"{name} is on the meta device and has no values.")
            groups = part.groups if isinstance(part, _ConvNd) else 1
            value = gather(weight.detach())
            blocks = value.reshape(groups, value.shape[0] // groups, -1)
            with seeded_rng(seed, {value.device}):
                found.append(measure_blocks(name, class_name(part), blocks, exact_cost))
    return Spectra(tuple(found))


def measure_blocks(name: str, kind: str, blocks: Tensor, exact_cost: float) -> Spectrum:
    """Return the singular values of blocks (count, rows, columns) on a diagonal."""
    count, rows, columns = blocks.shape
    shape = count * rows, count * columns
    x = blocks if blocks.dtype.is_complex else real_numbers(blocks)
    if not x.numel() or not bool(x.isfinite().all()):
        return Spectrum(name, kind, shape, (), blocks=count)
    top = float(x.abs().max()) or 1.0
    x = x / top  # squares of very large or small elements are no float32
    exact = count > 1 or rows * columns * min(rows, columns) <= exact_cost
    if exact:
        values = torch.linalg.svdvals(x).flatten()
    else:
        many = min(LARGEST_VALUES, rows, columns)
        width = min(many + SPARE, rows, columns)
        values = torch.svd_lowrank(x[0], q=width, niter=POWER_STEPS)[1][:many]
        exact = width == min(rows, columns) == many
    ordered = (values.double().sort(descending=True).values * top).tolist()
    rms = float(x.abs().double().square().mean().sqrt()) * top
    return Spectrum(name, kind, shape, tuple(ordered), exact, rms, count)


def jacobian_spectrum(
    model: nn.Module,
    batch: Any = None,
    *,
    input_shape: Sequence[int] | None = None,
    sample: int = 0,
    max_outputs: int = 256,
    seed: int = 0,
    mode: Literal["train", "eval"] | None = None,
) -> Spectrum:
    """Return the singular values of the derivative of a sample's output by its input.

    It takes a backward pass for each number of the output. Near 1 all of them: a signal goes
    through, and a gradient back, at its size (dynamical isometry). Source: Saxe et al. 2014,
    https://arxiv.org/abs/1312.6120; Pennington et al. 2017, https://arxiv.org/abs/1711.04735.

    The model is given back as it was, as by `brickbook.probe`.

    Args:
        model: The model; its first input and its first output are tensors of numbers, samples along
            their first axis.
        batch: As in `brickbook.probe`.
        input_shape: As in `brickbook.probe`.
        sample: Which sample of the batch; what it does to the others, through a batch norm, is left
            out.
        max_outputs: How many numbers an output may have.
        seed: That of a drawn batch and of dropout.
        mode: "train" or "eval", None as the model is.

    Raises:
        BadArgumentError: There is not one of batch and input_shape.
        BadValueError: There is no such sample, the output has too many numbers, or nothing leads
            back from it to an input of numbers.
    """
    inner = unwrap_model(model)
    devices = {tensor.device for tensor in (*inner.parameters(), *inner.buffers())}
    with (
        grad_mode(True),
        seeded_rng(seed, devices),
        preserved_state(inner),
        without_compile(inner),
    ):
        if mode is not None:
            inner.train(mode == "train")
        own, reached = make_batch(inner, batch, input_shape, seed).copy_tensors(True)
        output = first_float_tensor(collect_tensors(run_forward(inner, own, [])))
        if output is None or not reached or not output.requires_grad:
            raise BadValueError("model", "no derivative leads from its output to its input.")
        if not 0 <= sample < min(len(output), len(reached[0])):
            raise BadValueError("sample", f"the batch has {len(output)} samples, got {sample!r}.")
        values = output[sample].flatten()
        if len(values) > max_outputs:
            problem = f"the output of a sample has {len(values):,} numbers, each a backward pass."
            hint = f"Pass max_outputs={len(values)}, or a smaller input."
            raise BadValueError("max_outputs", problem, hint)
        rows = [
            torch.autograd.grad(value, reached[0], retain_graph=True, materialize_grads=True)[0]
            for value in values
        ]
        matrix = torch.stack([row[sample].flatten() for row in rows]).detach()
    with torch.no_grad():
        return measure_blocks("input to output", class_name(inner), matrix[None], math.inf)
