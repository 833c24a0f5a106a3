"""The coordinate check: do activations keep their size as a model gets wider and learns?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from brickbook.errors import BadArgumentError, BadValueError, nearest
from brickbook.html import format_number
from brickbook.init.execution import initialize
from brickbook.init.initializers import call_with_batch
from brickbook.records import Column, Record, read_fields, refusing_damage

__all__ = ["Coordinate", "CoordinateCheck", "coordinate_check"]

InitSpec = Callable[[nn.Module, int], object] | Mapping[str, Any] | list[Mapping[str, Any]]


@dataclass(frozen=True)
class Coordinate:
    """The size of one layer's output: mean |x| over all its elements, after ``step`` updates."""

    width: int
    step: int
    layer: str
    size: float


COLUMNS = (
    Column("width", "width", dtype="int64", right=True),
    Column("step", "step", dtype="int64", right=True),
    Column("layer", "layer", dtype="str"),
    Column("size", "mean |x|", dtype="float64", text=format_number, right=True),
)


@dataclass(frozen=True, repr=False)
class CoordinateCheck(Record):
    """The sizes of every layer's output, for each width and step."""

    rows: tuple[Coordinate, ...] = ()

    _index: ClassVar[str] = ""
    _drawn_by: ClassVar[str] = "brickbook.views.svg.coordinates.coordinates_picture"

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths, smallest first."""
        return tuple(sorted({row.width for row in self.rows}))

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps: 0 is before the first update."""
        return tuple(sorted({row.step for row in self.rows}))

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers, in the order in which the model reaches them."""
        return tuple(dict.fromkeys(row.layer for row in self.rows))

    def sizes(self, layer: str, step: int) -> dict[int, float]:
        """Return mean |x| by width.

        Raises:
            ValueError: The layer or the step is not there.
        """
        if layer not in self.layers:
            raise BadValueError("layer", f"no layer {layer!r}.", nearest(layer, self.layers))
        if step not in self.steps:
            raise BadValueError("step", f"expected one of {self.steps}, got {step!r}.")
        found = {r.width: r.size for r in self.rows if (r.layer, r.step) == (layer, step)}
        return dict(sorted(found.items()))

    def slope(self, layer: str, step: int) -> float:
        """Return the slope of log2(size) against log2(width), by least squares.

        0: the size keeps as the width grows; 1: it doubles with the width. NaN if a size is 0 or
        not finite, or there are less than two widths.

        Raises:
            ValueError: The layer or the step is not there.
        """
        sizes = self.sizes(layer, step)
        if len(sizes) < 2 or not all(0 < size < math.inf for size in sizes.values()):
            return math.nan
        x = [math.log2(width) for width in sizes]
        y = [math.log2(size) for size in sizes.values()]
        middle, level = sum(x) / len(x), sum(y) / len(y)
        rise = sum((a - middle) * (b - level) for a, b in zip(x, y, strict=True))
        return rise / sum((a - middle) ** 2 for a in x)

    def _columns(self) -> Sequence[Column]:
        return COLUMNS

    def _rows(self) -> Sequence[Coordinate]:
        return self.rows

    def to_dict(self) -> dict[str, Any]:
        """Return the check as JSON-able values."""
        return {"rows": [asdict(row) for row in self.rows]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "check") -> CoordinateCheck:
        """Undo ``to_dict``; a ConfigError names a key that is missing or unknown."""
        with refusing_damage(path):
            rows = read_fields(cls, data, path)["rows"]
            each = (
                read_fields(Coordinate, row, f"{path}.rows[{at}]") for at, row in enumerate(rows)
            )
            return cls(tuple(Coordinate(**row) for row in each))

    def __repr__(self) -> str:
        return f"CoordinateCheck({len(self.layers)} layers, widths {self.widths})"


def coordinate_check(
    make: Callable[[int], nn.Module],
    widths: Sequence[int],
    batch: Any,
    *,
    loss: Callable[[Any], Tensor],
    optimizer: Callable[[nn.Module], torch.optim.Optimizer],
    start: InitSpec | None = None,
    steps: int = 3,
    seed: int = 0,
) -> CoordinateCheck:
    """Train a model of each width for a few steps on one batch, and record each layer's output.

    Recorded are the modules with parameters of their own, each by its first call in a step.
    Each width has the same seed; torch's CPU generator is as before afterwards.

    With muP the slopes (`CoordinateCheck.slope`) stay near 0 at every step, for hidden layers from
    the start and for the output after it; in standard parametrisation with Adam they grow. Source:
    Yang et al. 2022, Tensor Programs V, Appendix D.1, https://arxiv.org/abs/2203.03466.

    Args:
        make: Builds the model of a width.
        widths: Two or more different widths.
        batch: What the model is called with: a tuple is its arguments, a dict its keywords.
        loss: Takes what the model returns.
        optimizer: Takes the model.
        start: Initialises the model: an ``init_cfg``, or a function of model and width; None leaves
            it as it was built.
        steps: How many updates are made.
        seed: The seed of every width.

    Raises:
        BadArgumentError: ``widths`` or ``steps`` are no whole numbers.
        BadValueError: There are less than two widths, two are equal, or a number is too small.
    """
    check_arguments(widths, steps)
    rows: list[Coordinate] = []
    with torch.random.fork_rng(devices=()):
        for width in widths:
            torch.manual_seed(seed)
            model = make(width)
            if callable(start):
                start(model, width)
            elif start is not None:
                initialize(model, start, seed=seed)
            rows += train_and_record(model, width, batch, loss, optimizer(model), steps)
    layers = {frozenset(row.layer for row in rows if row.width == width) for width in widths}
    if len(layers) > 1:
        odd = sorted(frozenset.union(*layers) - frozenset.intersection(*layers))
        raise BadValueError("make", f"not every width has these layers: {', '.join(odd)}.")
    return CoordinateCheck(tuple(rows))


def check_arguments(widths: Sequence[int], steps: int) -> None:
    """Raise for widths and steps that give no slope."""
    for key, value, least in (*(("widths", width, 1) for width in widths), ("steps", steps, 0)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise BadArgumentError(key, f"expected an int, got {value!r} ({type(value).__name__}).")
        if value < least:
            raise BadValueError(key, f"expected {least} or more, got {value!r}.")
    if len(set(widths)) < 2 or len(set(widths)) < len(widths):
        raise BadValueError("widths", f"expected two or more, all different, got {widths!r}.")


def train_and_record(
    model: nn.Module,
    width: int,
    batch: Any,
    loss: Callable[[Any], Tensor],
    optimizer: torch.optim.Optimizer,
    steps: int,
) -> list[Coordinate]:
    """Train one model; return the sizes before each update and after the last."""
    rows: list[Coordinate] = []
    for step in range(steps + 1):
        sizes: dict[str, float] = {}
        handles = [
            part.register_forward_hook(size_hook(name or "output", sizes))
            for name, part in model.named_modules()
            if next(part.parameters(recurse=False), None) is not None
        ]
        try:
            output = call_with_batch(model, batch)
        finally:
            for handle in handles:
                handle.remove()
        rows += [Coordinate(width, step, layer, size) for layer, size in sizes.items()]
        if step < steps:
            optimizer.zero_grad()
            loss(output).backward()
            optimizer.step()
    return rows


def size_hook(name: str, sizes: dict[str, float]) -> Callable[..., None]:
    """Return a hook that notes the size of a module's first output."""

    def note(module: nn.Module, args: Any, output: Any) -> None:
        value = output[0] if isinstance(output, tuple) and output else output
        if isinstance(value, Tensor) and name not in sizes:
            sizes[name] = value.detach().abs().double().mean().item()

    return note
