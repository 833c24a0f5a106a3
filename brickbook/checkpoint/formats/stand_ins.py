"""Stand-ins: objects in a checkpoint as data, without the classes that the file names for them.

Nothing of a file's classes is imported or run. What such an object is made of, its arguments, its
attributes, its pairs or members, is kept as it stands in the file. At the end a dict or a list of
somebody's own class becomes a plain one, and a config of OmegaConf what it holds.
"""

from __future__ import annotations

import argparse
import datetime
import pathlib
import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Mapping
from decimal import Decimal
from pickle import UnpicklingError
from typing import Any

from brickbook.checkpoint.formats.limits import RefusedNameError
from brickbook.errors import format_value

__all__ = ["PLAIN_VALUES", "StandIn", "StandInKind", "plain_value"]

NAMESPACES = {
    "argparse.Namespace": argparse.Namespace,
    "types.SimpleNamespace": types.SimpleNamespace,
}
OWN_MODULES = sys.stdlib_module_names
# What of Python's own is called for data alone; all else there may be called for what it does.
CALLED_FOR_DATA = frozenset({
    *NAMESPACES, "collections.defaultdict", "collections.deque", "fractions.Fraction",
    "_operator.getitem", "builtins.type", "functools.partial", "logging.getLogger", "re._compile",
    "types.GenericAlias", "zoneinfo.ZoneInfo",
})  # fmt: skip


class StandInKind:
    """A class or a function that a file names: inert, it stands for its name.

    Attributes:
        name: Its module and name.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return OrderedDict, ([("object", repr(self))],)  # which all readers of files know

    @property
    def is_foreign(self) -> bool:
        """Whether it is somebody's class, by its name, and nothing of Python's."""
        module, _, last = self.name.rpartition(".")
        return module.partition(".")[0] not in OWN_MODULES and last.lstrip("_")[:1].isupper()

    def __call__(self, *arguments: Any) -> StandIn:
        """Stand for what calling it would return.

        Raises:
            RefusedNameError: It is a function, or of Python's own and not known to make data.
        """
        if not (self.is_foreign or self.name in CALLED_FOR_DATA):
            raise RefusedNameError(self.name.removeprefix("builtins."))
        return StandIn(self.name, arguments)


class StandIn:
    """An object of a class that is not imported, as data.

    Its attributes are those that the file gives it.

    Attributes:
        kind: Its class, by module and name.
        arguments: What it was made with.
        state: Its attributes by name.
    """

    __slots__ = ("arguments", "kind", "members", "pairs", "state")

    def __init__(self, kind: str, arguments: tuple[Any, ...] = ()) -> None:
        self.kind = kind
        self.arguments = [*arguments]
        self.state: dict[Any, Any] = {}
        self.pairs: dict[Any, Any] = {}
        self.members: list[Any] = []

    def __repr__(self) -> str:
        # What is nested may be so often, or within itself.
        if self.arguments and not self.state and {*map(type, self.arguments)} <= SHOWN:
            return f"<{self.kind}({', '.join(map(format_value, self.arguments))})>"
        return f"<{self.kind} object>"

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__") and name in self.state:
            return self.state[name]
        raise AttributeError(f"this {self.kind} was read with {', '.join(map(str, self.state))}")

    def __reduce__(self) -> tuple[Any, ...]:
        return OrderedDict, ([("object", repr(self))],)  # which all readers of files know

    def set_state(self, state: Any) -> None:
        """Take the attributes that a file gives it."""
        if state is self:  # addict's, whose state are its pairs
            return
        parts = state if type(state) is tuple and len(state) == 2 else (state,)
        if all(part is None or isinstance(part, dict) for part in parts):
            for part in parts:
                self.state.update(part or {})
        else:
            self.state["state"] = state
        if self.kind.startswith("omegaconf."):
            self.state = {key: self.state[key] for key in ("_content", "_val") if key in self.state}


def plain_value(item: StandIn) -> Any:
    """Return the plain value that an object stands for, else itself."""
    if item.kind in NAMESPACES:
        found = NAMESPACES[item.kind]()
        vars(found).update({str(name): value for name, value in item.state.items()})
        return found
    for name in ("_content", "_val"):
        if item.kind.startswith("omegaconf.") and name in item.state:
            return item.state[name]
    word = item.kind.rpartition(".")[2].lower()
    only = item.arguments[0] if len(item.arguments) == 1 else None
    if item.kind == "collections.deque":
        return [*(item.arguments[0] if item.arguments else ()), *item.members]
    like_dict = word.endswith(("dict", "cfgnode")) and not item.state
    if item.pairs or like_dict:
        return {**(only if isinstance(only, Mapping) else {}), **item.pairs}
    return item.members or item


def make_path(pure: type, real: str) -> Callable[..., Any]:
    """Return what makes a path; one of another system is pure."""
    kind = getattr(pathlib, real) if type(pathlib.Path()).__name__ == real else pure

    def make(*parts: Any) -> Any:
        return kind(*map(check_text, parts))

    return make


def check_text(value: Any) -> str:
    """Return a text; raises UnpicklingError for anything else."""
    if not isinstance(value, str):
        raise UnpicklingError("a part of a path is no text")
    return value


def make_decimal(text: Any) -> Decimal:
    """Make a decimal number."""
    return Decimal(check_text(text))


POSIX = make_path(pathlib.PurePosixPath, "PosixPath")
WINDOWS = make_path(pathlib.PureWindowsPath, "WindowsPath")
PATHS = {
    "PosixPath": POSIX,
    "WindowsPath": WINDOWS,
    "PurePosixPath": lambda *parts: pathlib.PurePosixPath(*map(check_text, parts)),
    "PureWindowsPath": lambda *parts: pathlib.PureWindowsPath(*map(check_text, parts)),
}

# Types of arguments that are shown.
SHOWN = {str, int, float, bool, type(None), StandInKind}

# What Python's own names in a file make: values that do nothing.
PLAIN_VALUES: dict[str, Callable[..., Any]] = {
    **{f"pathlib.{name}": make for name, make in PATHS.items()},
    **{f"pathlib._local.{name}": make for name, make in PATHS.items()},  # Python 3.13
    "datetime.date": lambda *parts: datetime.date(*parts),
    "datetime.datetime": lambda *parts: datetime.datetime(*parts),
    "datetime.time": lambda *parts: datetime.time(*parts),
    "datetime.timedelta": lambda *parts: datetime.timedelta(*parts),
    "datetime.timezone": lambda *parts: datetime.timezone(*parts),
    "decimal.Decimal": make_decimal,
    "builtins.range": lambda *parts: range(*parts),
    "builtins.slice": lambda *parts: slice(*parts),
}
