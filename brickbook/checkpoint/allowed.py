"""What a checkpoint may hold beside tensors: what mmcv and mmengine put into its ``meta``.

``torch.load(weights_only=True)`` makes tensors, numbers, strings, lists, dicts and OrderedDicts. To
these come numpy's scalars and arrays, and a stand-in for mmengine's HistoryBuffer. None of them
runs what a file says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pickle import UnpicklingError
from threading import RLock
from typing import Any

import numpy as np
from torch.serialization import add_safe_globals, clear_safe_globals, get_safe_globals

__all__ = ["HistoryBuffer", "allowed"]

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
        self.log_history = state.get("_log_history", np.empty(0))
        self.count_history = state.get("_count_history", np.empty(0))


def method_name(owner: object, name: object) -> str:
    """Stand for ``getattr``, with which a HistoryBuffer's file names its statistics."""
    if owner is not HistoryBuffer or not isinstance(name, str):
        raise UnpicklingError("GLOBAL getattr of anything else is not allowed")
    return name


def called(function: Callable[..., Any], module: str, name: str) -> Callable[..., Any]:
    """Return a function under the name that a file calls it by."""

    def call(*arguments: Any) -> Any:
        return function(*arguments)

    call.__module__, call.__qualname__, call.__name__ = module, name, name
    return call


def numpys() -> Iterator[Any]:
    """Yield what numpy's scalars and arrays are made with, but for those of objects."""
    array: Any = np.zeros(1)
    scalar: Any = np.float64(0)
    for core in CORES:
        yield called(array.__reduce__()[0], f"{core}.multiarray", "_reconstruct")
        yield called(scalar.__reduce__()[0], f"{core}.multiarray", "scalar")
    yield np.ndarray
    yield np.dtype
    kinds = {type(np.dtype(code)) for code in np.typecodes["All"] if code != "O"}
    yield from sorted(kinds, key=lambda kind: kind.__name__)


HistoryBuffer.__module__ = "mmengine.logging.history_buffer"
ALLOWED = (HistoryBuffer, called(method_name, "builtins", "getattr"), *numpys())


@contextmanager
def allowed() -> Iterator[None]:
    """Let torch make these, too, while it reads a file; its own list is as before afterwards."""
    with LOCK:
        before = get_safe_globals()
        add_safe_globals(list(ALLOWED))
        try:
            yield
        finally:
            clear_safe_globals()
            add_safe_globals(before)
