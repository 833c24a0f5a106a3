"""What the tabs of the init lab are drawn from, and what they can ask of the panel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch import nn

from brickbook.i18n import Texts
from brickbook.init.execution import InitReport
from brickbook.init.planning import InitPlan
from brickbook.lab.init.state import RuleSet
from brickbook.measure.probe import Signals
from brickbook.measure.snapshot import Comparison
from brickbook.views.grid.payload import Variant

__all__ = ["LabActions", "LabState", "LineKind", "SignalLine", "WeightEdit"]

LineKind = Literal["before", "now", "rules", "after", "variant"]


@dataclass(frozen=True)
class SignalLine:
    """What ran through the model, or through a copy of it that rules were carried out on.

    Attributes:
        kind: "now" are the weights as they are, beside "rules", what the rules at hand would make
            of them; "before" are the weights before an Initialize by these rules, and "after"
            those as they are since; "variant" is what a kept variant would make.
        label: what a picture calls it.
        signals: the numbers.
        expected: what mean-field theory expects of them, None where it says nothing.
    """

    kind: LineKind
    label: str
    signals: Signals
    expected: Signals | None = None


@dataclass(frozen=True)
class LabState:
    """The panel at one moment.

    Attributes:
        model: the user's model. What is not asked for by a button runs on a copy of it.
        name: what the user calls it.
        namespace: the user's variables; empty where they are not known.
        weights_version: another number whenever the weights may be others.
        rules: the rules at hand, with their seed.
        plan: what they would do; None while they cannot be used.
        report: what the last Initialize did; None before it and after Undo.
        comparison: the numbers of every tensor before and after it.
        variants: what the kept variants would make of the model, by letter.
        variant_rules: the rules of the kept variants, by letter.
        batch: what to run the model on; None where there is a shape, or none that can be used.
        input_shape: without a batch, the shape of what is drawn, batch size first.
        lines: what has run through the model so far: the grey one of "before" or "now" first, then
            "after" or "rules", then the variants. What still runs is missing, or an older one.
        problem: why the model must not be run or written; "" if nothing is against it.
        texts: the texts of the panel's language.
    """

    model: nn.Module
    name: str
    namespace: Mapping[str, Any]
    weights_version: int
    rules: RuleSet
    plan: InitPlan | None
    report: InitReport | None
    comparison: Comparison
    variants: Mapping[str, Variant]
    variant_rules: Mapping[str, RuleSet]
    batch: Any
    input_shape: tuple[int, ...] | None
    lines: tuple[SignalLine, ...]
    problem: str
    texts: Texts

    @property
    def seed(self) -> int | None:
        """The seed of the rules."""
        return self.rules.seed

    @property
    def probe_arguments(self) -> dict[str, Any]:
        """What to run the model on, as arguments of `brickbook.probe`; {} if there is nothing."""
        given = {"batch": self.batch, "input_shape": self.input_shape}
        return {key: value for key, value in given.items() if value is not None}


class WeightEdit(NamedTuple):
    """A value to be written: into one cell of a parameter, or a whole row where there is no column.

    A row is a unit, the first axis; a column counts what remains, row by row.
    """

    name: str
    row: int
    column: int | None
    value: float

    def place(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return where to write into a parameter of this shape.

        >>> WeightEdit("conv.weight", 4, 11, 0.0).place((16, 3, 2, 2))
        (4, 2, 1, 1)
        """
        if self.column is None or len(shape) < 2:
            return (self.row,) if shape else ()
        places, left = [], self.column
        for size in reversed(shape[1:]):
            left, place = divmod(left, size)
            places.append(place)
        return (self.row, *reversed(places))


@dataclass(frozen=True)
class LabActions:
    """What a tab can ask of the panel.

    Attributes:
        select: show the parameter of that name in the tab of the weights.
        write: write values into parameters, as one step that Undo takes back.
    """

    select: Callable[[str], None]
    write: Callable[[Sequence[WeightEdit]], None] = lambda edits: None
