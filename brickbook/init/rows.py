"""What a plan is made of: rows, what has no effect, checkpoints and code to call; all values."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, NamedTuple

from brickbook.errors import BadValueError, UnknownNameError, UnmatchedRuleWarning, nearest
from brickbook.init.initializers import INITIALIZERS, BaseInit, PretrainedInit
from brickbook.init.laws import Law, law_from_dict, law_to_dict
from brickbook.init.rules import Rule

__all__ = ["Change", "Fit", "InitPlan", "Load", "Row", "Run", "Unmatched"]

# Every run of a notebook cell should say it, not only the first; a user's own filters go before.
warnings.filterwarnings("always", category=UnmatchedRuleWarning, append=True)


class Row(NamedTuple):
    """What will happen to one tensor; ``law`` None means it is left as it is, see ``reason``.

    ``kind`` is "parameter", "buffer" or "parametrised" (computed from others, which its write
    sets); ``held`` says that nothing may write it; ``padding`` is the row of an embedding that
    stays 0.
    """

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
    held: bool = False
    padding: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-able values; the law as its name and numbers."""
        row = self._asdict()
        if self.law is not None:
            row["law"] = law_to_dict(self.law)
            row["mean"], row["std"] = self.law.mean, self.law.std
        return row

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Row:
        """Undo ``to_dict``; lists become tuples again."""
        row = {
            key: tuple(v) if type(v) is list else v for key, v in data.items() if key in cls._fields
        }
        law = data.get("law")
        return cls(**{**row, "law": law_from_dict(law) if law else None})

    def explain(self) -> str:
        """Say in a sentence or two what will happen and why."""
        shape = "×".join(map(str, self.shape)) or "no shape"
        text = f"{self.name} ({self.module}, {shape}, {self.dtype}): "
        if self.law is None:
            text += f"left as it is, {self.reason}."
        else:
            text += f"{self.law}, {self.rule} by {self.source}."
        if self.losers:
            text += f" {'It wins' if self.law else 'It holds'} over {', '.join(self.losers)}."
        if self.then:
            text += f" Afterwards may come {', '.join(self.then)}."
        return text


@dataclass(frozen=True)
class Change:
    """What two plans say differently of one parameter; None where a plan does not have it."""

    name: str
    before: Row | None
    after: Row | None

    def __str__(self) -> str:
        told = (
            "not there" if row is None else str(row.law) if row.law else "left"
            for row in (self.before, self.after)
        )
        return f"{self.name}: {' → '.join(told)}"


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
class Fit:
    """An initialiser that goes on with data, after everything is written: LSUV."""

    path: str
    kind: str
    init: BaseInit

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        args = {item.name: getattr(self.init, item.name) for item in fields(self.init) if item.init}
        layers = [x if isinstance(x, str) else x.__name__ for x in self.init.layers]
        return {"path": self.path, "kind": self.kind, "args": {**args, "layer": layers}}


@dataclass(frozen=True)
class InitPlan(Mapping[str, Row]):
    """What an ``init_cfg`` will do to a model, before anything is written: one row a parameter."""

    rows: tuple[Row, ...]
    unmatched: tuple[Unmatched, ...] = ()
    loads: tuple[Load, ...] = ()
    runs: tuple[Run, ...] = ()
    starts: tuple[str, ...] = ()
    fits: tuple[Fit, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Row]:
        """The rows by name."""
        return {row.name: row for row in self.rows}

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
            (len(self.fits), "fit(s) to data"),
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
                    INITIALIZERS.build({**item["args"], "type": item["kind"]}),
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
        if name not in self.by_name:
            problem = f"the plan has no parameter {name!r}."
            raise UnknownNameError("name", problem, nearest(name, self.by_name))
        return self.by_name[name].explain()

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
