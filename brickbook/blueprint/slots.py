"""Arguments of a brick that hold bricks: what makes a blueprint a tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, TypeVar

__all__ = ["Slot", "slots_of", "takes_bricks", "unwrapped"]

T = TypeVar("T", bound=Callable[..., Any])

Slot = Literal["chain", "chains", "maker"]


def takes_bricks(**slots: Slot) -> Callable[[T], T]:
    """Say which arguments of a class or function are bricks, given as a list of configs.

    ``"chain"``: the argument gets the bricks in a `Sequential`. ``"chains"``: a list of lists
    becomes a list of Sequentials. ``"maker"``: the argument gets a function without arguments,
    which makes the bricks in a Sequential anew each time it is called.

    >>> from torch import nn
    >>> @takes_bricks(body="chain")
    ... class Doubled(nn.Module):
    ...     def __init__(self, body):
    ...         super().__init__()
    ...         self.body = body
    >>> slots_of(Doubled)
    {'body': 'chain'}
    """

    def mark(make: T) -> T:
        make.brick_slots = slots  # pyright: ignore[reportFunctionMemberAccess] - ours to set
        return make

    return mark


def slots_of(make: Callable[..., Any]) -> Mapping[str, Slot]:
    """Return the arguments of ``make`` that hold bricks, in order."""
    return getattr(unwrapped(make), "brick_slots", {})


def unwrapped(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return what is under a ``functools.partial``."""
    while isinstance(make, partial):
        make = make.func
    return make
