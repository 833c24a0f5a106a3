"""What a checkpoint may hold beside tensors: what mmcv and mmengine put into its ``meta``.

To tensors, numbers, strings, lists, dicts and OrderedDicts come NumPy's scalars and arrays, and a
stand-in for mmengine's HistoryBuffer. None of them runs what a file says. NumPy's own ways of
rebuilding are not among them: a dtype takes flags from the file that make NumPy follow its numbers
as addresses. So arrays arrive as their bytes, shape and code, and are made from these when all is
read.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from math import prod
from pickle import UnpicklingError
from typing import Any

import numpy as np

from brickbook.checkpoint.formats.limits import LimitError, Limits, RefusedNameError
from brickbook.checkpoint.formats.stand_ins import StandIn, StandInKind, plain_value

__all__ = ["SAFE_GLOBALS", "HistoryBuffer", "method_name", "resolve_placeholders"]

# numpy 1 and 2 call the modules differently, and both kinds of files are about.
NUMPY_CORES = ("numpy.core", "numpy._core")
LONGEST_CODE = 32  # of a dtype


class HistoryBuffer:
    """The record of one number over a training, in place of mmengine's class of that name.

    ``log_history`` are the values, ``count_history`` how many samples each stands for.
    """

    log_history: np.ndarray
    count_history: np.ndarray

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.max_length = state.get("max_length", state.get("_max_length"))
        self.log_history = state.get("_log_history", np.empty(0))
        self.count_history = state.get("_count_history", np.empty(0))


class DtypePlaceholder:
    """A dtype of numpy on its way: of plain numbers, words or times."""

    def __init__(self, code: object, *_: object) -> None:
        self.code = code if isinstance(code, str) else ""
        self.dtype = plain_dtype(self.code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, order, *inner = state
        if any(each is not None for each in inner[:3]):  # a part of another, names, fields
            raise RefusedNameError("numpy.dtype")
        if len(inner) > 6:  # of a time the unit: (metadata, (b"ns", 1, 1, 1))
            unit, count = inner[6][1][:2]
            self.dtype = plain_dtype(f"{self.code}[{int(count)}{bytes(unit).decode()}]")
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)


class ArrayPlaceholder:
    """An array of numpy on its way."""

    value: np.ndarray

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, data = state
        self.value = make_array(kind, data, tuple(map(int, shape)), "F" if fortran else "C")


def plain_dtype(code: str) -> np.dtype:
    """Return a dtype that holds no objects and has no parts."""
    if not code or len(code) > LONGEST_CODE:
        raise UnpicklingError("a dtype of numpy has no code")
    found = np.dtype(code)
    if found.hasobject or found.fields or found.subdtype:
        raise RefusedNameError("numpy.dtype")
    return found


def make_array(kind: Any, data: Any, shape: tuple[int, ...], order: Any = "C") -> np.ndarray:
    """Return an array of bytes that are as many as its shape wants."""
    if not isinstance(kind, DtypePlaceholder) or not isinstance(data, bytes):
        raise RefusedNameError("numpy.ndarray")
    if min(shape, default=0) < 0 or prod(shape) * kind.dtype.itemsize != len(data):
        raise UnpicklingError("an array has other bytes than its shape wants")
    if not data:
        return np.zeros(shape, kind.dtype)
    return np.frombuffer(data, kind.dtype).reshape(shape, order=order).copy(order=order)


def start_array(kind: object, *_: object) -> ArrayPlaceholder:
    """Stand for numpy's ``_reconstruct``: an array of which the state follows."""
    if kind is not ArrayPlaceholder:
        raise RefusedNameError("numpy._core.multiarray._reconstruct")
    return ArrayPlaceholder()


def make_scalar(kind: Any, data: Any) -> Any:
    """Stand for numpy's ``make_scalar``: a number from its bytes."""
    return make_array(kind, data, ())[()]


def method_name(owner: object, name: object) -> str | StandInKind:
    """Stand for ``getattr``, with which a HistoryBuffer's file names its statistics."""
    if isinstance(owner, StandInKind) and owner.is_foreign and isinstance(name, str):
        return StandInKind(f"{owner.name}.{name}")  # a class within a class
    if owner is not HistoryBuffer or not isinstance(name, str):
        raise RefusedNameError("getattr")
    return name


# By the name in the file: a class without __init__ that has __setstate__, or a function.
SAFE_GLOBALS: dict[str, Any] = {
    "mmengine.logging.history_buffer.HistoryBuffer": HistoryBuffer,
    "builtins.getattr": method_name,
    "numpy.dtype": DtypePlaceholder,
    "numpy.ndarray": ArrayPlaceholder,
    **{f"{core}.multiarray._reconstruct": start_array for core in NUMPY_CORES},
    **{f"{core}.multiarray.scalar": make_scalar for core in NUMPY_CORES},
}
PLACEHOLDERS = (ArrayPlaceholder, DtypePlaceholder)
STAND_INS = tuple(kind for kind in SAFE_GLOBALS.values() if isinstance(kind, type))
TEXT = 256  # so many characters, or bytes, count as a value
WALKED = frozenset({list, tuple, dict, OrderedDict, Counter, StandIn, *STAND_INS})


def resolve_placeholders(content: Any, limits: Limits) -> Any:
    """Return what was read with its arrays as numpy's; dicts and lists are changed in place.

    Nothing here is recursive, and what is there twice is walked through once: what it is when it
    is written out is counted.

    Raises:
        LimitError: For what contains itself, is nested too deep, or unfolds to too many values.
    """
    # By identity: the object, which is so kept alive, what takes its place, values, depth.
    done: dict[int, tuple[Any, Any, int, int]] = {}
    entered: set[int] = set()
    stack: list[tuple[Any, list[Any] | None]] = [(content, None)]
    while stack:
        item, parts = stack.pop()
        if type(item) not in WALKED or id(item) in done:
            continue
        if parts is None:
            if id(item) in entered:
                if type(item) is StandIn:  # objects may know each other
                    continue
                raise LimitError("a list or a dict in it contains itself")
            entered.add(id(item))
            parts = [part for holder in holders(item) for part in values(holder)]
            stack.append((item, parts))
            stack.extend((part, None) for part in parts if type(part) in WALKED)
            continue
        inner = [done[id(part)] for part in parts if id(part) in done]
        texts = sum(len(part) // TEXT for part in parts if type(part) in (str, bytes))
        count = 1 + len(parts) + texts + sum(count for _, _, count, _ in inner)
        depth = 1 + max((depth for *_, depth in inner), default=0)
        limits.check_values(count)
        limits.check_depth(depth)
        done[id(item)] = item, replace_parts(item, done), count, depth
        entered.discard(id(item))
    return done[id(content)][1] if id(content) in done else content


def holders(item: Any) -> tuple[Any, ...]:
    """Return the lists, tuples and dicts in which a container, or a stand-in, holds its parts."""
    if isinstance(item, PLACEHOLDERS):
        return ()
    if isinstance(item, OrderedDict):
        return item, vars(item)
    if isinstance(item, StandIn):
        return item.state, item.pairs, item.members, item.arguments
    return (item,) if isinstance(item, (list, tuple, dict)) else (vars(item),)


def values(holder: Any) -> Iterable[Any]:
    """Return what a list, a tuple or a dict holds."""
    return holder.values() if isinstance(holder, dict) else holder


def replace_parts(item: Any, done: dict[int, tuple[Any, Any, int, int]]) -> Any:
    """Return what takes the place of a container whose parts are all done."""
    if isinstance(item, ArrayPlaceholder):
        return item.value
    if isinstance(item, DtypePlaceholder):
        return item.dtype
    if type(item) is tuple:
        found = tuple(done[id(part)][1] if id(part) in done else part for part in item)
        return item if all(a is b for a, b in zip(found, item, strict=True)) else found
    for holder in holders(item):
        for key, part in holder.items() if isinstance(holder, dict) else enumerate(holder):
            if id(part) in done:
                holder[key] = done[id(part)][1]
    return plain_value(item) if isinstance(item, StandIn) else item
