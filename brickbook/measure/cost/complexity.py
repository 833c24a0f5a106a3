"""Parameters, MACs and memory of a model, module by module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from torch import nn
from torch.nn.parameter import is_lazy

from brickbook.errors import BadArgumentError, BadValueError, ConfigError
from brickbook.html import format_bytes, format_count
from brickbook.introspect import plain_module_name
from brickbook.measure.cost.meter import CostCounter, watch_run
from brickbook.measure.cost.shapes import shape_text
from brickbook.measure.probe import (
    Batch,
    Shape,
    collect_tensors,
    make_batch,
    reject_torchscript,
)
from brickbook.records import Column, Records, read_fields, refusing_damage

__all__ = ["Complexity", "Cost", "complexity"]

Mode = Literal["train", "eval"]


@dataclass(frozen=True)
class Cost:
    """What one module costs, with all modules in it; ``own_…`` without them.

    ``macs`` are multiply-adds of matrix products, convolutions and attention. ``activations`` are
    the bytes of the tensors that modules return, a piece of memory counted once, for the innermost
    module that returns it: an activation in place and a view cost nothing, and what a ``forward``
    makes and lets go is not in it. ``params`` are elements; a tied parameter counts in each module
    that holds it, in ``own_params`` at its first place alone. A module with two names stands under
    the first. ``calls`` is how often it ran, ``output`` the shape of the first tensor that it
    returned last.
    """

    name: str
    kind: str
    calls: int = 0
    output: Shape | None = None
    params: int = 0
    macs: int = 0
    activations: int = 0
    own_params: int = 0
    own_macs: int = 0
    own_activations: int = 0

    @property
    def flops(self) -> int:
        """Floating-point operations: a multiply-add is two."""
        return 2 * self.macs


@dataclass(frozen=True, repr=False)
class Complexity(Records[Cost]):
    """What a model costs, by the name of the module, in the model's order; ``""`` is the model.

    ``input`` are the shapes of the tensors that went in. In a frame a sum over the rows is one of
    ``own_…``: the other columns hold the modules inside too.
    """

    rows: tuple[Cost, ...]
    input: tuple[Shape, ...] = ()
    mode: Mode = "eval"

    _missing_message = "the model has no module"

    @property
    def by_name(self) -> Mapping[str, Cost]:
        """The costs by the module's name."""
        return {row.name: row for row in self.rows}

    @property
    def modules_with_cost(self) -> tuple[Cost, ...]:
        """The modules that cost something themselves."""
        return tuple(r for r in self.rows if r.own_macs or r.own_params or r.own_activations)

    def down_to(self, depth: int) -> Complexity:
        """Return the same without the modules that stand in more than ``depth`` others."""
        rows = tuple(row for row in self.rows if len(row.name.split(".")) <= depth)
        return Complexity(rows, self.input, self.mode)

    @property
    def params(self) -> int:
        """Elements of all parameters."""
        return self.rows[0].params

    @property
    def macs(self) -> int:
        """Multiply-adds of the whole model."""
        return self.rows[0].macs

    @property
    def flops(self) -> int:
        """Floating-point operations of the whole model: a multiply-add is two."""
        return self.rows[0].flops

    @property
    def activations(self) -> int:
        """Bytes of all tensors that modules return."""
        return self.rows[0].activations

    def __repr__(self) -> str:
        shapes = ", ".join(map(str, self.input)) or "nothing"
        return (
            f"Complexity({self.rows[0].kind} on {shapes}: {format_count(self.macs)} MACs, "
            f"{format_count(self.params)} parameters, {format_bytes(self.activations)} activations)"
        )

    def _columns(self) -> Sequence[Column]:
        total = self.rows[0].macs if self.rows else 0

        def share(macs: int) -> str:
            return f"{macs / total:.1%}" if total else "–"

        return (
            Column("name", dtype="str"),
            Column("", "module", lambda row: row.name or "(model)"),
            Column("kind", "class", dtype="str"),
            Column("calls", "calls", dtype="int64"),
            Column("output", "output", text=shape_text),
            Column("params", "parameters", dtype="int64", text="{:,}".format, right=True),
            Column("macs", "MACs", dtype="int64", text=format_count, right=True),
            Column("", "of all", lambda row: row.macs, text=share, right=True),
            Column("flops", dtype="int64"),
            Column("activations", "activations", dtype="int64", text=format_bytes, right=True),
            *(Column(f"own_{key}", dtype="int64") for key in ("params", "macs", "activations")),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-able values."""
        return {**vars(self), "rows": [asdict(row) for row in self.rows]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "complexity") -> Complexity:
        """Undo ``to_dict``, JSON included; a ConfigError names a key that is missing or unknown."""
        with refusing_damage(path):
            top = read_fields(cls, data, path)
            rows = (
                read_fields(Cost, row, f"{path}.rows[{at}]") for at, row in enumerate(top["rows"])
            )
            return cls(**{**top, "rows": tuple(Cost(**row) for row in rows)})


def complexity(model: nn.Module, input: Any, *, mode: Mode = "eval", seed: int = 0) -> Complexity:
    """Count what a model costs on an input, module by module.

    Nothing is computed: a twin of the model runs on the meta device. A model that asks for values
    on its way runs itself, once and without gradients (on numbers drawn with ``seed`` for a shape),
    and is given back as it was: modes, buffers, hooks and torch's random numbers.

    Args:
        model: The model.
        input: What it is called with: a tensor, a tuple of arguments or a dict of keywords; or a
            shape, batch size included, such as ``(1, 3, 224, 224)``. In a tuple or a dict without
            tensors each shape stands for one: ``((1, 8), (1, 6))``.
        mode: 'eval' or 'train'.
        seed: Of the numbers that stand for a shape where the model runs itself.

    Raises:
        BadArgumentError: ``model`` is no module.
        BadValueError: the input does not fit; the layer and the shapes it got are named.

    >>> complexity(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), (1, 3, 16, 16))
    Complexity(Sequential on (1, 3, 16, 16): 42.3 k MACs, 224 parameters, 12.5 kB activations)
    """
    if not isinstance(model, nn.Module):
        raise BadArgumentError("model", f"expected a module, got {model!r}.")
    if mode not in ("train", "eval"):
        raise BadValueError("mode", f"expected 'train' or 'eval', got {mode!r}.")
    reject_torchscript(model)
    batch = make_input(model, input, seed)
    counter = watch_run(model, batch, mode == "train", CostCounter)
    return Complexity(cost_rows(counter), batch.shapes, mode)


def make_input(model: nn.Module, input: Any, seed: int) -> Batch:
    """Return what a model is called with; a ConfigError names ``input``."""
    if input is None:
        hint = "Pass a batch, or a shape such as (1, 3, 224, 224)."
        raise BadArgumentError("input", "the model needs something to run on.", hint)
    if is_shape(input):
        return draw_input(model, input, seed, "input")
    if collect_tensors(input):  # beside a tensor, (7, 7) is an argument of its own
        return make_batch(model, input, None, seed)
    if type(input) is dict:
        return Batch(kwargs={
            key: draw_inside(model, value, seed, f"input[{key!r}]") for key, value in input.items()
        })  # fmt: skip
    if type(input) in (list, tuple):
        return Batch(tuple(
            draw_inside(model, value, seed, f"input[{at}]") for at, value in enumerate(input)
        ))  # fmt: skip
    return make_batch(model, input, None, seed)


def draw_inside(model: nn.Module, value: Any, seed: int, path: str) -> Any:
    """Return one of several inputs: a tensor of the shape that stands for it, or the value."""
    return draw_input(model, value, seed, path).args[0] if is_shape(value) else value


def draw_input(model: nn.Module, shape: Any, seed: int, path: str) -> Batch:
    """Draw a tensor of a shape; a ConfigError names ``path``."""
    try:
        return make_batch(model, None, shape, seed)
    except ConfigError as error:
        error.path, error.args = path, (path, error.problem, error.hint)
        raise


def is_shape(value: object) -> bool:
    """Whether a value is a sequence of whole numbers."""
    return (
        isinstance(value, (tuple, list))
        and len(value) > 0
        and all(isinstance(size, int) and not isinstance(size, bool) for size in value)
    )


def cost_rows(counter: CostCounter) -> tuple[Cost, ...]:
    """Return one row a module; what the modules inside cost is added up by their names."""
    parts = {plain_module_name(name): part for name, part in counter.model.named_modules()}
    macs = sum_inclusive({name: counter.macs[id(part)] for name, part in parts.items()})
    activations = sum_inclusive({name: counter.bytes[id(part)] for name, part in parts.items()})
    seen: set[int] = set()
    return tuple(
        Cost(
            name,
            type(part).__name__,
            counter.calls[id(part)],
            counter.outputs.get(id(part)),
            sum(p.numel() for p in part.parameters() if not is_lazy(p)),
            macs[name],
            activations[name],
            count_own_params(part, seen),
            counter.macs[id(part)],
            counter.bytes[id(part)],
        )
        for name, part in parts.items()
    )


def sum_inclusive(own: Mapping[str, int]) -> dict[str, int]:
    """Add to each name what stands under it.

    >>> sum_inclusive({"": 1, "a": 2, "a.b": 3})
    {'': 6, 'a': 5, 'a.b': 3}
    """
    found = dict.fromkeys(own, 0)
    for name, value in own.items():
        for holder in enclosing_names(name):
            if holder in found:
                found[holder] += value
    return found


def enclosing_names(name: str) -> Sequence[str]:
    """Return a module's name and those of the modules it stands in."""
    parts = name.split(".") if name else []
    return [".".join(parts[:at]) for at in range(len(parts), -1, -1)]


def count_own_params(part: nn.Module, seen: set[int]) -> int:
    """Count the elements of a module's own parameters that were not counted before."""
    found = [
        p for p in part._parameters.values()
        if p is not None and not is_lazy(p) and id(p) not in seen
    ]  # fmt: skip
    seen.update(map(id, found))
    return sum(p.numel() for p in {id(p): p for p in found}.values())
