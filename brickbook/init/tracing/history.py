"""The record of a trace: for every tensor, the calls that have written it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from brickbook.html import format_shape
from brickbook.init.laws import Law, law_from_dict, law_to_dict
from brickbook.init.planning import InitPlan, PlanRow, Reason
from brickbook.records import Column, Records, check_keys, check_types, refusing_damage

__all__ = ["History", "TracedTensor", "WriteEvent"]


class WriteEvent(NamedTuple):
    """One call that has written a tensor.

    Attributes:
        file: the file of the line that it stands in, from the folder that it was imported from.
        line: that line.
        code: the function or method around it.
        call: the function that was called, with its arguments, without the tensor.
        law: the law of what was there afterwards; None if it has none that is known.
        part: which part of the tensor was written; "" for all of it.
        by_torch: whether it is a layer of torch that starts itself.
        stands: whether anything of it is left.
        number: its place among all writes of the trace.
    """

    file: str
    line: int
    code: str
    call: str
    law: Law | None = None
    part: str = ""
    by_torch: bool = False
    stands: bool = True
    number: int = 0

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.file}:{self.line}"

    @property
    def fate(self) -> str:
        """What became of it: "stands" or "overwritten"."""
        return "stands" if self.stands else "overwritten"


class TracedTensor(NamedTuple):
    """What is known of one tensor after a trace.

    Attributes:
        name: its dotted name in the model.
        kind: "parameter" or "buffer".
        module: the class of its layer.
        shape: its shape.
        dtype: its dtype without "torch.".
        events: the calls that have written it, in their order.
        law: the law that its values follow; None if there is none that is known.
        why: why there is no law.
        padding: the row of an embedding that is 0.
        tied_to: the name of the same tensor that came first.
        frozen: it takes no gradient.
        checked: whether the law was held against the values; a meta tensor has none.
    """

    name: str
    kind: str
    module: str
    shape: tuple[int, ...]
    dtype: str
    events: tuple[WriteEvent, ...] = ()
    law: Law | None = None
    why: Reason | None = None
    padding: int | None = None
    tied_to: str = ""
    frozen: bool = False
    checked: bool = False

    def __repr__(self) -> str:
        shape = format_shape(self.shape, "scalar")
        lines = [f"{self.name} ({self.module}, {shape}, {self.dtype}): {self.law or self.why}"]
        for at, event in enumerate(self.events, 1):
            part = f" {event.part}" if event.part else ""
            law = f"  {event.law}" if event.law else ""
            lines.append(
                f"  {at}  {event.place} {event.code}  {event.call}{part}{law}  {event.fate}"
            )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the tensor's record as JSON-able values."""
        events = [
            event._asdict() | {"law": law_to_dict(event.law) if event.law else None}
            for event in self.events
        ]
        return self._asdict() | {
            "events": events,
            "law": law_to_dict(self.law) if self.law else None,
            "why": self.why.to_list() if self.why else None,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TracedTensor:
        """Undo ``to_dict``; lists become tuples again."""
        row = dict(data)
        events = [
            WriteEvent(**{**event, "law": law_from_dict(event["law"]) if event["law"] else None})
            for event in row["events"]
        ]
        row["events"], row["shape"] = tuple(events), tuple(row["shape"])
        row["law"] = law_from_dict(row["law"]) if row["law"] else None
        row["why"] = Reason.from_row({"why": row["why"]}) if row["why"] else None
        check_types(cls, row, "rows")
        return cls(**row)


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
    """Which calls have written which tensor of a model, and by which law."""

    rows: tuple[TracedTensor, ...]

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
