"""What the modules of a model cost, as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from brickbook.markup import block, bytes_text, count_text, shape, table
from brickbook.measure.records import read
from brickbook.measure.tracing import Shape
from brickbook.named import Named

__all__ = ["Complexity", "Cost", "Mode", "complexity_columns"]

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
class Complexity(Named[Cost]):
    """What a model costs, by the name of the module, in the model's order; ``""`` is the model.

    ``input`` are the shapes of the tensors that went in.
    """

    rows: tuple[Cost, ...]
    input: tuple[Shape, ...] = ()
    mode: Mode = "eval"

    things = "the model has no module"

    @property
    def by_name(self) -> Mapping[str, Cost]:
        """The costs by the module's name."""
        return {row.name: row for row in self.rows}

    @property
    def working(self) -> tuple[Cost, ...]:
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
            f"Complexity({self.rows[0].kind} on {shapes}: {count_text(self.macs)} MACs, "
            f"{count_text(self.params)} parameters, {bytes_text(self.activations)} activations)"
        )

    def _repr_html_(self) -> str:
        heads, rows, numbers = complexity_columns(self.rows)
        return block(repr(self), [], table(heads, rows, right=numbers))

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def frame(self) -> Any:
        """Return a pandas DataFrame, one row a module, indexed by its name; needs pandas.

        A sum over the rows is one of ``own_…``: the other columns hold the modules inside too.
        """
        import pandas as pd  # an optional package: only this table wants it

        columns = [item.name for item in fields(Cost) if item.name != "name"]
        columns.insert(columns.index("macs") + 1, "flops")
        cells = [[getattr(row, key) for key in columns] for row in self.rows]
        names = pd.Index([row.name for row in self.rows], name="name", dtype="str")
        return pd.DataFrame(cells, index=names, columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-able values."""
        return {**vars(self), "rows": [asdict(row) for row in self.rows]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "complexity") -> Complexity:
        """Undo ``to_dict``, JSON included; a ConfigError names a key that is missing or unknown."""
        top = read(cls, data, path)
        rows = (read(Cost, row, f"{path}.rows[{at}]") for at, row in enumerate(top["rows"]))
        return cls(**{**top, "rows": tuple(Cost(**row) for row in rows)})


def complexity_columns(
    costs: Sequence[Cost],
) -> tuple[Sequence[str], list[Sequence[str]], range]:
    """The heads and rows of a complexity's table, and which columns are numbers."""
    heads = ("module", "class", "calls", "output", "parameters", "MACs", "of all", "activations")
    whole = costs[0].macs if costs else 0
    return heads, [complexity_row(cost, whole) for cost in costs], range(4, 8)


def complexity_row(cost: Cost, whole: int) -> Sequence[str]:
    """One row of a complexity; ``whole`` are the multiply-adds of the model."""
    return (
        cost.name or "(model)",
        cost.kind,
        str(cost.calls),
        shape(cost.output) if cost.output is not None else "–",
        f"{cost.params:,}",
        count_text(cost.macs),
        f"{cost.macs / whole:.1%}" if whole else "–",
        bytes_text(cost.activations),
    )
