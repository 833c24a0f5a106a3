"""A lock file: how a model starts, kept beside its code, and what has changed since."""

from brickbook.init.lockfile.assertion import assert_starts_as
from brickbook.init.lockfile.changes import LockChange, LockChanges
from brickbook.init.lockfile.lock import StartLock, TensorLock, lock_start

__all__ = [
    "LockChange",
    "LockChanges",
    "StartLock",
    "TensorLock",
    "assert_starts_as",
    "lock_start",
]
