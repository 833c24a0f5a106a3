"""One tensor of a traced model, and one call that has written it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from brickbook.html import format_shape
from brickbook.init.laws import Law, law_from_dict, law_to_dict
from brickbook.init.planning import Reason
from brickbook.records import check_types

__all__ = ["TracedTensor", "WriteEvent"]


class WriteEvent(NamedTuple):
    """One call that has written a tensor.

    Attributes:
        file: the file of the line that it stands in, from the folder that it was imported from;
            of a notebook's cell its name, as "In[3]".
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
