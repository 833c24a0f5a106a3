"""Numbers of a model's tensors: range, moments, histogram."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.errors import BadArgumentError, BadValueError
from brickbook.html import format_number, format_shape
from brickbook.init.planning import reject_flat_shards
from brickbook.introspect import gather, is_sharded
from brickbook.measure.snapshot.accumulate import (
    CHUNK_SIZE,
    FLOAT32_EXACT,
    StreamingHistogram,
    Workspace,
    iter_chunks,
)
from brickbook.measure.snapshot.histogram import bin_edges, cell_index, level_of, width_of
from brickbook.records import Column, Records, read_fields, refusing_damage

__all__ = [
    "SAMPLE_SIZE",
    "SNAPSHOT_COLUMNS",
    "Kind",
    "Snapshot",
    "TensorStats",
    "compute_digest",
    "count_values",
    "missing_reason",
    "missing_values",
    "snapshot",
    "snapshot_exact",
    "snapshot_sampled",
    "sparkline",
]

Kind = Literal["parameter", "buffer"]


@dataclass(frozen=True, repr=False)
class TensorStats:
    """The numbers of one tensor.

    ``count`` counts all elements, of a complex tensor its real and imaginary parts. NaN and
    infinite elements (float64: beyond ±2**1000) are counted in ``nan`` and ``inf`` and left out of
    everything else; where no value is left, ``min``, ``max``, ``mean`` and ``std`` are None.
    ``std`` divides by the number of values, not by one less; it is None too where it is too large
    for a float64. ``zeros`` is a fraction of ``count``.

    ``counts[i]`` elements lie in ``[low + i*width, low + (i+1)*width)``; ``width`` is a power of
    two and ``low`` a multiple of it. A constant tensor has one bin.

    ``missing`` says why there are no values at all: "meta", "uninitialized", "quantized", "on other
    ranks", a layout such as "sparse_coo", or "". ``digest`` is a checksum over at most 1024 of the
    elements.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    dtype: str
    count: int = 0
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    std: float | None = None
    zeros: float = 0.0
    nan: int = 0
    inf: int = 0
    counts: tuple[int, ...] = ()
    low: float = 0.0
    width: float = 1.0
    missing: str = ""
    digest: int = 0

    @property
    def edges(self) -> tuple[float, ...]:
        """The ends of the bins: one more than there are counts."""
        return bin_edges(self.low, self.width, len(self.counts))

    def __repr__(self) -> str:
        size = f"{self.dtype} {self.shape}"
        if self.mean is None or self.std is None:
            return f"TensorStats({self.name!r}, {size}, {self.missing or 'no'} values)"
        return f"TensorStats({self.name!r}, {size}, mean {self.mean:.4g}, std {self.std:.4g})"


BLOCKS = "▁▂▃▄▅▆▇█"
SPARKLINE_CELLS = 16


def sparkline(counts: Sequence[int], cells: int = SPARKLINE_CELLS) -> str:
    """Draw counts as block characters, neighbours added up; an empty cell is the lowest block.

    >>> sparkline((0, 1, 8, 16, 8, 1, 0, 0)), sparkline((5,)), sparkline(())
    ('▁▂▅█▅▂▁▁', '█', '')
    """
    if not any(counts):
        return ""
    each = -(-len(counts) // cells)
    sums = [sum(counts[at : at + each]) for at in range(0, len(counts), each)]
    tallest, top = max(sums), len(BLOCKS) - 1
    return "".join(BLOCKS[max(1, round(top * n / tallest)) if n else 0] for n in sums)


def missing_values(stats: TensorStats) -> str:
    """What a histogram cannot show: "2 NaN, 1 infinite", "no values (meta)", or ""."""
    if not stats.count:
        return f"no values ({stats.missing})" if stats.missing else "no values"
    parts = [(stats.nan, "NaN"), (stats.inf, "infinite")]
    return ", ".join(f"{count:,} {word}" for count, word in parts if count)


def zeros_text(share: float | None) -> str:
    """Write the share of zeros, a dash where there are no values."""
    return "–" if share is None else f"{share:.2%}"


SNAPSHOT_COLUMNS = (
    Column("name", "tensor", dtype="str"),
    Column("kind", dtype="category"),
    Column("shape", "shape", text=format_shape),
    Column("dtype", "dtype", dtype="category"),
    Column("count", dtype="int64"),
    *(
        Column(key, key, dtype="float64", text=format_number, right=True)
        for key in ("min", "max", "mean", "std")
    ),
    Column("zeros", dtype="float64"),
    Column("", "zeros", lambda row: row.zeros if row.count else None, text=zeros_text, right=True),
    Column("nan", dtype="int64"),
    Column("inf", dtype="int64"),
    Column("missing", dtype="str"),
    Column("", "histogram", lambda row: row.counts, text=sparkline),
    Column("", "", missing_values),
)


MAX_BINS = 1024
DIGEST_SAMPLE = 1024
CONSTANT_BINS = 5  # a constant c gets a bin of about |c| / 2**5


@dataclass(frozen=True, repr=False)
class Snapshot(Records[TensorStats]):
    """The numbers of every tensor of a model, by qualified name, in the model's order."""

    tensors: Mapping[str, TensorStats] = field(default_factory=dict)
    bins: int = 64

    _missing_message = "the snapshot has no tensor"

    @property
    def by_name(self) -> Mapping[str, TensorStats]:
        """The tensors by name."""
        return self.tensors

    def __repr__(self) -> str:
        values = sum(stats.count for stats in self.tensors.values())
        return f"Snapshot({len(self)} tensors, {values:,} values)"

    def _columns(self) -> Sequence[Column]:
        return SNAPSHOT_COLUMNS

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
        with refusing_damage(path):
            top = read_fields(cls, data, path)
            rows = [
                TensorStats(**read_fields(TensorStats, row, f"{path}.tensors[{index}]"))
                for index, row in enumerate(top["tensors"])
            ]
            return cls({stats.name: stats for stats in rows}, top["bins"])


def snapshot(model: nn.Module | Mapping[str, Tensor], bins: int = 64) -> Snapshot:
    """Count the values of every parameter and buffer of a model into at most ``bins`` bins each.

    The tensors are read where they are, in pieces: the workspace is 3 MB on the CPU, 200 MB on a
    GPU. A tensor that has several names appears once, under the first. Of a mapping from names to
    tensors, such as a state dict, every tensor counts as a parameter.

    A DTensor, as in a model under FSDP2, is gathered, one at a time: all ranks call this, and get
    the numbers of the whole.

    Raises:
        BadArgumentError: ``model`` is neither.
        BadValueError: FSDP1 keeps pieces of the parameters.
        BadValueError: ``bins`` is not a whole number from 2 to 1024.
    """
    if isinstance(bins, bool) or not isinstance(bins, int) or not 2 <= bins <= MAX_BINS:
        raise BadValueError("bins", f"expected a whole number from 2 to {MAX_BINS}, got {bins!r}.")
    workspaces: dict[torch.device, Workspace] = {}
    with torch.no_grad():
        tensors = {
            name: measure_tensor(name, kind, t, bins, workspaces)
            for name, kind, t in named_tensors(model)
        }
    return Snapshot(tensors, bins)


def named_tensors(model: nn.Module | Mapping[str, Tensor]) -> Iterator[tuple[str, Kind, Tensor]]:
    """Every tensor once, parameters first."""
    if isinstance(model, nn.Module):
        reject_flat_shards(model)
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


def measure_tensor(
    name: str, kind: Kind, tensor: Tensor, bins: int, workspaces: dict[torch.device, Workspace]
) -> TensorStats:
    """Take the numbers of one tensor; ``workspaces`` keep the memory for the next."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    missing = missing_reason(tensor)
    shape = () if missing == "uninitialized" else tuple(tensor.shape)
    if missing:
        return TensorStats(name, kind, shape, dtype, missing=missing)
    values = gather(tensor.detach())
    values = torch.view_as_real(values.resolve_conj()) if values.is_complex() else values
    histogram = accumulate(StreamingHistogram(bins), values, workspaces)
    std = math.sqrt(histogram.squared_deviations / histogram.finite) if histogram.finite else None
    some = histogram.finite > 0
    return TensorStats(
        name, kind, shape, dtype,
        count=values.numel(),
        min=histogram.low if some else None,
        max=histogram.high if some else None,
        mean=histogram.mean if some else None,
        std=std if std is not None and math.isfinite(std) else None,
        zeros=histogram.zeros / values.numel() if some else 0.0,
        nan=histogram.nan,
        inf=histogram.inf,
        digest=compute_digest(values),
        **histogram_fields(histogram),
    )  # fmt: skip


def missing_reason(tensor: Tensor) -> str:
    """Why a tensor has no values to read, or ""."""
    if is_lazy(tensor):
        return "uninitialized"
    if tensor.is_meta:
        return "meta"
    if tensor.is_quantized:
        return "quantized"
    if is_sharded(tensor) and tensor.device_mesh.get_coordinate() is None:
        return "on other ranks"
    return "" if tensor.layout == torch.strided else str(tensor.layout).removeprefix("torch.")


def accumulate(
    histogram: StreamingHistogram, values: Tensor, workspaces: dict[torch.device, Workspace]
) -> StreamingHistogram:
    """Add all values to a histogram, as float32 or float64."""
    device = values.device if values.device.type in CHUNK_SIZE else torch.device("cpu")
    size = CHUNK_SIZE[device.type]
    # Bounded by what is needed: a model of small layers on a GPU must not cost 200 MB.
    need = min(size, values.numel())
    if device not in workspaces or len(workspaces[device].wide) < need:
        workspaces[device] = Workspace.allocate(need, device)
    exact = torch.float32 if values.dtype in FLOAT32_EXACT else torch.float64
    for piece in iter_chunks(values, size):
        histogram.add(piece.to(device, exact), workspaces[device])
    return histogram


def histogram_fields(histogram: StreamingHistogram) -> dict[str, Any]:
    """Return the bins of a histogram; of a constant, one that can be drawn beside others."""
    if not histogram.finite:
        return {}
    level, first, counts = histogram.level, histogram.first, histogram.counts
    if histogram.low == histogram.high:
        # The finest cell would do, but 2**-1022 is no width for a picture.
        level = max(level, level_of(abs(histogram.low) or 1.0) - CONSTANT_BINS)
        first, counts = cell_index(histogram.low, level), [histogram.finite]
    return {"counts": tuple(counts), "low": first * width_of(level), "width": width_of(level)}


def compute_digest(values: Tensor) -> int:
    """A checksum over elements at equal distances, in the order of their indices."""
    sample = subsample(gather(values), DIGEST_SAMPLE)
    return zlib.crc32(sample.to("cpu", torch.float64).contiguous().numpy().tobytes())


def subsample(values: Tensor, limit: int) -> Tensor:
    """Return at most ``limit`` elements at equal distances, in the order of their indices."""
    step = -(-values.numel() // limit)
    if step <= 1:
        return values
    if values.is_contiguous():
        return values.view(-1)[::step]
    at = torch.arange(0, values.numel(), step, device=values.device)
    return values[torch.unravel_index(at, values.shape)]


SAMPLE_SIZE = 1 << 16  # of a normal law, the std of so many values is right to 0.3 %


def count_values(model: nn.Module) -> int:
    """Return how many values the parameters and buffers hold that have any."""
    return sum(
        tensor.numel() for _, _, tensor in named_tensors(model) if not missing_reason(tensor)
    )


def snapshot_sampled(model: nn.Module, bins: int = 64, limit: int = SAMPLE_SIZE) -> Snapshot:
    """Take the numbers of at most ``limit`` values of every tensor, at equal distances.

    ``count`` is that of the values looked at; the range is theirs too, so rare extremes are missed.
    """
    workspaces: dict[torch.device, Workspace] = {}
    found = {}
    with torch.no_grad():
        for name, kind, tensor in named_tensors(model):
            part = tensor if missing_reason(tensor) else subsample(gather(tensor.detach()), limit)
            stats = measure_tensor(name, kind, part, bins, workspaces)
            if not missing_reason(tensor):
                stats = replace(stats, shape=tuple(tensor.shape))
            found[name] = stats
    return Snapshot(found, bins)


def snapshot_exact(
    model: nn.Module, on_progress: Callable[[int, int], bool], bins: int = 64
) -> Snapshot | None:
    """Take the numbers of all values, tensor by tensor.

    ``on_progress`` is called with how many values are counted, of how many; where it returns False,
    the rest is not counted and there is no snapshot (None).
    """
    total, done = count_values(model), 0
    workspaces: dict[torch.device, Workspace] = {}
    found = {}
    for name, kind, tensor in named_tensors(model):
        if not on_progress(done, total):
            return None
        with torch.no_grad():
            found[name] = measure_tensor(name, kind, tensor, bins, workspaces)
        done += 0 if missing_reason(tensor) else tensor.numel()
    return Snapshot(found, bins) if on_progress(total, total) else None
