"""Where a name of the old packages lives now: the table of moves.

``facts/moves.json`` holds, for MMClassification 0.x, MMSelfSup 0.x and MMCV 1.x, what moved; and
``facts/brickbook.json`` which names of MMCV brickbook has. A dotted name is looked up by its
module first, and by its own name else, so that a name is found under every path that ever led to
it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Literal

__all__ = ["Fate", "Move", "Moves", "Source", "read_facts", "read_moves"]

Source = Literal["mmcls", "mmcv"]
FACTS = Path(__file__).parents[1] / "facts"


class Fate(Enum):
    """What became of an old name."""

    KEPT = "is where it was"
    MOVED = "has another name now"
    REMOVED = "is gone"
    UNKNOWN = "is not in the table"


@dataclass(frozen=True)
class Move:
    """What became of a dotted name.

    Attributes:
        fate: in one word.
        old: the dotted name that was looked up.
        module: the new module, which can be imported.
        name: the name in that module, with dots where it is an attribute of a class; "" for the
            module itself.
        instead: for a removed name, what does its work now; "" where nothing does.
        key: the entry of the table, which other tables speak of.
    """

    fate: Fate
    old: str
    module: str = ""
    name: str = ""
    instead: str = ""
    key: str = ""

    @property
    def new(self) -> str:
        """The new dotted name."""
        return f"{self.module}.{self.name}" if self.name else self.module


class Moves:
    """The table for one kind of source.

    Args:
        packages: old package → new package; a longer name goes before a shorter one.
        kept: old module → its names that are in the module of the new name.
        moved: name, or ``package.name``, → ``module:name``.
        removed: name, or ``package.name``, → what does its work now.
        changed: name, or ``package.name``, → the new signature, for what is called otherwise now.
        gone: old modules that are no module any more → the nearest one.
        stays: packages whose names stay where they are, unless a table speaks of them; a name of
            another package that no table knows is unknown.
        unmoved: old modules that the tables of names do not speak of.
    """

    def __init__(
        self,
        packages: dict[str, str],
        *,
        kept: dict[str, frozenset[str]],
        moved: dict[str, str],
        removed: dict[str, str],
        changed: dict[str, str],
        gone: dict[str, str],
        stays: frozenset[str] = frozenset(),
        unmoved: tuple[str, ...] = (),
    ) -> None:
        self.packages = packages
        self.kept = kept
        self.moved = moved
        self.removed = removed
        self.changed = changed
        self.gone = gone
        self.stays = stays
        self.unmoved = tuple(f"{module}." for module in unmoved)
        self.to_brickbook = any(target.startswith("brickbook") for target in moved.values())
        self.roots = frozenset(package.partition(".")[0] for package in packages)

    def is_old(self, dotted: str) -> bool:
        """Return whether a dotted name begins with an old package."""
        return dotted.partition(".")[0] in self.roots

    def is_module(self, old: str) -> bool:
        """Return whether a dotted name is that of a known module, and of no object."""
        around, _, name = old.rpartition(".")
        known = old in self.kept or old in self.packages or old in self.gone
        return known and not (around and self.is_object(around, name))

    def module(self, old: str) -> Move:
        """Look up a module."""
        if old in self.gone:
            return Move(Fate.REMOVED, old, instead=self.gone[old])
        if self.in_gone_module(old):
            return Move(Fate.UNKNOWN, old)
        known = old in self.kept or old in self.packages
        if not known and old.partition(".")[0] not in self.stays:
            return Move(Fate.UNKNOWN, old)
        new = self.new_module(old)
        return Move(Fate.KEPT if new == old else Fate.MOVED, old, new)

    def name(self, old: str) -> Move:
        """Look up a dotted name: of an object, of an attribute of one, or of a module."""
        parts = old.split(".")
        module, rest = self.split(parts)
        if not rest:
            return self.module(old)
        root = parts[0]
        if rest[0] in self.kept.get(module, ()):
            return Move(Fate.MOVED, old, self.new_module(module), ".".join(rest), key=rest[0])
        for at, part in enumerate(rest):
            if f"{old}.".startswith(self.unmoved):
                break
            if rest[at + 1 : at + 2] == [part]:  # the module of a function of the same name
                continue
            for key in self.keys(root, part):
                if key in self.moved:
                    new, _, name = self.moved[key].partition(":")
                    return Move(Fate.MOVED, old, new, ".".join([name, *rest[at + 1 :]]), key=key)
                if key in self.removed:
                    return Move(Fate.REMOVED, old, instead=self.removed[key], key=key)
            if not part.islower():  # a class, not a module in a package
                break
        if old in self.gone:
            return Move(Fate.REMOVED, old, instead=self.gone[old])
        if root in self.stays and not self.in_gone_module(old):
            return Move(Fate.KEPT, old)
        return Move(Fate.UNKNOWN, old)

    def keys(self, root: str, name: str) -> tuple[str, ...]:
        """Return the entries that may speak of a name of a package, the closest first."""
        own = f"{root}.{name}"
        return (own,) if root in self.stays else (own, name)

    def signature(self, move: Move) -> str:
        """Return the new signature of what is called otherwise now, "" for all others."""
        if move.key != move.old.rpartition(".")[2] and "." not in move.key:
            return ""  # an attribute of it
        name = move.old.rpartition(".")[2]
        for key in self.keys(move.old.partition(".")[0], name):
            if key in self.changed:
                return self.changed[key]
        return ""

    def split(self, parts: list[str]) -> tuple[str, list[str]]:
        """Return the longest known module of a dotted name, and what follows it.

        A name that is both a module and an object of the package around is the object, unless a
        name of the module follows.
        """
        for end in range(len(parts), 0, -1):
            module = ".".join(parts[:end])
            if module not in self.kept and module not in self.gone:
                continue
            around, name = ".".join(parts[: end - 1]), parts[end - 1]
            follows = end < len(parts) and (module in self.gone or parts[end] in self.kept[module])
            if not follows and self.is_object(around, name):
                continue
            return module, parts[end:]
        return parts[0], parts[1:]

    def is_object(self, module: str, name: str) -> bool:
        """Return whether a module offers an object of a name."""
        keys = self.keys(module.partition(".")[0], name)
        listed = any(key in self.moved or key in self.removed for key in keys)
        return listed or name in self.kept.get(module, ())

    def in_gone_module(self, old: str) -> bool:
        """Return whether a dotted name is below a module that is none any more."""
        return any(old.startswith(f"{module}.") for module in self.gone)

    def new_module(self, old: str) -> str:
        """Put the new package before what follows the old one."""
        around = old
        while around not in self.packages:
            around = around.rpartition(".")[0]
        return self.packages[around] + old[len(around) :]


@cache
def read_moves(source: Source) -> Moves:
    """Read the table for a kind of source."""
    facts = read_facts("moves" if source == "mmcls" else "brickbook")
    return Moves(
        facts["packages"],
        kept={module: frozenset(names.split()) for module, names in facts["kept"].items()},
        moved=facts["moved"],
        removed=facts["removed"],
        changed=facts["changed"],
        gone=facts["gone"],
        stays=frozenset(facts["stays"]),
        unmoved=tuple(facts["unmoved"]),
    )


@cache
def read_facts(name: str) -> Any:
    """Read a file of facts."""
    return json.loads((FACTS / f"{name}.json").read_text(encoding="utf-8"))
