"""The learning rate of a training before and after its migration, to be drawn."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from brickbook.errors import ConfigError
from brickbook.migrate.curves import Length
from brickbook.migrate.migration import Schedule, project_of
from brickbook.migrate.rules.context import Context
from brickbook.migrate.rules.schedule import (
    MOST_COMPARED,
    compared,
    compared_length,
    curves,
    farthest,
    plan_of,
)
from brickbook.migrate.source.files import Files

__all__ = ["LearningRates", "learning_rates", "source_rates"]


@dataclass(frozen=True)
class LearningRates:
    """The learning rate of every iteration under an old and a new schedule.

    Attributes:
        before: under 0.x's, in units of the base learning rate.
        after: under 1.x's.
        length: of the training; an epoch has fewer iterations than its own.
        distance: the largest one between them.
        moment: where it is, as a share of the training.
    """

    before: tuple[float, ...]
    after: tuple[float, ...]
    length: Length
    distance: float
    moment: float


def learning_rates(cfg: Mapping[str, Any], *, schedule: Schedule = "guide") -> LearningRates | None:
    """Return the learning-rate curves of a config of 0.x and of what it becomes.

    Args:
        cfg: a whole config of 0.x, or as much of one as says the schedule and its length.
        schedule: as in `migrate_config`.

    Returns:
        The curves; None without a policy or a length, or for a training that is too long.

    >>> poly = {"policy": "poly", "power": 1, "by_epoch": False}
    >>> found = learning_rates({"lr_config": poly, "runner": {"max_epochs": 100}})
    >>> found.after[:2], found.distance < 0.02
    ((1.0, 1.0), True)
    """
    old = dict(cfg)
    if not old.get("lr_config"):
        return None
    plan = plan_of(old["lr_config"], Context(old, project_of(old), schedule))
    plan = replace(plan, lr=plan.lr if plan.lr > 0 else 1.0)
    whole = compared_length(plan) if plan.whole else None
    if whole is None or whole.iterations > MOST_COMPARED:
        return None
    before, after = curves(*compared(plan, whole), plan.lr, whole)
    distance, moment = farthest(before, after, plan.lr)
    old_curve, new_curve = (tuple(one / plan.lr for one in curve) for curve in (before, after))
    return LearningRates(old_curve, new_curve, whole, distance, moment)


def source_rates(
    text: str,
    *,
    path: str = "config.py",
    base_lookup: Callable[[str], str] | None = None,
    schedule: Schedule = "guide",
) -> LearningRates | None:
    """Return `learning_rates` of a config as a text; the arguments are those of `migrate_source`.

    Returns:
        The curves; None also where the schedule cannot be known.
    """
    main = posixpath.basename(path.replace("\\", "/"))

    def find(key: str) -> str:
        if key == main:
            return text
        if base_lookup is None:
            raise LookupError(key)
        return base_lookup(key)

    try:
        return learning_rates(Files(find, str).read(main).whole, schedule=schedule)
    except (ConfigError, ArithmeticError, LookupError, TypeError, ValueError):
        return None
