"""What runs through a model at its start: the numbers of every layer's output, not the output."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from brickbook.errors import UnknownNameError, nearest
from brickbook.html import format_number, format_shape
from brickbook.measure.probe.distribution import SignalHistogram, UnitStats
from brickbook.records import Column, Record, build_frame, read_fields, refusing_damage

__all__ = ["Part", "Signal", "Signals", "WeightGradient", "largest_inactive"]

Part = Literal["layer", "norm", "activation", "other"]


@dataclass(frozen=True, repr=False)
class Signal:
    """The numbers of one output.

    ``part`` is what made it: a "layer" with weights, a "norm", an "activation" or something
    "other". ``kind`` is its class; of an activation that the model applies as a function and that
    is seen where the next layer takes it, "rectified input".  ``call`` counts the calls of a module
    that runs several times.

    NaN and infinite elements are counted in ``nan`` and ``inf`` and left out of the rest; where
    none is left, ``mean``, ``std`` and ``max`` (of the absolute values) are None. ``zeros`` is a
    share of ``count``.

    ``units`` are the channels or features, ``dead`` the share of them that is 0 for the whole
    batch after a rectifier, though something else arrived there; where nothing arrives at any of
    them, ``silent`` is True. ``saturated`` is the share of elements within 0.03 of the bounds ±1 of
    a tanh (of a sigmoid or hardtanh, stretched to ±1). ``grad`` is the standard deviation of the
    loss's gradient by the output and ``grad_norm`` its length. Each is None where it has no meaning
    or is not known.

    ``histogram``, ``grad_histogram`` and ``by_unit`` are there if they were asked for.

    ``batch_std`` is the standard deviation over the batch, the first axis, of each element of a
    sample (the root of the mean variance): far below ``std`` where all samples look alike.
    ``normed`` says that a norm takes the output as it is, so that its size tells nothing.
    """

    name: str
    kind: str
    part: Part
    shape: tuple[int, ...]
    count: int
    mean: float | None = None
    std: float | None = None
    max: float | None = None
    zeros: float = 0.0
    nan: int = 0
    inf: int = 0
    units: int = 1
    dead: float | None = None
    saturated: float | None = None
    grad: float | None = None
    grad_norm: float | None = None
    call: int = 1
    silent: bool = False
    batch_std: float | None = None
    normed: bool = False
    histogram: SignalHistogram | None = None
    grad_histogram: SignalHistogram | None = None
    by_unit: UnitStats | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "signal") -> Signal:
        """Undo ``dataclasses.asdict``; a ConfigError names a key that is missing or unknown."""
        known = {**NEWER_ROW, **data} if isinstance(data, Mapping) else data
        found = read_fields(cls, known, path)
        for key in ("histogram", "grad_histogram"):
            found[key] = SignalHistogram.from_dict(found[key], f"{path}.{key}")
        found["by_unit"] = UnitStats.from_dict(found["by_unit"], f"{path}.by_unit")
        return cls(**found)

    @property
    def label(self) -> str:
        """The name, with the call if it is not the first."""
        return self.name if self.call == 1 else f"{self.name} (call {self.call})"

    @property
    def samples(self) -> int:
        """How many elements each unit has."""
        return self.count // max(1, self.units)

    def __repr__(self) -> str:
        if self.mean is None or self.std is None:
            return f"Signal({self.label!r}, {self.kind}, {self.shape}, no values)"
        numbers = f"mean {self.mean:.4g}, std {self.std:.4g}"
        return f"Signal({self.label!r}, {self.kind}, {self.shape}, {numbers})"


def largest_inactive(rows: Sequence[Signal]) -> tuple[float | None, str]:
    """Return the largest share of dead units or saturated outputs, and "dead" or "saturated"."""
    found = [(row.dead, "dead") for row in rows if row.dead is not None]
    found += [(row.saturated, "saturated") for row in rows if row.saturated is not None]
    return max(found, default=(None, ""), key=lambda item: item[0] or 0.0)


SIGNAL_COLUMNS = (
    Column("label", "output", dtype="str"),
    Column("name", dtype="str"),
    Column("kind", "class", dtype="str"),
    Column("part", dtype="str"),
    Column("shape", "shape", text=format_shape),
    Column("count", dtype="int64"),
    Column("mean", "mean", dtype="float64", text=format_number, right=True),
    Column("std", "std", dtype="float64", text=format_number, right=True),
    Column("batch_std", dtype="float64"),
    Column("max", dtype="float64"),
    Column("zeros", dtype="float64"),
    Column("nan", dtype="int64"),
    Column("inf", dtype="int64"),
    Column("units", dtype="int64"),
    Column("dead", "dead", dtype="float64", text=format_number, right=True),
    Column("saturated", "saturated", dtype="float64", text=format_number, right=True),
    Column("grad", "gradient std", dtype="float64", text=format_number, right=True),
    Column("grad_norm", dtype="float64"),
    Column("call", dtype="int64"),
    Column("silent", dtype="bool"),
    Column("normed", dtype="bool"),
)


# What the record of an older version does not say.
NEWER_ROW = {
    "silent": False,
    "normed": False,
    **dict.fromkeys(("batch_std", "histogram", "grad_histogram", "by_unit")),
}
NEWER_FIELDS = {
    "rank": 0,
    "ranks": 1,
    **dict.fromkeys(("cross_entropy", "classes", "logits_std")),
    "over_all_labels": False,
    "weights": (),
}


@dataclass(frozen=True)
class WeightGradient:
    """The loss's gradient by one parameter: its moments, its length, and ‖gradient‖ / ‖weight‖.

    Elements that are not finite are counted in ``nan`` and ``inf`` and left out of the rest. None:
    nothing is left, or, for ``ratio``, the weight is all 0.
    """

    name: str
    shape: tuple[int, ...]
    count: int
    mean: float | None
    std: float | None
    norm: float | None
    ratio: float | None
    nan: int = 0
    inf: int = 0
    histogram: SignalHistogram | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "weight") -> WeightGradient:
        """Undo ``dataclasses.asdict``; a ConfigError names a key that is missing or unknown."""
        found = read_fields(cls, data, path)
        found["histogram"] = SignalHistogram.from_dict(found["histogram"], f"{path}.histogram")
        return cls(**found)


WEIGHT_COLUMNS = (
    Column("name", dtype="str"),
    Column("shape"),
    Column("count", dtype="int64"),
    *(Column(key, dtype="float64") for key in ("mean", "std", "norm", "ratio")),
    Column("nan", dtype="int64"),
    Column("inf", dtype="int64"),
)


@dataclass(frozen=True, repr=False)
class Signals(Record, Sequence[Signal]):
    """The numbers of every layer's output, in the order in which the layers ran.

    ``source`` says what went in: "given", "N(0, 1)" or "token ids"; ``input`` are the shapes of its
    tensors. ``mode`` is "train", "eval", or "mixed" if the parts of the model differ. ``loss`` is
    what the gradients are of; None if there are none. ``calls`` counts all calls of leaf modules:
    more than ``rows`` if some ran more often than is kept.

    Where a cross entropy was computed, ``cross_entropy`` is its value, ``classes`` are how many it
    told apart and ``logits_std`` is the std of what went in; of several, those of the one furthest
    above `expected_loss`. Where neither the model has computed one nor a loss was given, the output
    of a last layer with five values or more is read as logits: ``cross_entropy`` is then the mean
    ``over_all_labels``, as of labels drawn at random.

    ``weights`` are the gradients by the parameters, if they were asked for.

    Of a model that is spread over ``ranks`` processes, as under FSDP2, the numbers are those of
    ``rank`` alone: of its batch, and of its part of an output that is spread too.
    """

    rows: tuple[Signal, ...]
    source: str = "given"
    input: tuple[tuple[int, ...], ...] = ()
    mode: Literal["train", "eval", "mixed"] = "train"
    loss: float | None = None
    seed: int = 0
    calls: int = 0
    rank: int = 0
    ranks: int = 1
    cross_entropy: float | None = None
    classes: int | None = None
    logits_std: float | None = None
    over_all_labels: bool = False
    weights: tuple[WeightGradient, ...] = ()

    _index = "label"
    _drawn_by: ClassVar[str] = "brickbook.views.svg.depth.signals_picture"

    def __getitem__(self, key: Any) -> Any:
        """Return a row by its place or by its label, or the rows of a slice."""
        if not isinstance(key, str):
            return self.rows[key]
        for row in self.rows:
            if row.label == key:
                return row
        labels = [row.label for row in self.rows]
        raise UnknownNameError("name", f"no layer {key!r} has run.", nearest(key, labels))

    def __iter__(self) -> Iterator[Signal]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def layers(self) -> tuple[Signal, ...]:
        """The rows of layers with weights: what a curve through depth is drawn of."""
        return tuple(row for row in self.rows if row.part == "layer")

    @property
    def expected_loss(self) -> float | None:
        """The cross entropy of a model that prefers no class: ln of their number."""
        return None if self.classes is None else math.log(self.classes)

    def __repr__(self) -> str:
        shapes = ", ".join(map(str, self.input)) or "nothing"
        grads = "with gradients" if self.loss is not None else "without gradients"
        alone = f", rank {self.rank} of {self.ranks} alone" if self.ranks > 1 else ""
        outputs = f"{len(self)} outputs on {self.source} {shapes}"
        return f"Signals({outputs}, {self.mode}, {grads}{alone})"

    def _columns(self) -> Sequence[Column]:
        return SIGNAL_COLUMNS

    def _rows(self) -> Sequence[Signal]:
        return self.rows

    def weight_frame(self) -> Any:
        """Return the gradients by the parameters as a pandas DataFrame, one row a parameter."""
        return build_frame(WEIGHT_COLUMNS, self.weights, "name")

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-able values."""
        weights = [asdict(row) for row in self.weights]
        return {**vars(self), "rows": [asdict(row) for row in self.rows], "weights": weights}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "signals") -> Signals:
        """Undo ``to_dict``, JSON included; a ConfigError names a key that is missing or unknown."""
        with refusing_damage(path):
            known = {**NEWER_FIELDS, **data} if isinstance(data, Mapping) else data
            top = read_fields(cls, known, path)
            rows = (Signal.from_dict(r, f"{path}.rows[{at}]") for at, r in enumerate(top["rows"]))
            weights = (
                WeightGradient.from_dict(row, f"{path}.weights[{at}]")
                for at, row in enumerate(top["weights"])
            )
            return cls(**{**top, "rows": tuple(rows), "weights": tuple(weights)})
