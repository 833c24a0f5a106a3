"""What a plan is made of: rows, what has no effect, checkpoints and code to call; all values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from brickbook.init.initializers import BaseInit, PretrainedInit
from brickbook.init.laws import Law, law_from_dict, law_to_dict
from brickbook.init.rules import Rule

__all__ = ["Change", "Fit", "Load", "Row", "Run", "Unmatched"]


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


@dataclass(frozen=True, eq=False)
class Fit:
    """An initialiser that goes on with data, after everything is written: LSUV.

    Equal to another one that says the same; a class and its name in ``layer`` do.
    """

    path: str
    kind: str
    init: BaseInit

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        args = {item.name: getattr(self.init, item.name) for item in fields(self.init) if item.init}
        layers = [x if isinstance(x, str) else x.__name__ for x in self.init.layers]
        return {"path": self.path, "kind": self.kind, "args": {**args, "layer": layers}}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fit) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.path, self.kind))
