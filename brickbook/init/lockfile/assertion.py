"""A line for one's own tests: the model starts as it was locked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from torch import nn

from brickbook.errors import MissingFileError
from brickbook.init.lockfile.changes import LockChanges
from brickbook.init.lockfile.lock import StartLock, lock_start

__all__ = ["UPDATE_VARIABLE", "assert_starts_as"]

UPDATE_VARIABLE = "BRICKBOOK_UPDATE"


def assert_starts_as(
    model: nn.Module | Callable[[], nn.Module],
    path: str | Path,
    *,
    init_cfg: object = None,
    seed: int | None = None,
    update: bool = False,
) -> None:
    """Assert that a model starts as its lock file says, for a test of one's own.

    A refactoring, another version of a library or a forgotten call that changes how any parameter
    starts fails the test, and the error names it. A function that builds the model is called on
    the meta device, where a model of any size takes no memory. With ``update``, or where the
    environment has ``BRICKBOOK_UPDATE=1``, the file is written anew instead.

    Args:
        model: what builds the model; or a model that exists and carries rules.
        path: the lock file.
        init_cfg: rules; with None those that the modules carry.
        seed: with an update, keep hashes of the numbers too; by default as in the file.
        update: write the file.

    Raises:
        AssertionError: a parameter starts otherwise.
        MissingFileError: there is no such file, and it is not to be written.
        ConfigError: what is there is no lock file, or the model cannot be traced.
    """
    wanted = update or os.environ.get(UPDATE_VARIABLE, "0") not in ("", "0")
    try:
        locked = StartLock.read(path)
    except MissingFileError as error:
        if not wanted:
            hint = f"{UPDATE_VARIABLE}=1 writes it."
            raise MissingFileError(str(path), error.problem, hint) from None
        locked = StartLock(())
    if wanted:
        kept = locked.seed if seed is None else seed
        lock_start(model, init_cfg, seed=kept).write(path)
        return
    now = lock_start(model, init_cfg, seed=locked.seed)
    changes = LockChanges.between(locked, now, str(path))
    if changes:
        hint = f"If that is meant, {UPDATE_VARIABLE}=1 writes the file anew."
        raise AssertionError(f"{changes.text}\n{hint}")
