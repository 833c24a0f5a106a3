"""The plan as a value: a table of rows that can be read, compared, explained and stored."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from brickbook.errors import BadValueError, UnmatchedRuleWarning
from brickbook.init.initializers import INITIALIZERS, PretrainedInit
from brickbook.init.rows import Change, Fit, Load, Row, Run, Unmatched
from brickbook.init.showing import plan_columns
from brickbook.markup import block, table
from brickbook.named import Named
from brickbook.registry import build_from_cfg

__all__ = ["InitPlan"]

# Every run of a notebook cell should say it, not only the first; a user's own filters go before.
warnings.filterwarnings("always", category=UnmatchedRuleWarning, append=True)


@dataclass(frozen=True)
class InitPlan(Named[Row]):
    """What an ``init_cfg`` will do to a model, before anything is written: one row a parameter."""

    rows: tuple[Row, ...]
    unmatched: tuple[Unmatched, ...] = ()
    loads: tuple[Load, ...] = ()
    runs: tuple[Run, ...] = ()
    starts: tuple[str, ...] = ()
    fits: tuple[Fit, ...] = ()

    things = "the plan has no parameter"

    @cached_property
    def by_name(self) -> Mapping[str, Row]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The rows by name."""
        return {row.name: row for row in self.rows}

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
            (len(self.fits), "fit(s) to data"),
            (len(self.unmatched), "rule(s) without effect"),
        ):
            text += f", {count} {words}" if count else ""
        return text

    def _repr_html_(self) -> str:
        words = [str(item) for item in self.unmatched]
        return block(repr(self), words, table(*plan_columns(self.rows)))

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def frame(self) -> Any:
        """Return the plan as a pandas DataFrame, one row a parameter; needs pandas."""
        import pandas as pd  # an optional package: only this table wants it

        rows = [row.to_dict() | {"law": str(row.law) if row.law else ""} for row in self.rows]
        return pd.DataFrame(rows, columns=None if rows else ["name"]).set_index("name")

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-able values."""
        return {
            "rows": [row.to_dict() for row in self.rows],
            "unmatched": [vars(item) for item in self.unmatched],
            "loads": [
                {"path": item.path, "name": item.name, **vars(item.init)} for item in self.loads
            ],
            "runs": [
                {"path": item.path, "name": item.name, "order": item.order, "whole": item.whole,
                 "rule": item.rule.kind if item.rule else None}
                for item in self.runs
            ],
            "starts": list(self.starts),
            "fits": [item.to_dict() for item in self.fits],
        }  # fmt: skip

    def to_json(self) -> str:
        """Return the plan as JSON text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> InitPlan:
        """Read what `to_json` wrote.

        Raises ValueError for a plan that calls an initialiser of one's own: code is not in it.
        """
        data = json.loads(text)
        for run in data["runs"]:
            if run.pop("rule") is not None:
                raise BadValueError(run["path"], "an initialiser of one's own cannot be read back.")
        loads = (
            Load(item.pop("path"), item.pop("name"), PretrainedInit(**item))
            for item in data["loads"]
        )
        return cls(
            tuple(Row.from_dict(row) for row in data["rows"]),
            tuple(Unmatched(**item) for item in data["unmatched"]),
            tuple(loads),
            tuple(Run(**run) for run in data["runs"]),
            tuple(data["starts"]),
            tuple(
                Fit(
                    item["path"],
                    item["kind"],
                    build_from_cfg(
                        {**item["args"], "type": item["kind"]}, INITIALIZERS, path=item["path"]
                    ),
                )
                for item in data.get("fits", ())
            ),
        )

    def diff(self, other: InitPlan) -> tuple[Change, ...]:
        """Return the parameters for which ``other`` has another law, or that only one plan has."""
        names = (*self, *(name for name in other if name not in self))
        pairs = (Change(name, self.get(name), other.get(name)) for name in names)
        return tuple(
            pair
            for pair in pairs
            if pair.before is None or pair.after is None or pair.before.law != pair.after.law
        )

    def explain(self, name: str) -> str:
        """Say what will happen to one parameter, and why; KeyError for an unknown name."""
        return self[name].explain()

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
