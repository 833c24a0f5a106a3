"""The triple: weights, activations and gradients of every layer, from one pass."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    Sentence,
    UnknownNameError,
    first_line,
    nearest,
    wrong_type,
)
from brickbook.html import format_number, format_percent
from brickbook.introspect import plain_module_name, plain_name, unwrap_model
from brickbook.measure.probe import (
    SignalHistogram,
    Signals,
    default_loss,
    grad_mode,
    largest_inactive,
    make_batch,
    merge_histograms,
    probe,
    run_forward,
    seeded_rng,
    without_compile,
)
from brickbook.measure.snapshot import snapshot
from brickbook.records import Column, Record, read_fields, refusing_damage

__all__ = ["Distribution", "Triple", "TripleRow", "triple"]

BINS = 64


@dataclass(frozen=True)
class Distribution:
    """How some numbers lie: moments and a histogram of those that are finite.

    ``mean`` is None where it is not known, ``std`` where nothing is finite. Of outputs and
    gradients with more than 32,768 numbers the histogram counts about so many.
    """

    count: int
    mean: float | None = None
    std: float | None = None
    nan: int = 0
    inf: int = 0
    histogram: SignalHistogram | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None, path: str) -> Distribution | None:
        """Undo ``dataclasses.asdict``; None stays."""
        if data is None:
            return None
        found = read_fields(cls, data, path)
        found["histogram"] = SignalHistogram.from_dict(found["histogram"], f"{path}.histogram")
        return cls(**found)


@dataclass(frozen=True)
class TripleRow:
    """One call of one layer.

    ``weights`` are the names of its weight matrices (of what else it has, where it has none),
    ``weight`` their numbers together and ``gradient`` those of the loss's gradients by them: of
    all calls of the layer, and of all layers that share a weight. ``output`` are the numbers of
    what comes out, ``output_gradient`` those of the gradient by that. ``inactive`` is the share of
    the units that are dead, or of the outputs that are saturated, in the activation that follows;
    ``inactive_reason`` says which. ``update`` is ‖update‖ / ‖weight‖ of the first step. Each is
    None where there is none.
    """

    name: str
    kind: str
    call: int
    shape: tuple[int, ...]
    weights: tuple[str, ...]
    weight: Distribution | None
    output: Distribution
    gradient: Distribution | None
    output_gradient: Distribution | None
    inactive: float | None = None
    inactive_reason: str = ""
    update: float | None = None

    @property
    def label(self) -> str:
        """The name, the class of a model that is a layer itself; the call if not the first."""
        name = self.name or self.kind
        return name if self.call == 1 else f"{name} (call {self.call})"

    @property
    def shares(self) -> str:
        """The layer that owns the first weight, where it is another one; "" for none."""
        owner = self.weights[0].rpartition(".")[0] if self.weights else self.name
        own = owner == self.name or owner.startswith(f"{self.name}.") or not self.name
        return "" if own else owner

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "row") -> TripleRow:
        """Undo ``dataclasses.asdict``; a ConfigError names a key that is missing or unknown."""
        found = read_fields(cls, data, path)
        for key in ("weight", "output", "gradient", "output_gradient"):
            found[key] = Distribution.from_dict(found[key], f"{path}.{key}")
        return cls(**found)


def number_of(part: str, key: str) -> Callable[[TripleRow], Any]:
    """Return what takes a number of one of the distributions of a row."""
    return lambda row: getattr(getattr(row, part), key, None)


COLUMNS = (
    Column("layer", "layer", lambda row: row.label, "str"),
    Column("kind", "class", dtype="str"),
    Column("weights", None, lambda row: ", ".join(row.weights), "str"),
    Column("weight_mean", None, number_of("weight", "mean"), "float64"),
    Column("weight_std", "weight std", number_of("weight", "std"), "float64", format_number, True),
    Column("output_mean", None, number_of("output", "mean"), "float64"),
    Column("output_std", "output std", number_of("output", "std"), "float64", format_number, True),
    Column("gradient_std", "gradient std", number_of("gradient", "std"), "float64", format_number,
           True),
    Column("output_gradient_std", None, number_of("output_gradient", "std"), "float64"),
    Column("inactive", "dead or saturated", dtype="float64",
           text=lambda share: "–" if share is None else format_percent(share), right=True),
    Column("inactive_reason", None, dtype="str"),
    Column("update", "update/weight", dtype="float64", text=format_number, right=True),
)  # fmt: skip


@dataclass(frozen=True, repr=False)
class Triple(Record):
    """Weights, activations and gradients of every layer, in the order in which they ran.

    ``source``, ``input``, ``mode``, ``loss`` and ``seed`` are those of `Signals`; ``optimizer``
    says whose first step the updates are of, "" where none was made.
    """

    rows: tuple[TripleRow, ...] = ()
    source: str = "given"
    input: tuple[tuple[int, ...], ...] = ()
    mode: str = "train"
    loss: float | None = None
    seed: int = 0
    optimizer: str = ""

    _index: ClassVar[str] = "layer"
    _drawn_by: ClassVar[str] = "brickbook.views.svg.triple.triple_picture"

    @property
    def layers(self) -> tuple[str, ...]:
        """The labels of the rows."""
        return tuple(row.label for row in self.rows)

    def __getitem__(self, label: str) -> TripleRow:
        """Return the row of that label.

        Raises:
            UnknownNameError: No layer of that name has run.
        """
        for row in self.rows:
            if row.label == label:
                return row
        raise UnknownNameError("name", f"no layer {label!r} has run.", nearest(label, self.layers))

    def _columns(self) -> Sequence[Column]:
        return COLUMNS

    def _rows(self) -> Sequence[TripleRow]:
        return self.rows

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-able values."""
        return {**vars(self), "rows": [asdict(row) for row in self.rows]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "triple") -> Triple:
        """Undo ``to_dict``; a ConfigError names a key that is missing or unknown."""
        with refusing_damage(path):
            top = read_fields(cls, data, path)
            rows = (
                TripleRow.from_dict(row, f"{path}.rows[{at}]") for at, row in enumerate(top["rows"])
            )
            return cls(**{**top, "rows": tuple(rows)})

    def __repr__(self) -> str:
        shapes = ", ".join(map(str, self.input)) or "nothing"
        step = f", a step of {self.optimizer}" if self.optimizer else ""
        return f"Triple({len(self.rows)} layers on {self.source} {shapes}, {self.mode}{step})"


def triple(
    model: nn.Module,
    batch: Any = None,
    *,
    input_shape: Sequence[int] | None = None,
    seed: int = 0,
    loss: Callable[[Any], Tensor] | None = None,
    mode: Any = None,
    optimizer: Callable[[Any], torch.optim.Optimizer] | None = None,
) -> Triple:
    """Run a model once, and return weights, activations and gradients of every layer.

    The pass is `brickbook.probe`'s, which gives the model back as it was; its loss is the default
    one too, of whose gradients the size says little. A step of the optimizer is made on a copy.

    Args:
        model: The model.
        batch: As in `brickbook.probe`.
        input_shape: As in `brickbook.probe`.
        seed: As in `brickbook.probe`.
        loss: As in `brickbook.probe`.
        mode: As in `brickbook.probe`.
        optimizer: Takes the parameters, as ``partial(torch.optim.SGD, lr=0.1)``: then there is
            ‖update‖ / ‖weight‖ of its first step, which is often wanted near 1e-3.

    Raises:
        BadArgumentError: As in `brickbook.probe`, or ``optimizer`` returns no optimizer.
        BadValueError: As in `brickbook.probe`, or the model cannot be copied, or the step fails.
    """
    given: dict[str, Any] = {
        "batch": batch, "input_shape": input_shape, "seed": seed, "loss": loss, "mode": mode,
    }  # fmt: skip
    signals = probe(model, **given, histograms=BINS, weight_gradients=True)
    inner = unwrap_model(model)
    updates, name = ({}, "") if optimizer is None else first_updates(inner, optimizer, **given)
    rows = build_rows(inner, signals, updates)
    return Triple(
        rows, signals.source, signals.input, signals.mode, signals.loss, signals.seed, name
    )


def build_rows(
    model: nn.Module, signals: Signals, updates: Mapping[str, tuple[float, float]]
) -> tuple[TripleRow, ...]:
    """Return a row for each call of a layer; ``updates`` are ‖update‖² and ‖weight‖² by name."""
    names = {id(value): plain_name(name) for name, value in model.named_parameters()}
    modules = {plain_module_name(name): part for name, part in model.named_modules()}
    gradients = {
        row.name: Distribution(row.count, row.mean, row.std, row.nan, row.inf, row.histogram)
        for row in signals.weights
    }
    places = [at for at, row in enumerate(signals.rows) if row.part == "layer"]
    known: dict[str, dict[str, Tensor]] = {}
    for at in places:
        name = signals.rows[at].name
        own = list(modules[name].parameters()) if name not in known else []
        own = [value for value in own if value.dim() > 1] or own
        known.setdefault(name, {names[id(value)]: value for value in own})
    stats = snapshot({key: value for own in known.values() for key, value in own.items()}, BINS)
    weights = {
        name: Distribution(row.count, row.mean, row.std, row.nan, row.inf,
                           SignalHistogram(row.low, row.width, row.counts) if row.counts else None)
        for name, row in stats.items()
    }  # fmt: skip
    rows: list[TripleRow] = []
    for at, end in pairwise([*places, len(signals.rows)]):
        row = signals.rows[at]
        own = tuple(known[row.name])
        changed = [updates[name] for name in own if name in updates]
        change, whole = (
            (sum(column) for column in zip(*changed, strict=True)) if changed else (0, 0)
        )
        output = Distribution(row.count, row.mean, row.std, row.nan, row.inf, row.histogram)
        by_output = None
        if row.grad is not None:
            by_output = Distribution(row.count, None, row.grad, histogram=row.grad_histogram)
        rows.append(
            TripleRow(
                row.name,
                row.kind,
                row.call,
                row.shape,
                own,
                merge([weights[name] for name in own if name in weights]),
                output,
                merge([gradients[name] for name in own if name in gradients]),
                by_output,
                *largest_inactive(signals.rows[at:end]),
                math.sqrt(change / whole) if whole else None,
            )
        )
    return tuple(rows)


def merge(parts: Sequence[Distribution]) -> Distribution | None:
    """Return the distribution of what several tensors hold; None of none."""
    if len(parts) < 2:
        return parts[0] if parts else None
    nan, inf = sum(part.nan for part in parts), sum(part.inf for part in parts)
    count = sum(part.count for part in parts)
    known = [
        (part.count - part.nan - part.inf, part.mean, part.std)
        for part in parts
        if part.mean is not None and part.std is not None
    ]
    finite = sum(size for size, _, _ in known)
    if not finite:
        return Distribution(count, None, None, nan, inf)
    mean = math.fsum(size * middle for size, middle, _ in known) / finite
    square = math.fsum(size * (std**2 + (middle - mean) ** 2) for size, middle, std in known)
    found = [part.histogram for part in parts if part.histogram is not None]
    lies = merge_histograms(found, BINS)
    return Distribution(count, mean, math.sqrt(square / finite), nan, inf, lies)


def first_updates(
    model: nn.Module,
    optimizer: Callable[[Any], torch.optim.Optimizer],
    *,
    batch: Any,
    input_shape: Sequence[int] | None,
    seed: int,
    loss: Callable[[Any], Tensor] | None,
    mode: Any,
) -> tuple[dict[str, tuple[float, float]], str]:
    """Make one step on a copy; return ‖update‖² and ‖weight‖² by name, and what made it."""
    if not callable(optimizer):
        raise BadArgumentError("optimizer", wrong_type("a function of the parameters", optimizer))
    try:
        made = copy.deepcopy(model)
    except Exception as error:  # a model may hold anything
        problem = Sentence("it cannot be copied: {error}", error=first_line(error))
        raise BadValueError("model", problem, "Pass optimizer=None.") from error
    devices = {tensor.device for tensor in (*model.parameters(), *model.buffers())}
    pairs = [
        (plain_name(name), old, new)
        for (name, old), new in zip(model.named_parameters(), made.parameters(), strict=True)
        if new.requires_grad and not new.is_inference()
    ]
    trained = [new for _, _, new in pairs]
    with grad_mode(True), seeded_rng(seed, devices), without_compile(made):
        given = make_batch(made, batch, input_shape, seed)
        own, _ = given.copy_tensors(True)
        if mode is not None:
            made.train(mode == "train")
        output = run_forward(made, own, ())
        value = (loss or default_loss(output) or no_loss)(output)
        if not trained or not value.requires_grad:
            return {}, ""
        # Nothing reaches the .grad of what the loss may hold besides.
        grads = torch.autograd.grad(value.sum(), trained, allow_unused=True)
        for new, grad in zip(trained, grads, strict=True):
            new.grad = grad
        stepper: Any = optimizer(trained)
        if not isinstance(stepper, torch.optim.Optimizer):
            raise BadArgumentError(
                "optimizer", wrong_type("one that returns an optimizer", stepper)
            )
        try:
            stepper.step()
        except Exception as error:  # one may want a closure
            problem = Sentence("its step failed: {error}", error=first_line(error))
            raise BadValueError("optimizer", problem) from error
    with torch.no_grad():
        found = {
            name: (norm_square(new - old), norm_square(old))
            for (name, old, new), grad in zip(pairs, grads, strict=True)
            if grad is not None
        }
    rate = stepper.param_groups[0].get("lr")
    kind = type(stepper).__name__
    return found, kind if rate is None else f"{kind}, lr {float(rate):g}"


def norm_square(value: Tensor) -> float:
    """Return the square of a tensor's length."""
    return float(torch.linalg.vector_norm(value.detach().flatten().abs().double())) ** 2


def no_loss(output: object) -> Tensor:
    """Return a loss of nothing: of an output of several tensors there is no default."""
    return torch.zeros(())
