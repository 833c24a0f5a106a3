"""What differs between how a model was locked and how it starts now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from brickbook.html import format_shape
from brickbook.init.laws import same_law
from brickbook.init.lockfile.lock import StartLock, TensorLock
from brickbook.printable import escape_controls
from brickbook.records import Column, Records, check_keys, refusing_damage

__all__ = ["LockChange", "LockChanges"]

MOST_LINES = 20  # of an error


class LockChange(NamedTuple):
    """What is another for one parameter.

    Attributes:
        name: its name in the lock file, of one that is new its name in the model.
        what: "start", "shape", "dtype", "numbers", "renamed", "removed" or "added".
        locked: what the lock file says.
        now: what the model does.
    """

    name: str
    what: str
    locked: str
    now: str

    def __str__(self) -> str:
        if self.what in ("added", "removed"):
            return escape_controls(f"{self.name}  {self.what}  {self.locked or self.now}")
        return escape_controls(f"{self.name}  {self.what}  {self.locked} → {self.now}")


COLUMNS = (
    Column("name", "parameter", dtype="str"),
    Column("what", "change", dtype="category"),
    Column("locked", "locked", dtype="str"),
    Column("now", "now", dtype="str"),
)


@dataclass(frozen=True)
class LockChanges(Records[LockChange]):
    """What differs between a lock file and a model; false if nothing does.

    Attributes:
        rows: the changes, in the order of the lock file, then what is new.
        total: how many parameters the lock file has.
        path: the lock file.
    """

    rows: tuple[LockChange, ...]
    total: int
    path: str = "lock"

    _missing_message = "nothing is changed of"

    @classmethod
    def between(cls, locked: StartLock, now: StartLock, path: str = "lock") -> LockChanges:
        """Hold how a model starts against how it was locked.

        Parameters that are gone and new ones with the same shape, dtype, start and last word of
        the name, in the same order, were renamed. Hashes are held against one another where both
        have the same seed.
        """
        before = {tensor.name: tensor for tensor in locked.tensors}
        after = {tensor.name: tensor for tensor in now.tensors}
        added = {name: tensor for name, tensor in after.items() if name not in before}
        hashed = locked.seed == now.seed
        rows: list[LockChange] = []
        for name, tensor in before.items():
            if name in after:
                rows += differences(tensor, after[name], hashed)
                continue
            twin = next((each for each in added.values() if is_renamed(tensor, each)), None)
            if twin is None:
                rows.append(LockChange(name, "removed", described(tensor), ""))
            else:
                del added[twin.name]
                rows.append(LockChange(name, "renamed", name, twin.name))
        rows += [LockChange(name, "added", "", described(each)) for name, each in added.items()]
        return cls(tuple(rows), len(before), path)

    @cached_property
    def by_name(self) -> Mapping[str, LockChange]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The changes by name, the first of each."""
        return {row.name: row for row in reversed(self.rows)}

    def __bool__(self) -> bool:
        return bool(self.rows)

    def __repr__(self) -> str:
        if not self.rows:
            return f"{self.path}: all {self.total} parameters start as locked"
        count = len({row.name for row in self.rows})
        words = "parameter starts" if count == 1 else "parameters start"
        return f"{self.path}: {count} {words} otherwise than locked, of {self.total}"

    @property
    def text(self) -> str:
        """The changes, a line each, at most 20."""
        lines = [f"  {row}" for row in self.rows[:MOST_LINES]]
        more = len(self.rows) - len(lines)
        return "\n".join([f"{self!r}.", *lines, *([f"  and {more} more"] if more else [])])

    def _columns(self) -> Sequence[Column]:
        return COLUMNS

    def _rows(self) -> Sequence[LockChange]:
        return self.rows

    def to_dict(self) -> dict[str, Any]:
        """Return the changes as JSON-able values."""
        return {"changes": [row._asdict() for row in self.rows], "total": self.total,
                "path": self.path}  # fmt: skip

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "changes") -> LockChanges:
        """Undo ``to_dict``, JSON included.

        Raises:
            ConfigError: a key is missing or unknown.
        """
        with refusing_damage(path):
            check_keys(data, path, "changes", "total", "path")
            rows = tuple(LockChange(**row) for row in data["changes"])
            return cls(rows, data["total"], data["path"])


def differences(locked: TensorLock, now: TensorLock, hashed: bool) -> Iterator[LockChange]:
    """Yield what differs for one parameter; numbers differ for themselves only."""
    found = False
    for what, before, after in (
        ("shape", format_shape(locked.shape, "scalar"), format_shape(now.shape, "scalar")),
        ("dtype", locked.dtype, now.dtype),
    ):
        if before != after:
            found = True
            yield LockChange(now.name, what, before, after)
    if not is_same_start(locked, now):
        yield LockChange(now.name, "start", locked.start, now.start)
    elif not found and hashed and locked.digest and now.digest and locked.digest != now.digest:
        yield LockChange(now.name, "numbers", locked.digest, now.digest)


def is_same_start(locked: TensorLock, now: TensorLock) -> bool:
    """Whether two parameters start alike."""
    alike = (locked.why, locked.padding) == (now.why, now.padding)
    return alike and same_law(locked.law, now.law)


def is_renamed(locked: TensorLock, now: TensorLock) -> bool:
    """Whether a parameter may be another one under a new name."""
    alike = (locked.shape, locked.dtype) == (now.shape, now.dtype) and is_same_start(locked, now)
    return alike and locked.name.rpartition(".")[2] == now.name.rpartition(".")[2]


def described(tensor: TensorLock) -> str:
    """Return a parameter in a few words."""
    return f"{tensor.start}, {format_shape(tensor.shape, 'scalar')}, {tensor.dtype}"
