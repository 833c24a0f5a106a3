"""The record of a trace: for every tensor, the calls that have written it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from torch import nn

from brickbook.errors import BadArgumentError, BadValueError, join_limited
from brickbook.init.planning import InitPlan, PlanRow
from brickbook.init.tracing.events import TracedTensor, WriteEvent
from brickbook.init.tracing.rules import RulesFound, find_rules
from brickbook.records import Column, Records, check_keys, refusing_damage

__all__ = ["History", "plan_row"]


class EventRow(NamedTuple):
    """A row of a history's table: one event of one tensor, or a tensor without events."""

    tensor: TracedTensor
    step: int
    event: WriteEvent | None


def of_event(key: str, missing: object = "") -> Any:
    """Return the function from a row to an attribute of its event."""

    def value(row: EventRow) -> object:
        return missing if row.event is None else getattr(row.event, key)

    return value


def law_text(row: EventRow) -> str:
    """Return the law of a row, or why there is none."""
    if row.event is not None and row.event.law is not None:
        return str(row.event.law)
    return str(row.tensor.why or "") if row.event is None or row.event.stands else ""


HISTORY_COLUMNS = (
    Column("name", "parameter", lambda row: row.tensor.name, "str"),
    Column("kind", None, lambda row: row.tensor.kind, "category"),
    Column("module", "module", lambda row: row.tensor.module, "category"),
    Column("shape", None, lambda row: row.tensor.shape),
    Column("dtype", None, lambda row: row.tensor.dtype, "category"),
    Column("step", "step", lambda row: row.step, "int64", right=True),
    Column("file", None, of_event("file"), "str"),
    Column("line", None, of_event("line", 0), "int64"),
    Column("", "place", of_event("place")),
    Column("code", "in", of_event("code"), "str"),
    Column("call", "call", of_event("call"), "str"),
    Column("part", None, of_event("part"), "str"),
    Column("law", "law", law_text, "str"),
    Column("state", "state", of_event("fate"), "category"),
)


@dataclass(frozen=True)
class History(Records[TracedTensor]):
    """Which calls have written which tensor of a model, and by which law.

    Attributes:
        rows: the tensors.
        layers: the model that was traced, without memory; None in a history that was read, or of
            TorchScript.
    """

    rows: tuple[TracedTensor, ...]
    layers: nn.Module | None = field(default=None, compare=False, repr=False)

    _missing_message = "the history has no tensor"

    @cached_property
    def by_name(self) -> Mapping[str, TracedTensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The tensors by name."""
        return {row.name: row for row in self.rows}

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def plan(self) -> InitPlan:
        """The history as a plan: a row a parameter, with the call that stands as its rule."""
        return InitPlan(tuple(plan_row(row) for row in self.rows if row.kind == "parameter"))

    def to_init_cfg(self, *, strict: bool = False) -> list[dict[str, Any]]:
        """Return rules that give the same laws, by class and by name: as few as it takes.

        They are planned on the layers that were traced: every parameter has the law that it was
        seen to have, but for those in `unexpressed`, which no rule writes. Buffers are not in it.

        Args:
            strict: raise where a parameter is left out.

        Raises:
            BadValueError: with ``strict``, for parameters that no rule can speak of.
            BadArgumentError: the history was read, or the model is TorchScript: it has no layers to
                plan on.

        >>> from brickbook.init.tracing import trace
        >>> trace(lambda: nn.Sequential(nn.LayerNorm(4), nn.ReLU())).to_init_cfg()
        [{'type': 'Constant', 'layer': 'LayerNorm', 'val': 1}]
        """
        if strict and self.unexpressed:
            first = next(iter(self.unexpressed))
            names = join_limited(self.unexpressed)
            problem = f"no rule can speak of {names}: {self.unexpressed[first]}."
            raise BadValueError("history", problem, "history.unexpressed says why, for each.")
        return [dict(rule) for rule in self._rules.config]

    @property
    def unexpressed(self) -> Mapping[str, str]:
        """Why there is no rule for a parameter, by the names of those that have none."""
        return self._rules.unexpressed

    @cached_property
    def _rules(self) -> RulesFound:
        if self.layers is None:
            problem = "it has no layers to plan rules on: it was read, or is of TorchScript."
            raise BadArgumentError("history", problem, "Trace the model.")
        return find_rules(self.rows, self.layers)

    def __getstate__(self) -> dict[str, Any]:
        return {"rows": self.rows}  # layers are code of others, which need not be copied

    def __repr__(self) -> str:
        rows = [row for row in self.rows if row.kind == "parameter" and not row.tied_to]
        known = sum(row.law is not None for row in rows)
        again = sum(any(not event.stands for event in row.events) for row in rows)
        text = f"History: {known} of {len(rows)} parameters by a law"
        return f"{text}, {again} written more than once" if again else text

    def _columns(self) -> Sequence[Column]:
        return HISTORY_COLUMNS

    def _rows(self) -> Iterable[EventRow]:
        for tensor in self.rows:
            for step, event in enumerate(tensor.events, 1):
                yield EventRow(tensor, step, event)
            if not tensor.events:
                yield EventRow(tensor, 0, None)

    def to_dict(self) -> dict[str, Any]:
        """Return the history as JSON-able values."""
        return {"rows": [row.to_dict() for row in self.rows]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "history") -> History:
        """Undo ``to_dict``, JSON included.

        Raises:
            ConfigError: A key is missing or unknown.
        """
        with refusing_damage(path):
            check_keys(data, path, "rows")
            return cls(tuple(TracedTensor.from_dict(row) for row in data["rows"]))


def plan_row(tensor: TracedTensor) -> PlanRow:
    """Return what a plan says of a traced tensor."""
    standing = [event for event in tensor.events if event.stands]
    last = standing[-1] if standing else None
    lost = dict.fromkeys(event.place for event in tensor.events if not event.stands)
    tied = bool(tensor.tied_to)
    return PlanRow(
        name=tensor.name,
        kind=tensor.kind,
        module=tensor.module,
        shape=tensor.shape,
        dtype=tensor.dtype,
        law=None if tied else tensor.law,
        source=last.place if last and not tied else "",
        rule=last.call if last and not tied else "",
        why=tensor.why,
        overridden=() if tied else tuple(lost),
        tied_to=tensor.tied_to,
        frozen=tensor.frozen,
        order=last.number if last else -1,
        padding=tensor.padding,
    )
