"""What a checkpoint may hold beside tensors: what mmcv and mmengine put into its ``meta``.

``torch.load(weights_only=True)`` makes tensors, numbers, strings, lists, dicts and OrderedDicts. To
these come numpy's scalars and arrays, and a stand-in for mmengine's HistoryBuffer. None of them
runs what a file says. numpy's own ways of rebuilding are not among them: a dtype takes flags from
the file that make numpy follow its numbers as addresses. So arrays arrive as their bytes, shape and
code, and are made from these when all is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from pickle import UnpicklingError
from threading import RLock
from typing import Any

import numpy as np
from torch.serialization import add_safe_globals, clear_safe_globals, get_safe_globals

__all__ = ["HistoryBuffer", "allowed", "settled"]

# torch's list is one for the whole process.
LOCK = RLock()
# numpy 1 and 2 call the modules differently, and both kinds of files are about.
CORES = ("numpy.core", "numpy._core")


class HistoryBuffer:
    """The record of one number over a training, in place of mmengine's class of that name.

    ``log_history`` are the values, ``count_history`` how many samples each stands for.
    """

    log_history: np.ndarray
    count_history: np.ndarray

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.max_length = state.get("max_length", state.get("_max_length"))
        self.log_history = settled(state.get("_log_history", np.empty(0)))
        self.count_history = settled(state.get("_count_history", np.empty(0)))


class Kind:
    """A dtype of numpy on its way: of plain numbers, words or times."""

    def __init__(self, code: object, *_: object) -> None:
        self.code = code if isinstance(code, str) else ""
        self.dtype = plain(self.code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, order, *inner = state
        if any(each is not None for each in inner[:3]):  # a part of another, names, fields
            raise UnpicklingError("GLOBAL numpy.dtype with parts is not allowed")
        if len(inner) > 6:  # of a time the unit: (metadata, (b"ns", 1, 1, 1))
            unit, count = inner[6][1][:2]
            self.dtype = plain(f"{self.code}[{int(count)}{bytes(unit).decode()}]")
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)


class Array:
    """An array of numpy on its way."""

    value: np.ndarray

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, data = state
        self.value = made(kind, data, tuple(map(int, shape)), "F" if fortran else "C")


def plain(code: str) -> np.dtype:
    """Return a dtype that holds no objects and has no parts."""
    found = np.dtype(code)
    if not code or found.hasobject or found.fields or found.subdtype:
        raise UnpicklingError("GLOBAL numpy.dtype of objects is not allowed")
    return found


def made(kind: Any, data: Any, shape: tuple[int, ...], order: Any = "C") -> np.ndarray:
    """Return an array of bytes that are as many as its shape wants."""
    if not isinstance(kind, Kind) or not isinstance(data, bytes):
        raise UnpicklingError("GLOBAL numpy.ndarray of anything but bytes is not allowed")
    if min(shape, default=0) < 0 or prod(shape) * kind.dtype.itemsize != len(data):
        raise UnpicklingError("an array has other bytes than its shape wants")
    if not data:
        return np.zeros(shape, kind.dtype)
    return np.frombuffer(data, kind.dtype).reshape(shape, order=order).copy(order=order)


def begin_array(kind: object, *_: object) -> Array:
    """Stand for numpy's ``_reconstruct``: an array of which the state follows."""
    if kind is not Array:
        raise UnpicklingError("GLOBAL numpy._core.multiarray._reconstruct is not allowed for that")
    return Array()


def scalar(kind: Any, data: Any) -> Any:
    """Stand for numpy's ``scalar``: a number from its bytes."""
    return made(kind, data, ())[()]


def method_name(owner: object, name: object) -> str:
    """Stand for ``getattr``, with which a HistoryBuffer's file names its statistics."""
    if owner is not HistoryBuffer or not isinstance(name, str):
        raise UnpicklingError("GLOBAL getattr of anything else is not allowed")
    return name


def called(target: Any, module: str, name: str) -> Any:
    """Give a class, or a function of a new identity, the name that a file calls it by."""
    if not isinstance(target, type):
        target = forwarding(target)
    target.__module__, target.__qualname__, target.__name__ = module, name, name
    return target


def forwarding(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does what another does."""
    return lambda *arguments: function(*arguments)


ALLOWED = [
    called(HistoryBuffer, "mmengine.logging.history_buffer", "HistoryBuffer"),
    called(method_name, "builtins", "getattr"),
    called(Kind, "numpy", "dtype"),
    called(Array, "numpy", "ndarray"),
    *(called(begin_array, f"{core}.multiarray", "_reconstruct") for core in CORES),
    *(called(scalar, f"{core}.multiarray", "scalar") for core in CORES),
]


@contextmanager
def allowed() -> Iterator[None]:
    """Let torch make these, too, while it reads a file; its own list is as before afterwards."""
    with LOCK:
        before = get_safe_globals()
        clear_safe_globals()  # what others allow is for their files
        add_safe_globals(ALLOWED)
        try:
            yield
        finally:
            clear_safe_globals()
            add_safe_globals(before)


def settled(content: Any) -> Any:
    """Return what was read with its arrays as numpy's; dicts and lists are changed in place."""
    if isinstance(content, Array):
        return content.value
    if isinstance(content, dict):
        for key, value in content.items():
            if isinstance(value, (Array, Kind, dict, list, tuple)):
                content[key] = settled(value)
    elif isinstance(content, list):
        content[:] = [settled(value) for value in content]
    elif type(content) is tuple and content:
        return tuple(settled(value) for value in content)
    return content.dtype if isinstance(content, Kind) else content
