"""A copy of a model to run: the user's own is left alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from brickbook.errors import BadValueError, Sentence
from brickbook.init.execution import execute
from brickbook.init.planning import InitPlan
from brickbook.live_panels import MODEL_LOCK
from brickbook.measure.probe import make_batch

__all__ = ["carry_out", "copy_model"]

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def copy_model(model: nn.Module) -> nn.Module:
    """Return a copy of a model without the user's hooks, which may note what runs.

    Raises:
        BadValueError: it cannot be copied.
    """
    own = dict(own_hooks(model))
    try:
        with MODEL_LOCK:
            twin = copy.deepcopy(model, dict(own))
    except Exception as error:  # whatever a module's own __deepcopy__ raises
        raise BadValueError("model", Sentence("cannot be copied: {why}", why=error)) from error
    for part in twin.modules():
        for hooks in filter(None, map(vars(part).get, HOOKS)):
            for key in [key for key, hook in hooks.items() if id(hook) in own]:
                del hooks[key]
    return twin


def own_hooks(model: nn.Module) -> Iterator[tuple[int, Any]]:
    """Yield the hooks of a model that are the user's, by their id: torch's own belong to layers."""
    for part in model.modules():
        for hooks in filter(None, map(vars(part).get, HOOKS)):
            for hook in hooks.values():
                owner = getattr(hook, "__module__", None) or type(hook).__module__
                if not owner.startswith("torch."):
                    yield id(hook), hook


def carry_out(plan: InitPlan, seed: int | None, twin: nn.Module, given: Mapping[str, Any]) -> None:
    """Carry out rules on a copy; torch's random numbers go on as if nothing had been drawn.

    Args:
        plan: What the rules would do to the model.
        seed: Theirs.
        twin: The copy.
        given: What to run it on, as arguments of `brickbook.probe`.
    """
    batch = None
    if plan.fits:
        drawn = make_batch(twin, given.get("batch"), given.get("input_shape"), seed=0)
        batch = given.get("batch", drawn.args)
    with torch.random.fork_rng(enabled=seed is None):
        # What has no effect is a line of the plan, not a warning here.
        execute(replace(plan, unmatched=()), twin, seed=seed, batch=batch)
