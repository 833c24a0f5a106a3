"""What a checkpoint may hold beside tensors: what mmcv and mmengine put into its ``meta``.

``torch.load(weights_only=True)`` makes tensors, numbers, strings, lists, dicts and OrderedDicts. To
these come NumPy's scalars and arrays, and a stand-in for mmengine's HistoryBuffer. None of them
runs what a file says. NumPy's own ways of rebuilding are not among them: a dtype takes flags from
the file that make NumPy follow its numbers as addresses. So arrays arrive as their bytes, shape and
code, and are made from these when all is read.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from pickle import UnpicklingError
from threading import RLock
from typing import Any

import numpy as np
import torch
from torch.serialization import add_safe_globals, clear_safe_globals, get_safe_globals

from brickbook.introspect import call_and_restore

__all__ = ["HistoryBuffer", "load_restricted", "method_name", "resolve_placeholders"]

# torch's list is one for the whole process.
LOCK = RLock()

# numpy 1 and 2 call the modules differently, and both kinds of files are about.
NUMPY_CORES = ("numpy.core", "numpy._core")


class HistoryBuffer:
    """The record of one number over a training, in place of mmengine's class of that name.

    ``log_history`` are the values, ``count_history`` how many samples each stands for.
    """

    log_history: np.ndarray
    count_history: np.ndarray

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.max_length = state.get("max_length", state.get("_max_length"))
        self.log_history = resolve_placeholders(state.get("_log_history", np.empty(0)))
        self.count_history = resolve_placeholders(state.get("_count_history", np.empty(0)))


class DtypePlaceholder:
    """A dtype of numpy on its way: of plain numbers, words or times."""

    def __init__(self, code: object, *_: object) -> None:
        self.code = code if isinstance(code, str) else ""
        self.dtype = plain_dtype(self.code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, order, *inner = state
        if any(each is not None for each in inner[:3]):  # a part of another, names, fields
            raise UnpicklingError("GLOBAL numpy.dtype with parts is not allowed")
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
    found = np.dtype(code)
    if not code or found.hasobject or found.fields or found.subdtype:
        raise UnpicklingError("GLOBAL numpy.dtype of objects is not allowed")
    return found


def make_array(kind: Any, data: Any, shape: tuple[int, ...], order: Any = "C") -> np.ndarray:
    """Return an array of bytes that are as many as its shape wants."""
    if not isinstance(kind, DtypePlaceholder) or not isinstance(data, bytes):
        raise UnpicklingError("GLOBAL numpy.ndarray of anything but bytes is not allowed")
    if min(shape, default=0) < 0 or prod(shape) * kind.dtype.itemsize != len(data):
        raise UnpicklingError("an array has other bytes than its shape wants")
    if not data:
        return np.zeros(shape, kind.dtype)
    return np.frombuffer(data, kind.dtype).reshape(shape, order=order).copy(order=order)


def start_array(kind: object, *_: object) -> ArrayPlaceholder:
    """Stand for numpy's ``_reconstruct``: an array of which the state follows."""
    if kind is not ArrayPlaceholder:
        raise UnpicklingError("GLOBAL numpy._core.multiarray._reconstruct is not allowed for that")
    return ArrayPlaceholder()


def make_scalar(kind: Any, data: Any) -> Any:
    """Stand for numpy's ``make_scalar``: a number from its bytes."""
    return make_array(kind, data, ())[()]


def method_name(owner: object, name: object) -> str:
    """Stand for ``getattr``, with which a HistoryBuffer's file names its statistics."""
    if owner is not HistoryBuffer or not isinstance(name, str):
        raise UnpicklingError("GLOBAL getattr of anything else is not allowed")
    return name


def alias_as(target: Any, module: str, name: str) -> Any:
    """Give a class, or a function of a new identity, the name that a file calls it by."""
    if not isinstance(target, type):
        target = wrap_function(target)
    target.__module__, target.__qualname__, target.__name__ = module, name, name
    return target


def wrap_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does what another does."""
    return lambda *arguments: function(*arguments)


SAFE_GLOBALS = [
    alias_as(HistoryBuffer, "mmengine.logging.history_buffer", "HistoryBuffer"),
    alias_as(method_name, "builtins", "getattr"),
    alias_as(DtypePlaceholder, "numpy", "dtype"),
    alias_as(ArrayPlaceholder, "numpy", "ndarray"),
    *(alias_as(start_array, f"{core}.multiarray", "_reconstruct") for core in NUMPY_CORES),
    *(alias_as(make_scalar, f"{core}.multiarray", "scalar") for core in NUMPY_CORES),
]


def load_restricted(file: Path, **options: Any) -> Any:
    """Return ``torch.load`` of a file that may hold these, and nothing else that can be run.

    Torch's own list is as before afterwards, wherever an interrupt comes.
    """
    with LOCK:
        before = get_safe_globals()

        def load() -> Any:
            set_safe_globals(SAFE_GLOBALS)  # what others allow is for their files
            return resolve_placeholders(torch.load(file, weights_only=True, **options))

        return call_and_restore(load, lambda: set_safe_globals(before))


def set_safe_globals(allowed: list[Any]) -> None:
    """Make torch's list of what a file may name this one; one that is right is not touched."""
    if set(get_safe_globals()) != set(allowed):
        clear_safe_globals()
        add_safe_globals(allowed)


def resolve_placeholders(content: Any) -> Any:
    """Return what was read with its arrays as numpy's; dicts and lists are changed in place."""
    if isinstance(content, ArrayPlaceholder):
        return content.value
    if isinstance(content, dict):
        for key, value in content.items():
            if isinstance(value, (ArrayPlaceholder, DtypePlaceholder, dict, list, tuple)):
                content[key] = resolve_placeholders(value)
    elif isinstance(content, list):
        content[:] = [resolve_placeholders(value) for value in content]
    elif type(content) is tuple and content:
        return tuple(resolve_placeholders(value) for value in content)
    return content.dtype if isinstance(content, DtypePlaceholder) else content
