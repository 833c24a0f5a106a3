"""What a run on the meta device found: a record per brick, in the order of the tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from brickbook.blueprint.building import Known
from brickbook.blueprint.tree import Path, path_text
from brickbook.blueprint.wording import Fault, Shape, shape_text
from brickbook.errors import BadValueError

__all__ = ["BrickTrace", "State", "Trace"]

State = Literal["ok", "error", "stopped", "not reached"]


@dataclass(frozen=True)
class BrickTrace:
    """What one brick takes and gives.

    Shapes are those of one sample. ``macs`` are multiply-adds for one sample, those of the bricks
    inside included, as are ``params``; in a Repeat a brick's numbers are those of its first turn.
    ``found`` are the arguments that were left out. A brick is ``"stopped"`` by the fault of one
    inside it.
    """

    path: Path
    state: State
    input: Shape | None = None
    output: Shape | None = None
    params: int = 0
    macs: int = 0
    found: Mapping[str, int] = field(default_factory=dict)
    fault: Fault | None = None


@dataclass(frozen=True)
class Trace:
    """The bricks of a tree, each before those inside it, up to the first that does not fit."""

    input: Shape
    rows: Mapping[Path, BrickTrace]
    known: Known = field(default_factory=dict, repr=False, compare=False)

    @property
    def top(self) -> list[BrickTrace]:
        """The bricks that are in no other."""
        return [row for path, row in self.rows.items() if len(path) == 1]

    @property
    def params(self) -> int:
        """Elements of all parameters."""
        return sum(row.params for row in self.top)

    @property
    def macs(self) -> int:
        """Multiply-adds for one sample."""
        return sum(row.macs for row in self.top)

    @property
    def fault(self) -> BrickTrace | None:
        """The first brick with a fault."""
        return next((row for row in self.rows.values() if row.fault is not None), None)

    @property
    def output(self) -> Shape | None:
        """The shape of what the model returns, None if that is not known."""
        top = self.top
        return top[-1].output if top else self.input

    def __repr__(self) -> str:
        wrong = self.fault
        end = shape_text(self.output)
        if wrong is not None and wrong.fault is not None:
            end = f"{path_text(wrong.path)}: {wrong.fault.text}"
        return f"Trace({shape_text(self.input)} to {end}, {self.params:,} parameters)"

    def check(self) -> None:
        """Raise BadValueError if a brick does not fit, with its path and both shapes."""
        row = self.fault
        if row is not None and row.fault is not None:
            path = (*row.path, row.fault.key) if row.fault.key else row.path
            raise BadValueError(path_text(path), row.fault.text)
