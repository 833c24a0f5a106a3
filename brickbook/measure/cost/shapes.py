"""The shapes a model passes on, found on the meta device: no memory, no arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from brickbook.blueprint import first_shape, to_meta
from brickbook.errors import BadArgumentError, first_line
from brickbook.html import format_shape
from brickbook.measure.probe import Shape, check_shape
from brickbook.records import Column, Record, read_fields, refusing_damage

__all__ = ["ShapeRow", "ShapeTrace", "shapes"]

State = Literal["ok", "error", "not reached"]


@dataclass(frozen=True)
class ShapeRow:
    """What one child takes and gives.

    ``input`` and ``output`` are the shape of the first tensor that goes in and comes out, None if
    there is none. ``params`` counts the elements of the child's own parameters, each once in the
    whole model. ``error`` is what went wrong, with the input's shape.
    """

    name: str
    kind: str
    params: int
    state: State
    input: Shape | None = None
    output: Shape | None = None
    error: str = ""


def shape_text(shape: Shape | None) -> str:
    """Write a shape, a dash for none."""
    return "–" if shape is None else format_shape(shape)


SHAPE_COLUMNS = (
    Column("name", "module", dtype="str"),
    Column("kind", "class", dtype="str"),
    Column("params", "parameters", dtype="int64", text="{:,}".format, right=True),
    Column("state", dtype="str"),
    Column("input", "input", text=shape_text),
    Column("output", "output", text=shape_text),
    Column("error", dtype="str"),
    Column("", "", lambda row: row.error or ("" if row.state == "ok" else row.state)),
)


@dataclass(frozen=True)
class ShapeTrace(Record):
    """The children of a model in the order they run, up to the first that does not fit."""

    input: Shape
    rows: tuple[ShapeRow, ...] = ()

    @property
    def params(self) -> int:
        """Elements of all parameters."""
        return sum(row.params for row in self.rows)

    @property
    def error(self) -> str:
        """What went wrong, or ""."""
        return next((row.error for row in self.rows if row.state == "error"), "")

    @property
    def output(self) -> Shape | None:
        """The shape of what the model returns; None after an error."""
        if self.error:
            return None
        return self.rows[-1].output if self.rows else self.input

    def __repr__(self) -> str:
        return (
            f"ShapeTrace({self.input} to {self.error or self.output}, {self.params:,} parameters)"
        )

    def _columns(self) -> Sequence[Column]:
        return SHAPE_COLUMNS

    def _rows(self) -> Sequence[ShapeRow]:
        return self.rows

    def to_dict(self) -> dict[str, Any]:
        """The trace as JSON-able values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "trace") -> ShapeTrace:
        """Undo ``to_dict``, JSON included; a ConfigError names a key that is missing or unknown."""
        with refusing_damage(path):
            top = read_fields(cls, data, path)
            rows = (
                ShapeRow(**read_fields(ShapeRow, row, f"{path}.rows[{index}]"))
                for index, row in enumerate(top["rows"])
            )
            return cls(top["input"], tuple(rows))


def shapes(
    model: nn.Module, input_shape: Sequence[int], *, dtype: torch.dtype = torch.float32
) -> ShapeTrace:
    """Send a tensor of shape ``input_shape`` (batch included) through a model, without computing.

    The children of an `nn.Sequential` or `nn.ModuleList` run one after the other, those of
    another module as its own ``forward`` has it: such a model is one row. It runs as in
    ``eval()``, on a copy that shares no tensor with it. After an error the rest is "not reached".
    The first call of a process takes a second, in which torch loads its meta kernels.

    Args:
        model: The model.
        input_shape: The shape, batch included.
        dtype: Of the tensor.

    Raises:
        BadArgumentError: ``model`` is not a module.
        BadValueError: ``input_shape`` is not a sequence of whole numbers from 1 up.
    """
    if not isinstance(model, nn.Module):
        raise BadArgumentError("model", f"expected a module, got {model!r}.")
    given = check_shape(input_shape)
    seen: set[int] = set()
    rows: list[ShapeRow] = []
    value: Any = torch.empty(given, dtype=dtype, device="meta")
    with torch.no_grad(), torch.device("meta"):
        for name, child in children_in_order(model):
            if rows and rows[-1].state != "ok":
                left = ShapeRow(
                    name, type(child).__name__, count_new_params(child, seen), "not reached"
                )
                rows.append(left)
                continue
            row, value = trace_child(name, child, value, seen)
            rows.append(row)
    return ShapeTrace(given, tuple(rows))


def children_in_order(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield (name, module) of the children in the order of their calls; else the model itself."""
    if isinstance(model, nn.Sequential | nn.ModuleList):
        # Unlike named_children, a module that stands twice runs twice.
        for name, child in model.named_modules(remove_duplicate=False):
            if name and "." not in name:
                yield name, child
    else:
        yield "", model


def trace_child(name: str, child: nn.Module, value: Any, seen: set[int]) -> tuple[ShapeRow, Any]:
    """Run one child on a value of the meta device."""
    kind, taken = type(child).__name__, first_shape(value)
    try:
        twin = to_meta(child, force_copy=True).eval()
        result = twin(value)
    # Anything may come out of a module that does not fit, and the builder has to show it.
    except Exception as error:
        problem = f"{kind} got {taken}: {first_line(error)}"
        return ShapeRow(
            name, kind, count_new_params(child, seen), "error", taken, None, problem
        ), None
    count = count_new_params(twin, set()) if has_lazy(child) else count_new_params(child, seen)
    return ShapeRow(name, kind, count, "ok", taken, first_shape(result)), result


def has_lazy(module: nn.Module) -> bool:
    """Whether parameters have no shape before the module runs."""
    return any(is_lazy(parameter) for parameter in module.parameters())


def count_new_params(module: nn.Module, seen: set[int]) -> int:
    """Elements of the parameters that are not in ``seen`` yet; adds them."""
    fresh = {id(p): p.numel() for p in module.parameters() if id(p) not in seen and not is_lazy(p)}
    seen.update(fresh)
    return sum(fresh.values())
