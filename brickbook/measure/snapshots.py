"""What the numbers of a model look like at one moment: a few kilobytes, not the weights."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.errors import BadArgumentError, BadValueError
from brickbook.markup import block, table
from brickbook.measure.bins import cell, level_of, width_of
from brickbook.measure.records import read
from brickbook.measure.showing import snapshot_columns
from brickbook.measure.stats import Kind, TensorStats
from brickbook.measure.tally import NARROW, PIECE, Scratch, Tally, pieces
from brickbook.named import Named

__all__ = ["Kind", "Snapshot", "TensorStats", "snapshot"]

MOST_BINS = 1024
SAMPLE = 1024
CONSTANT_BINS = 5  # a constant c gets a bin of about |c| / 2**5


@dataclass(frozen=True, repr=False)
class Snapshot(Named[TensorStats]):
    """The numbers of every tensor of a model, by qualified name, in the model's order."""

    tensors: Mapping[str, TensorStats] = field(default_factory=dict)
    bins: int = 64

    things = "the snapshot has no tensor"

    @property
    def by_name(self) -> Mapping[str, TensorStats]:
        """The tensors by name."""
        return self.tensors

    def __repr__(self) -> str:
        values = sum(stats.count for stats in self.tensors.values())
        return f"Snapshot({len(self)} tensors, {values:,} values)"

    def _repr_html_(self) -> str:
        heads, rows, numbers = snapshot_columns(self.values())
        return block(repr(self), [], table(heads, rows, right=numbers))

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def to_dict(self) -> dict[str, Any]:
        """The snapshot as JSON-able values."""
        # vars, not asdict: its deep copies cost more than the rest.
        rows = [{**vars(stats)} for stats in self.tensors.values()]
        for row in rows:
            row["shape"], row["counts"] = list(row["shape"]), list(row["counts"])
        return {"bins": self.bins, "tensors": rows}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "snapshot") -> Snapshot:
        """Undo ``to_dict``; a ConfigError names a key that is missing or unknown."""
        top = read(cls, data, path)
        rows = [
            TensorStats(**read(TensorStats, row, f"{path}.tensors[{index}]"))
            for index, row in enumerate(top["tensors"])
        ]
        return cls({stats.name: stats for stats in rows}, top["bins"])


def snapshot(model: nn.Module | Mapping[str, Tensor], bins: int = 64) -> Snapshot:
    """Count the values of every parameter and buffer of a model into at most ``bins`` bins each.

    The tensors are read where they are, in pieces: the scratch is 12 MB on the CPU and 200 MB on a
    GPU. A tensor that has several names appears once, under the first. Of a mapping from names to
    tensors, such as a state dict, every tensor counts as a parameter.

    Raises:
        BadArgumentError: ``model`` is neither.
        BadValueError: ``bins`` is not a whole number from 2 to 1024.
    """
    if isinstance(bins, bool) or not isinstance(bins, int) or not 2 <= bins <= MOST_BINS:
        raise BadValueError("bins", f"expected a whole number from 2 to {MOST_BINS}, got {bins!r}.")
    room: dict[torch.device, Scratch] = {}
    with torch.no_grad():
        tensors = {name: measure(name, kind, t, bins, room) for name, kind, t in named(model)}
    return Snapshot(tensors, bins)


def named(model: nn.Module | Mapping[str, Tensor]) -> Iterator[tuple[str, Kind, Tensor]]:
    """Every tensor once, parameters first."""
    if isinstance(model, nn.Module):
        for name, parameter in model.named_parameters():
            yield name, "parameter", parameter
        for name, buffer in model.named_buffers():
            yield name, "buffer", buffer
        return
    if not isinstance(model, Mapping):
        raise BadArgumentError(
            "model", f"expected a module or a mapping from names to tensors, got {model!r}."
        )
    seen: set[int] = set()
    for name, tensor in model.items():
        if not isinstance(tensor, Tensor):
            raise BadArgumentError(f"model[{name!r}]", f"expected a tensor, got {tensor!r}.")
        if id(tensor) not in seen:
            seen.add(id(tensor))
            yield name, "parameter", tensor


def measure(
    name: str, kind: Kind, tensor: Tensor, bins: int, room: dict[torch.device, Scratch]
) -> TensorStats:
    """Take the numbers of one tensor; ``room`` keeps the scratch for the next."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    missing = absence(tensor)
    shape = () if missing == "uninitialized" else tuple(tensor.shape)
    if missing:
        return TensorStats(name, kind, shape, dtype, missing=missing)
    values = tensor.detach()
    values = torch.view_as_real(values.resolve_conj()) if values.is_complex() else values
    tally = fill(Tally(bins), values, room)
    std = math.sqrt(tally.square / tally.finite) if tally.finite else None
    some = tally.finite > 0
    return TensorStats(
        name, kind, shape, dtype,
        count=values.numel(),
        min=tally.low if some else None,
        max=tally.high if some else None,
        mean=tally.mean if some else None,
        std=std if std is not None and math.isfinite(std) else None,
        zeros=tally.zeros / values.numel() if some else 0.0,
        nan=tally.nan,
        inf=tally.inf,
        digest=digest(values),
        **histogram(tally),
    )  # fmt: skip


def absence(tensor: Tensor) -> str:
    """Why a tensor has no values to read, or ""."""
    if is_lazy(tensor):
        return "uninitialized"
    if tensor.is_meta:
        return "meta"
    return "" if tensor.layout == torch.strided else str(tensor.layout).removeprefix("torch.")


def fill(tally: Tally, values: Tensor, room: dict[torch.device, Scratch]) -> Tally:
    """Let a tally see all values, as float32 or float64."""
    device = values.device if values.device.type in PIECE else torch.device("cpu")
    size = PIECE[device.type]
    # Bounded by what is needed: a model of small layers on a GPU must not cost 200 MB.
    need = min(size, values.numel())
    if device not in room or len(room[device].wide) < need:
        room[device] = Scratch.of(need, device)
    exact = torch.float32 if values.dtype in NARROW else torch.float64
    for piece in pieces(values, size):
        tally.add(piece.to(device, exact), room[device])
    return tally


def histogram(tally: Tally) -> dict[str, Any]:
    """The bins of a tally; of a constant, one that can be drawn beside others."""
    if not tally.finite:
        return {}
    level, first, counts = tally.level, tally.first, tally.counts
    if tally.low == tally.high:
        # The finest cell would do, but 2**-1022 is no width for a picture.
        level = max(level, level_of(abs(tally.low) or 1.0) - CONSTANT_BINS)
        first, counts = cell(tally.low, level), [tally.finite]
    return {"counts": tuple(counts), "low": first * width_of(level), "width": width_of(level)}


def digest(values: Tensor) -> int:
    """A checksum over elements at equal distances, in the order of their indices."""
    sample = some(values, SAMPLE)
    return zlib.crc32(sample.to("cpu", torch.float64).contiguous().numpy().tobytes())


def some(values: Tensor, most: int) -> Tensor:
    """Return at most ``most`` elements at equal distances, in the order of their indices."""
    step = -(-values.numel() // most)
    if step <= 1:
        return values
    if values.is_contiguous():
        return values.view(-1)[::step]
    at = torch.arange(0, values.numel(), step, device=values.device)
    return values[torch.unravel_index(at, values.shape)]
