"""A copy of a model to run: the user's own is left alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from torch import nn

from brickbook.errors import BadValueError, Sentence
from brickbook.live_panels import MODEL_LOCK

__all__ = ["copy_model"]

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
