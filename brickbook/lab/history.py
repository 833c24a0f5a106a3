"""Undo and redo of a frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["MAX_UNDO", "History"]

T = TypeVar("T")

MAX_UNDO = 200


@dataclass(frozen=True)
class History(Generic[T]):
    """A value with those before it and those that were undone; every step gives a new history.

    ``past`` ends with the value that `undo` goes to, ``future`` begins with that of `redo`.

    >>> history = History(1).record(2).record(3).undo()
    >>> history.present, history.redo().present
    (2, 3)
    """

    present: T
    past: tuple[T, ...] = ()
    future: tuple[T, ...] = ()

    def record(self, value: T) -> History[T]:
        """Go to a new value: what was undone is forgotten, and at most `MAX_UNDO` are kept.

        An equal value is no step.
        """
        if value == self.present:
            return self
        return History(value, (*self.past, self.present)[-MAX_UNDO:])

    def undo(self) -> History[T]:
        """Go back one step, if there is one."""
        if not self.past:
            return self
        return History(self.past[-1], self.past[:-1], (self.present, *self.future))

    def redo(self) -> History[T]:
        """Go forward to what `undo` left, if it did."""
        if not self.future:
            return self
        return History(self.future[0], (*self.past, self.present), self.future[1:])
