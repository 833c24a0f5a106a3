"""Activations over training: what comes out of every layer, step by step, in your own loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from brickbook.errors import BadArgumentError, BadValueError, UnknownNameError, nearest, wrong_value
from brickbook.html import format_number, format_percent
from brickbook.introspect import class_name, local_tensor, plain_module_name
from brickbook.measure.probe import (
    collect_tensors,
    even_sample,
    find_leaves,
    first_float_tensor,
    mean_square_tensor,
    real_numbers,
    reject_torchscript,
)
from brickbook.records import Column, Record, read_fields, refusing_damage

__all__ = ["ActivationHistory", "ActivationRow", "Recorder", "magnitude_edges"]

PARTS = ("layer", "norm", "activation", "other")
SAMPLE = 1 << 12  # of an output so many elements, evenly apart, are counted
HALF_OCTAVES = 40  # below 1, and as many above


def magnitude_edges() -> tuple[float, ...]:
    """Return the edges of the bins of |x|: half octaves from 2⁻²⁰ to 2²⁰.

    What is smaller, zeros too, is in the first bin, what is larger in the last.
    """
    return tuple(2.0 ** (at / 2) for at in range(-HALF_OCTAVES, HALF_OCTAVES + 1))


@dataclass(frozen=True)
class ActivationRow:
    """One layer's output at one step: its moments, and how large its elements are.

    ``counts`` are of |x|, in the bins of `magnitude_edges`, over ``sampled`` elements that lie
    evenly apart, as ``zeros``, the share of zeros. NaN and infinite elements are counted in
    ``nonfinite`` alone. ``mean`` and ``std`` are of all elements, None where any is not finite; a
    std of less than a thousandth of the mean is not exact.
    """

    layer: str
    kind: str
    step: int
    mean: float | None
    std: float | None
    zeros: float
    nonfinite: int
    sampled: int
    counts: tuple[int, ...]


COLUMNS = (
    Column("layer", "layer", dtype="str"),
    Column("kind", "class", dtype="str"),
    Column("step", "step", dtype="int64", right=True),
    Column("mean", "mean", dtype="float64", text=format_number, right=True),
    Column("std", "std", dtype="float64", text=format_number, right=True),
    Column("zeros", "zeros", dtype="float64", text=format_percent, right=True),
    Column("nonfinite", "not finite", dtype="int64", right=True),
)


@dataclass(frozen=True, repr=False)
class ActivationHistory(Record):
    """The outputs of a model's layers over the steps of a training."""

    rows: tuple[ActivationRow, ...] = ()

    _index: ClassVar[str] = ""
    _drawn_by: ClassVar[str] = "brickbook.views.svg.activation_history.history_picture"

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers, in the order in which they first ran."""
        return tuple(dict.fromkeys(row.layer for row in self.rows))

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps that were recorded."""
        return tuple(sorted({row.step for row in self.rows}))

    def layer(self, name: str) -> tuple[ActivationRow, ...]:
        """Return the rows of a layer, by step.

        Raises:
            UnknownNameError: There is no such layer.
        """
        found = tuple(row for row in self.rows if row.layer == name)
        if not found:
            raise UnknownNameError("name", f"no layer {name!r}.", nearest(name, self.layers))
        return found

    def _columns(self) -> Sequence[Column]:
        return COLUMNS

    def _rows(self) -> Sequence[ActivationRow]:
        return self.rows

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-able values."""
        return {"rows": [asdict(row) for row in self.rows]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "history") -> ActivationHistory:
        """Undo ``to_dict``; a ConfigError names a key that is missing or unknown."""
        with refusing_damage(path):
            rows = read_fields(cls, data, path)["rows"]
            each = (
                read_fields(ActivationRow, row, f"{path}.rows[{at}]") for at, row in enumerate(rows)
            )
            return cls(tuple(ActivationRow(**row) for row in each))

    def __repr__(self) -> str:
        steps = self.steps
        reach = f", steps {steps[0]} to {steps[-1]}" if steps else ""
        return f"ActivationHistory({len(self.layers)} layers, {len(steps)} steps{reach})"


class Recorder:
    """Records, inside a ``with``, what comes out of a model's layers while it is trained.

    A step is a call of the model in training mode; each layer is recorded by its first call in it.
    The model is not changed, nothing is drawn, and the hooks are gone after the block::

        with Recorder(model, every=10) as recorder:
            for inputs, targets in loader:
                ...  # the loop as it is
        recorder.history

    Args:
        model: The model, as it is called in the loop; not one that torch.compile has compiled,
            whose code runs no hooks that are added later.
        every: Every how many steps is recorded.
        parts: What is recorded: "layer" (with weights), "norm", "activation", "other".

    Raises:
        BadArgumentError: ``model`` is no module, or TorchScript; ``every`` is no whole number.
        BadValueError: ``every`` is below 1, a part is unknown, or the model is compiled.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        every: int = 10,
        parts: Sequence[str] = ("layer", "activation"),
    ) -> None:
        if not isinstance(model, nn.Module):
            raise BadArgumentError("model", wrong_value("a module", model))
        if isinstance(every, bool) or not isinstance(every, int):
            raise BadArgumentError("every", wrong_value("a whole number", every))
        if every < 1:
            raise BadValueError("every", wrong_value("1 or more", every))
        for part in parts:
            if part not in PARTS:
                raise BadValueError("parts", f"unknown part {part!r}.", nearest(part, PARTS))
        reject_torchscript(model)
        if any(type(part).__name__ == "OptimizedModule" for part in model.modules()):
            problem = "torch.compile has compiled it: hooks that are added later do not run."
            raise BadValueError("model", problem, "Pass the model, and train it, before that.")
        self.model, self.every, self.parts = model, every, tuple(parts)
        self.step = -1  # of the call that is running, or of the last one
        self._active = False
        self._seen: set[str] = set()
        self._handles: list[Any] = []
        self._found: list[tuple[str, str, int, Tensor, int]] = []

    def __enter__(self) -> Recorder:
        kinds = find_leaves(self.model)
        self._handles = [self.model.register_forward_pre_hook(self._begin)]
        for name, module in self.model.named_modules():
            if kinds.get(id(module)) in self.parts:
                label = plain_module_name(name) or "output"
                self._handles.append(module.register_forward_hook(self._recording(label)))
        # After the hook of a model that is a layer itself. What a backward pass runs again is late.
        self._handles.append(self.model.register_forward_hook(self._end, always_call=True))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._active = False

    @property
    def history(self) -> ActivationHistory:
        """What has been recorded so far."""
        return ActivationHistory(tuple(read_row(*item) for item in self._found))

    def _begin(self, module: nn.Module, args: Any) -> None:
        if module.training:
            self.step += 1
            self._active = self.step % self.every == 0
            self._seen.clear()

    def _end(self, module: nn.Module, args: Any, output: Any) -> None:
        self._active = False

    def _recording(self, name: str) -> Callable[..., None]:
        """Return a hook that records the first output of a module in a step."""

        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if not self._active or name in self._seen:
                return
            value = first_float_tensor(collect_tensors(output))
            if value is not None and value.numel():
                self._seen.add(name)
                numbers, sampled = measure(local_tensor(value.detach()))
                self._found.append((name, class_name(module), self.step, numbers, sampled))

        return hook


@torch.no_grad()
def measure(value: Tensor) -> tuple[Tensor, int]:
    """Return mean, std, zeros, elements that are not finite, and counts, as one small tensor.

    It stays on the device, which is not waited for.
    """
    x = real_numbers(value)
    some = even_sample(x, SAMPLE)
    sizes = some.abs()
    finite = sizes.isfinite()
    # NaN and infinity go to a bin of their own, the last.
    places = (sizes.log2() * 2).floor().add_(HALF_OCTAVES).clamp_(0, 2 * HALF_OCTAVES - 1)
    places = torch.where(finite, places, 2.0 * HALF_OCTAVES).long()
    counts = torch.bincount(places, minlength=2 * HALF_OCTAVES + 1).double()
    mean = x.mean().double()
    variance = mean_square_tensor(x) - mean * mean
    zeros = (sizes == 0).sum().double()
    return torch.cat([torch.stack([mean, variance.clamp(min=0).sqrt(), zeros]), counts]), len(some)


def read_row(layer: str, kind: str, step: int, numbers: Tensor, sampled: int) -> ActivationRow:
    """Return a row of what was measured."""
    mean, std, zeros, *counts, nonfinite = numbers.tolist()
    known = math.isfinite(mean) and math.isfinite(std)
    return ActivationRow(
        layer, kind, step, mean if known else None, std if known else None, zeros / sampled,
        int(nonfinite), sampled, tuple(map(int, counts)),
    )  # fmt: skip
