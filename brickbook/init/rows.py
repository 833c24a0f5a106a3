"""What a plan is made of: rows, what has no effect, checkpoints and code to call; all values."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from brickbook.errors import UnmatchedRuleWarning
from brickbook.init.initializers import PretrainedInit
from brickbook.init.laws import Law
from brickbook.init.rules import Rule

__all__ = ["InitPlan", "Load", "Row", "Run", "Unmatched"]

# Every run of a notebook cell should say it, not only the first; a user's own filters go before.
warnings.filterwarnings("always", category=UnmatchedRuleWarning, append=True)


@dataclass(frozen=True)
class Row:
    """What will happen to one parameter; ``law`` None means it is left as it is, see ``reason``."""

    name: str
    kind: str
    module: str
    shape: tuple[int, ...]
    dtype: str
    law: Law | None = None
    source: str = ""
    rule: str = ""
    reason: str = ""
    losers: tuple[str, ...] = ()
    tied_to: str = ""
    frozen: bool = False
    then: tuple[str, ...] = ()
    order: int = -1
    after_load: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-able values; the law as its name and numbers."""
        row = {item.name: getattr(self, item.name) for item in fields(self)}
        if self.law is not None:
            numbers = {item.name: getattr(self.law, item.name) for item in fields(self.law)}
            row["law"] = {"type": type(self.law).__name__, **numbers}
            row["mean"], row["std"] = self.law.mean, self.law.std
        return row


@dataclass(frozen=True)
class Unmatched:
    """A rule, or a part of one, that does nothing in this model."""

    path: str
    problem: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.problem} {self.hint}".rstrip()


@dataclass(frozen=True)
class Load:
    """A checkpoint that goes into the module ``name``, after everything that is drawn."""

    path: str
    name: str
    init: PretrainedInit


@dataclass(frozen=True)
class Run:
    """Code that a plan cannot look into: called with the module ``name``, at its place."""

    path: str
    name: str
    order: int
    rule: Rule | None = None
    whole: bool = False


@dataclass(frozen=True)
class InitPlan(Mapping[str, Row]):
    """What an ``init_cfg`` will do to a model, before anything is written: one row a parameter."""

    rows: tuple[Row, ...]
    unmatched: tuple[Unmatched, ...] = ()
    loads: tuple[Load, ...] = ()
    runs: tuple[Run, ...] = ()
    starts: tuple[str, ...] = ()
    by_name: Mapping[str, Row] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the rows."""
        object.__setattr__(self, "by_name", {row.name: row for row in self.rows})

    def __getitem__(self, name: str) -> Row:
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def planned(self) -> tuple[Row, ...]:
        """The rows that will be written by a law, in the order of writing."""
        return tuple(sorted((r for r in self.rows if r.law is not None), key=lambda r: r.order))

    def __repr__(self) -> str:
        text = f"InitPlan: {len(self.planned)} of {len(self.rows)} parameters by a law"
        for count, words in (
            (len(self.loads), "checkpoint(s)"),
            (len(self.runs), "call(s) of own code"),
            (len(self.unmatched), "rule(s) without effect"),
        ):
            text += f", {count} {words}" if count else ""
        return text

    def frame(self) -> Any:
        """Return the plan as a pandas DataFrame, one row a parameter; needs pandas."""
        import pandas as pd  # an optional package: only this table wants it

        rows = [row.to_dict() | {"law": str(row.law) if row.law else ""} for row in self.rows]
        return pd.DataFrame(rows, columns=None if rows else ["name"]).set_index("name")

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-able values."""
        return {
            "rows": [row.to_dict() for row in self.rows],
            "unmatched": [str(item) for item in self.unmatched],
            "loads": [f"{item.path}: {item.init.checkpoint}" for item in self.loads],
            "runs": [item.path for item in self.runs],
        }

    def warn(self) -> None:
        """Warn of every rule that does nothing."""
        for item in self.unmatched:
            warnings.warn(str(item), UnmatchedRuleWarning, stacklevel=callers_level())


def callers_level() -> int:
    """Return the ``stacklevel`` of the user's own line: the first frame outside of brickbook."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("brickbook."):
        level, frame = level + 1, frame.f_back
    return level
