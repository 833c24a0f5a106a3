"""The numbers of one tensor: a small frozen record, never its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from brickbook.measure.bins import edges

__all__ = ["Kind", "TensorStats"]

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

    ``missing`` says why there are no values at all: "meta", "uninitialized", a layout such as
    "sparse_coo", or "". ``digest`` is a checksum over at most 1024 of the elements.
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
        return edges(self.low, self.width, len(self.counts))

    def __repr__(self) -> str:
        size = f"{self.dtype} {self.shape}"
        if self.mean is None or self.std is None:
            return f"TensorStats({self.name!r}, {size}, {self.missing or 'no'} values)"
        return f"TensorStats({self.name!r}, {size}, mean {self.mean:.4g}, std {self.std:.4g})"
