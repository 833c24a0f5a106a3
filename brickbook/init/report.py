"""The record of an initialisation: what happened to every parameter, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from brickbook.checkpoint.matching import Match
from brickbook.init.rows import InitPlan

__all__ = ["InitReport", "Record"]


@dataclass(frozen=True)
class Record:
    """What happened to one tensor: ``action`` is "written", "loaded", "called" or "left"."""

    name: str
    action: str
    source: str
    law: str = ""
    reason: str = ""


@dataclass(frozen=True)
class InitReport(Mapping[str, Record]):
    """The record of an initialisation: what was written, by which rule, and what was left."""

    plan: InitPlan
    records: tuple[Record, ...]
    seed: int | None = None
    matches: tuple[Match, ...] = ()
    by_name: Mapping[str, Record] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the records."""
        object.__setattr__(self, "by_name", {item.name: item for item in self.records})

    def __getitem__(self, name: str) -> Record:
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.records)

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

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        return {
            "seed": self.seed,
            "records": [vars(item) for item in self.records],
            "plan": self.plan.to_dict(),
        }
