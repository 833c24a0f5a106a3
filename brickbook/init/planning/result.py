"""The plan: a row for every tensor, checkpoints, custom code; a value that goes through JSON."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple

import torch

from brickbook.errors import BadValueError, UnmatchedRuleWarning, join_limited
from brickbook.html import format_shape
from brickbook.i18n import Texts
from brickbook.init.initializers import INITIALIZERS, BaseInit, PretrainedInit
from brickbook.init.laws import Law, law_from_dict, law_to_dict, overflow_share, same_law
from brickbook.init.planning.config import Rule
from brickbook.init.planning.why import Reason, Why
from brickbook.introspect import Unmatched
from brickbook.records import Column, Records, check_keys, check_types, refusing_damage
from brickbook.registry import build_from_cfg

__all__ = [
    "PLAN_COLUMNS",
    "CheckpointLoad",
    "CustomCall",
    "DataFit",
    "InitPlan",
    "Overflow",
    "Phase",
    "PlanRow",
    "plan_columns",
    "user_stacklevel",
    "writing_order",
]

# Keys in JSON that differ from the names of the fields: files of older versions have them.
JSON_KEYS = {
    "why": "reason",
    "overridden": "losers",
    "later_writers": "then",
    "pinned": "held",
}

FIELDS = {key: field for field, key in JSON_KEYS.items()}


class Phase(IntEnum):
    """When a step writes; within a phase by ``order``. Checkpoints and data come afterwards."""

    TORCH_DEFAULTS = 0  # torch's own laws, for tensors without values that no rule matches
    RESETS = 1  # what modules do to initialise themselves again
    RULES = 2  # the laws of rules and custom init code


class PlanRow(NamedTuple):
    """What will happen to one tensor.

    Attributes:
        name: its dotted name in the model.
        kind: "parameter", "buffer", "parametrised" (computed from others, which its write sets)
            or "attribute".
        module: the class of its layer.
        shape: its shape; () also for a lazy tensor.
        dtype: its dtype without "torch.".
        law: what fills it; None if it is left as it is.
        source: the path of the rule that wins.
        rule: the initialiser of that rule, as configs call it.
        why: why it is left as it is; beside torch's own law, what started it otherwise.
        overridden: the paths of the rules that do not win.
        tied_to: the name that the plan has for the same tensor.
        frozen: it takes no gradient.
        later_writers: the paths of custom init code and checkpoints that may change it afterwards.
        order: its place in the order of writing, within ``phase``.
        after_load: the path of the checkpoint that it is written after.
        pinned: nothing may write it.
        padding: the row of an embedding that stays 0.
        phase: when it is written.
    """

    name: str
    kind: str
    module: str
    shape: tuple[int, ...]
    dtype: str
    law: Law | None = None
    source: str = ""
    rule: str = ""
    why: Reason | None = None
    overridden: tuple[str, ...] = ()
    tied_to: str = ""
    frozen: bool = False
    later_writers: tuple[str, ...] = ()
    order: int = -1
    after_load: str = ""
    pinned: bool = False
    padding: int | None = None
    phase: Phase = Phase.RULES

    @property
    def expected_infinite(self) -> float:
        """How many elements are expected to leave the range of the dtype when the law is drawn."""
        if self.law is None:
            return 0.0
        return overflow_share(self.law, getattr(torch, self.dtype)) * math.prod(self.shape)

    @property
    def reason(self) -> str:
        """Why it is left as it is, as a sentence; "" where a law fills it and nothing else did."""
        return str(self.why or "")

    def is_left(self, *kinds: Why) -> bool:
        """Whether it is left as it is for a reason of one of these kinds."""
        return self.why is not None and self.why.kind in kinds

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-able values; the law as its name and numbers."""
        row = {JSON_KEYS.get(key, key): value for key, value in self._asdict().items()}
        row["reason"] = self.reason
        if self.law is not None:
            row["law"] = law_to_dict(self.law)
            row["mean"], row["std"] = self.law.mean, self.law.std
        if self.why is not None:
            row["why"] = self.why.to_list()
        if row.pop("phase") is not Phase.RULES:
            row["phase"] = self.phase.name
        return row

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PlanRow:
        """Undo ``to_dict``; lists become tuples again."""
        named = {FIELDS.get(key, key): value for key, value in data.items()}
        row: dict[str, Any] = {
            key: tuple(value) if type(value) is list else value
            for key, value in named.items()
            if key in cls._fields
        }
        law = data.get("law")
        row["law"] = law_from_dict(law) if law else None
        row["why"], row["phase"] = Reason.from_row(data), Phase[data.get("phase", "RULES")]
        check_types(cls, row, "rows")
        return cls(**row)

    def explain(self) -> str:
        """Return in a sentence or two what will happen to the tensor, and why."""
        shape = "×".join(map(str, self.shape)) or "no shape"
        text = f"{self.name} ({self.module}, {shape}, {self.dtype}): "
        if self.law is None:
            text += f"left as it is, {self.reason}."
        else:
            text += f"{self.law}, {self.rule} by {self.source}."
            text += f" {self.reason[:1].upper()}{self.reason[1:]}." if self.why else ""
        if self.overridden:
            text += f" {'It wins' if self.law else 'It holds'} over {', '.join(self.overridden)}."
        if self.later_writers:
            text += f" Afterwards may come {', '.join(self.later_writers)}."
        return text


@dataclass(frozen=True)
class RowChange:
    """What two plans say differently of one parameter; None where a plan does not have it."""

    name: str
    before: PlanRow | None
    after: PlanRow | None

    def __str__(self) -> str:
        states = (
            "not there" if row is None else str(row.law) if row.law else "left"
            for row in (self.before, self.after)
        )
        return f"{self.name}: {' → '.join(states)}"


@dataclass(frozen=True)
class Overflow:
    """A rule whose law has a part of its numbers beyond the range of a dtype.

    Attributes:
        path: the path of the rule.
        rows: the rows that are affected, of one law and one dtype.
    """

    path: str
    rows: tuple[PlanRow, ...]

    @property
    def expected(self) -> float:
        """How many elements are expected to become infinite."""
        return sum(row.expected_infinite for row in self.rows)

    def __str__(self) -> str:
        first, dtype = self.rows[0], self.rows[0].dtype
        others = f" and {len(self.rows) - 1} more" if len(self.rows) > 1 else ""
        count = sum(math.prod(row.shape) for row in self.rows)
        if self.expected >= 1:
            what = f"about {self.expected:,.0f} of {count:,} elements will be infinite"
        else:
            chance = -math.expm1(-self.expected)
            what = f"one of {count:,} elements will be infinite with probability {chance:.2g}"
        most = torch.finfo(getattr(torch, dtype)).max
        return (
            f"{self.path}: for {first.name}{others}: {what}: "
            f"{first.law} has numbers beyond {most:.4g}, where {dtype} ends."
        )


@dataclass(frozen=True)
class CheckpointLoad:
    """A checkpoint that is loaded into the module ``name``, after everything that is drawn."""

    path: str
    name: str
    init: PretrainedInit

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CheckpointLoad:
        """Read an entry of a plan's ``loads``."""
        init = {key: value for key, value in data.items() if key not in ("path", "name")}
        if any(replacement is None for _, replacement in init.get("revise_keys", ())):
            path = f"{data['path']}.revise_keys"
            raise BadValueError(path, "a function in place of a replacement cannot be read back.")
        return cls(data["path"], data["name"], PretrainedInit(**init))

    def __str__(self) -> str:
        into = f" into {self.name}" if self.name else ""
        return f"{self.path} loads {self.init}{into}"


@dataclass(frozen=True)
class CustomCall:
    """Code that a plan cannot look into: called with the module ``name``, at its place.

    Attributes:
        path: what the plan calls it.
        name: the module it is called with.
        order: its place in the order of writing, within ``phase``.
        rule: the initialiser to call; None for the module's ``init_weights``.
        whole_module: the rule is an override, which is for every layer of the module.
        phase: when it is called.
    """

    path: str
    name: str
    order: int
    rule: Rule | None = None
    whole_module: bool = False
    phase: Phase = Phase.RULES


@dataclass(frozen=True, eq=False)
class DataFit:
    """An initialiser that adjusts what it wrote to data, after everything is written: LSUV.

    Equal to another one of the same arguments; a class in ``layer`` equals its name.
    """

    path: str
    kind: str
    init: BaseInit

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        args = {item.name: getattr(self.init, item.name) for item in fields(self.init) if item.init}
        layers = [x if isinstance(x, str) else x.__name__ for x in self.init.layers]
        return {"path": self.path, "kind": self.kind, "args": {**args, "layer": layers}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DataFit:
        """Undo ``to_dict``."""
        cfg, path = {**data["args"], "type": data["kind"]}, data["path"]
        return cls(path, data["kind"], build_from_cfg(cfg, INITIALIZERS, path=path))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataFit) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.path, self.kind))


writing_order = attrgetter("phase", "order")  # what the rows and calls of a plan are sorted by


def plan_columns(language: str = "en") -> tuple[Column, ...]:
    """Return the columns of a plan's table, with the texts of a language beside the laws."""

    def law_text(row: PlanRow) -> str:
        texts = Texts(language)  # read at the first look, not by an import
        law = row.law or texts("plan.left", reason=row.why.text(texts) if row.why else "")
        return texts("plan.frozen", law=law) if row.frozen else str(law)

    def shape_text(sizes: tuple[int, ...]) -> str:
        return format_shape(sizes, Texts(language)["grid.scalar"])

    return (
        Column("name", "parameter", dtype="str"),
        Column("kind", dtype="category"),
        Column("module", "module", dtype="category"),
        Column("shape", "shape", text=shape_text),
        Column("dtype", dtype="category"),
        Column("law", None, lambda row: "" if row.law is None else str(row.law), "str"),
        Column("", "law", law_text),
        Column("mean", None, lambda row: row.law and row.law.mean, "float64"),
        Column("std", None, lambda row: row.law and row.law.std, "float64"),
        Column("rule", "rule", dtype="category"),
        Column("source", "by", dtype="str"),
        Column("reason", dtype="str"),
        Column("losers", "wins over", lambda row: ", ".join(row.overridden), "str"),
        Column("tied_to", dtype="str"),
        Column("frozen", dtype="bool"),
    )


PLAN_COLUMNS = plan_columns()


# Every run of a notebook cell should say it, not only the first; a user's own filters go before.
warnings.filterwarnings("always", category=UnmatchedRuleWarning, append=True)


@dataclass(frozen=True)
class InitPlan(Records[PlanRow]):
    """What an ``init_cfg`` will do to a model, before anything is written: one row a parameter."""

    rows: tuple[PlanRow, ...]
    unmatched: tuple[Unmatched, ...] = ()
    loads: tuple[CheckpointLoad, ...] = ()
    runs: tuple[CustomCall, ...] = ()
    starts: tuple[str, ...] = ()
    fits: tuple[DataFit, ...] = ()

    _missing_message = "the plan has no parameter"

    @cached_property
    def by_name(self) -> Mapping[str, PlanRow]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The rows by name."""
        return {row.name: row for row in self.rows}

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def planned(self) -> tuple[PlanRow, ...]:
        """The rows that will be written by a law, in the order of writing."""
        # Twice by a number: pairs of them would be thousands of tuples for the garbage collector.
        written = sorted((r for r in self.rows if r.law is not None), key=attrgetter("order"))
        return tuple(sorted(written, key=attrgetter("phase")))

    @cached_property
    def draws(self) -> tuple[tuple[Law, str], ...]:
        """The different pairs of a law and a dtype; a large model has few."""
        found = {(id(row.law), row.dtype): row.law for row in self.rows if row.law is not None}
        return tuple((law, dtype) for (_, dtype), law in found.items())

    @cached_property
    def rows_with_overflow(self) -> tuple[PlanRow, ...]:
        """The rows of which a number can be infinite, with however small a probability."""
        if not any(overflow_share(law, getattr(torch, dtype)) for law, dtype in self.draws):
            return ()
        return tuple(row for row in self.rows if row.expected_infinite)

    @cached_property
    def overflows(self) -> tuple[Overflow, ...]:
        """The rules of which a number is infinite with a probability of 0.001 or more."""
        found: dict[tuple[str, str, Law | None], list[PlanRow]] = {}
        for row in self.rows_with_overflow:
            found.setdefault((row.source, row.dtype, row.law), []).append(row)
        each = (Overflow(source, tuple(rows)) for (source, _, _), rows in found.items())
        return tuple(overflow for overflow in each if overflow.expected >= 0.001)

    def __repr__(self) -> str:
        text = f"InitPlan: {len(self.planned)} of {len(self.rows)} parameters by a law"
        for count, words in (
            (len(self.loads), "checkpoint(s)"),
            (len(self.runs), "call(s) of custom init code"),
            (len(self.fits), "fit(s) to data"),
            (len(self.unmatched), "rule(s) without effect"),
        ):
            text += f", {count} {words}" if count else ""
        return f"{text}; {join_limited(self.loads, most=3)}" if self.loads else text

    def _columns(self) -> Sequence[Column]:
        return PLAN_COLUMNS

    def _rows(self) -> Sequence[PlanRow]:
        return self.rows

    def _warnings(self) -> Iterable[str]:
        return map(str, (*self.unmatched, *self.overflows))

    def frame(self) -> Any:
        """Return the plan as a pandas DataFrame, one row a parameter; needs pandas."""
        import pandas as pd  # an optional package: only this table wants it

        rows = [row.to_dict() | {"law": str(row.law) if row.law else ""} for row in self.rows]
        table = pd.DataFrame(rows, columns=None if rows else ["name"]).set_index("name")
        table = table.drop(columns=["why", "phase"], errors="ignore")
        shown = super().frame()
        return table.join(shown[[name for name in shown.columns if name not in table.columns]])

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-able values."""
        return {
            "rows": [row.to_dict() for row in self.rows],
            "unmatched": [vars(item) for item in self.unmatched],
            "loads": [
                {"path": item.path, "name": item.name, **item.init.to_dict()} for item in self.loads
            ],
            "runs": [
                {"path": call.path, "name": call.name, "order": call.order,
                 "whole": call.whole_module, "rule": call.rule.type_name if call.rule else None}
                for call in self.runs
            ],
            "starts": list(self.starts),
            "fits": [item.to_dict() for item in self.fits],
        }  # fmt: skip

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "plan") -> InitPlan:
        """Undo ``to_dict``, JSON included.

        Raises:
            BadValueError: The plan calls an initialiser of one's own: code is not in it.
            ConfigError: A key is missing.
        """
        with refusing_damage(path):
            check_keys(data, path, "rows", "unmatched", "loads", "runs", "starts")
            for run in data["runs"]:
                if run["rule"] is not None:
                    raise BadValueError(
                        run["path"], "an initialiser of one's own cannot be read back."
                    )
            return cls(
                tuple(PlanRow.from_dict(row) for row in data["rows"]),
                tuple(Unmatched(**item) for item in data["unmatched"]),
                tuple(CheckpointLoad.from_dict(item) for item in data["loads"]),
                tuple(
                    CustomCall(run["path"], run["name"], run["order"], whole_module=run["whole"])
                    for run in data["runs"]
                ),
                tuple(data["starts"]),
                tuple(DataFit.from_dict(item) for item in data.get("fits", ())),
            )

    def diff(self, other: InitPlan) -> tuple[RowChange, ...]:
        """Return the parameters for which ``other`` has another law, or that only one plan has.

        Laws whose numbers differ by rounding alone are the same.
        """
        names = (*self, *(name for name in other if name not in self))
        pairs = (RowChange(name, self.get(name), other.get(name)) for name in names)
        return tuple(
            pair
            for pair in pairs
            if pair.before is None
            or pair.after is None
            or not same_law(pair.before.law, pair.after.law)
        )

    def explain(self, name: str) -> str:
        """Say what will happen to one parameter, and why; KeyError for an unknown name."""
        return self[name].explain()

    def warn(self) -> None:
        """Warn of every rule that does nothing, and of numbers that a dtype cannot hold."""
        for item in self.unmatched:
            warnings.warn(str(item), UnmatchedRuleWarning, stacklevel=user_stacklevel())
        for item in self.overflows:
            warnings.warn(str(item), RuntimeWarning, stacklevel=user_stacklevel())


def user_stacklevel() -> int:
    """Return the ``stacklevel`` of the user's own line: the first frame outside of brickbook."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("brickbook."):
        level, frame = level + 1, frame.f_back
    return level
