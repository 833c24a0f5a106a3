"""The report of what an initialisation did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from brickbook.checkpoint import Match
from brickbook.init.planning import InitPlan, PlanRow
from brickbook.records import Column, Records, check_keys, refusing_damage

__all__ = ["InitReport", "Outcome", "planned_outcome"]


class Outcome(NamedTuple):
    """What happened to one tensor: ``action`` is "written", "loaded", "called" or "left"."""

    name: str
    action: str
    source: str
    law: str = ""
    reason: str = ""


def planned_outcome(row: PlanRow) -> Outcome:
    """Return the record of a row that was carried out as planned."""
    if row.law is None:
        return Outcome(row.name, "left", "", reason=row.reason)
    return Outcome(row.name, "written", row.source, str(row.law), row.reason)


REPORT_COLUMNS = (
    Column("name", "parameter", dtype="str"),
    Column("action", "done", dtype="category"),
    Column("source", dtype="str"),
    Column("law", dtype="str"),
    Column("reason", dtype="str"),
    Column("", "law", lambda row: row.law or row.reason),
    Column("", "by", lambda row: row.source),
)


@dataclass(frozen=True)
class InitReport(Records[Outcome]):
    """The record of an initialisation: what was written, by which rule, and what was left.

    ``deviations`` are the outcomes of the tensors that a law was not the last to write.
    """

    plan: InitPlan
    deviations: Mapping[str, Outcome] = field(default_factory=dict, repr=False)
    seed: int | None = None
    matches: tuple[Match, ...] = ()

    _missing_message = "the report has no parameter"

    @cached_property
    def by_name(self) -> Mapping[str, Outcome]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The records by name; a tied tensor shares its owner's fate."""
        made: dict[str, Outcome] = {}
        for row in self.plan.rows:
            owner = made.get(row.tied_to)
            if owner is not None:
                record = owner._replace(name=row.name, reason=row.reason)
            else:
                record = self.deviations.get(row.name) or planned_outcome(row)
            made[row.name] = record
        return made

    def __len__(self) -> int:
        return len(self.plan.rows)

    @property
    def records(self) -> tuple[Outcome, ...]:
        """What happened to every tensor of the plan, in its order."""
        return tuple(self.by_name.values())

    def names_with(self, *actions: str) -> tuple[str, ...]:
        """Return the names of the tensors to which one of ``actions`` happened."""
        return tuple(item.name for item in self.records if item.action in actions)

    @property
    def written(self) -> tuple[str, ...]:
        """The parameters that a law or a checkpoint has written."""
        return self.names_with("written", "loaded")

    @property
    def untouched(self) -> tuple[str, ...]:
        """The parameters that are as they were."""
        return self.names_with("left")

    def __repr__(self) -> str:
        parts = [
            f"{len(self.names_with(action))} {words}"
            for action, words in (
                ("written", "written by a law"),
                ("loaded", "loaded"),
                ("called", "left to custom init code"),
                ("left", "left as they were"),
            )
            if self.names_with(action)
        ]
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"InitReport: {len(self)} parameters: {', '.join(parts) or 'none'}{seed}"

    def _columns(self) -> Sequence[Column]:
        return REPORT_COLUMNS

    def _warnings(self) -> Iterable[str]:
        return map(str, (*self.plan.unmatched, *self.plan.overflows))

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        return {
            "seed": self.seed,
            "records": [item._asdict() for item in self.records],
            "plan": self.plan.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "report") -> InitReport:
        """Undo ``to_dict``, JSON included; what was read of checkpoints is not in it.

        Raises:
            ConfigError: A key is missing, or the plan cannot be read back.
        """
        with refusing_damage(path):
            check_keys(data, path, "seed", "records", "plan")
            plan = InitPlan.from_dict(data["plan"], f"{path}.plan")
            found = [Outcome(**item) for item in data["records"]]
            deviations = {
                item.name: item for item in found if item != planned_outcome(plan[item.name])
            }
            return cls(plan, deviations, data["seed"])
