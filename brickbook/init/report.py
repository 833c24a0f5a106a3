"""The record of an initialisation: what happened to every parameter, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from brickbook.checkpoint.matching import Match
from brickbook.init.initplan import InitPlan
from brickbook.init.rows import Row
from brickbook.markup import block, table
from brickbook.named import Named

__all__ = ["InitReport", "Record"]


class Record(NamedTuple):
    """What happened to one tensor: ``action`` is "written", "loaded", "called" or "left"."""

    name: str
    action: str
    source: str
    law: str = ""
    reason: str = ""


def planned(row: Row) -> Record:
    """Return the record of a row that was carried out as planned."""
    if row.law is None:
        return Record(row.name, "left", "", reason=row.reason)
    return Record(row.name, "written", row.source, str(row.law))


@dataclass(frozen=True)
class InitReport(Named[Record]):
    """The record of an initialisation: what was written, by which rule, and what was left.

    ``told`` are the records of the tensors on which a law had not the last word.
    """

    plan: InitPlan
    told: Mapping[str, Record] = field(default_factory=dict, repr=False)
    seed: int | None = None
    matches: tuple[Match, ...] = ()

    things = "the report has no parameter"

    @cached_property
    def by_name(self) -> Mapping[str, Record]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The records by name; a tied tensor shares its owner's fate."""
        made: dict[str, Record] = {}
        for row in self.plan.rows:
            owner = made.get(row.tied_to)
            if owner is not None:
                record = owner._replace(name=row.name, reason=row.reason)
            else:
                record = self.told.get(row.name) or planned(row)
            made[row.name] = record
        return made

    def __len__(self) -> int:
        return len(self.plan.rows)

    @property
    def records(self) -> tuple[Record, ...]:
        """What happened to every tensor of the plan, in its order."""
        return tuple(self.by_name.values())

    def named(self, *actions: str) -> tuple[str, ...]:
        """Return the names of the tensors to which one of ``actions`` happened."""
        return tuple(item.name for item in self.records if item.action in actions)

    @property
    def written(self) -> tuple[str, ...]:
        """The parameters that a law or a checkpoint has written."""
        return self.named("written", "loaded")

    @property
    def untouched(self) -> tuple[str, ...]:
        """The parameters that are as they were."""
        return self.named("left")

    def __repr__(self) -> str:
        parts = [
            f"{len(self.named(action))} {words}"
            for action, words in (
                ("written", "written by a law"),
                ("loaded", "loaded"),
                ("called", "left to own code"),
                ("left", "left as they were"),
            )
            if self.named(action)
        ]
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"InitReport: {len(self)} parameters: {', '.join(parts) or 'none'}{seed}"

    def _repr_html_(self) -> str:
        heads = ("parameter", "done", "law", "by")
        rows = [(r.name, r.action, r.law or r.reason, r.source) for r in self.records]
        words = [str(item) for item in self.plan.unmatched]
        return block(repr(self), words, table(heads, rows))

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        return {
            "seed": self.seed,
            "records": [item._asdict() for item in self.records],
            "plan": self.plan.to_dict(),
        }
