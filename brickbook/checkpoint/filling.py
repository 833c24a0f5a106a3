"""A state dict into a model: the walk that hands every module its part, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.checkpoint.errors import CheckpointError
from brickbook.checkpoint.matching import (
    UNCOUNTED,
    Match,
    Reshaped,
    children,
    fits,
    match,
    named_tensors,
    own_tensors,
    unfilled,
    unwrapped,
)
from brickbook.checkpoint.state import State
from brickbook.errors import BadValueError

__all__ = ["fill"]


def fill(
    model: nn.Module,
    state: State,
    strict: bool = False,
    path: str = "state_dict",
    spell: Callable[[str], str] = "prefix={!r}".format,
) -> Match:
    """Load a state dict into a model, and return what of the model it filled.

    Every module loads its own part, so that hooks and versions of modules count: one that renames
    old parameters is asked before anything is called missing. Raises as ``Match.check`` does; the
    model is then unchanged.
    """
    targets = named_tensors(model)
    foreseen = match(state, model)
    for name in foreseen.loaded:
        if targets[name].is_meta:
            raise BadValueError(
                "model",
                f"{name} is on the meta device and has no memory to load into.",
                "Call model.to_empty(device='cpu') first.",
            )
    # What the names alone would refuse, a hook may still mend: try it, and put back if not.
    refused = not foreseen.loaded or (strict and not foreseen.exact)
    with torch.no_grad(), restored(targets.values() if refused else ()):
        filling = Filling(frozenset(state), getattr(state, "_metadata", {}))
        filling.walk(model, state)
        if filling.failures:
            raise CheckpointError(path, "; ".join(filling.failures))
        found = filling.outcome(model)
        found.check(path, strict=strict, spell=spell)
    return found


@contextmanager
def restored(tensors: Iterable[Tensor]) -> Iterator[None]:
    """Put the values of tensors back if what follows fails."""
    kept = [(tensor, tensor.detach().clone()) for tensor in tensors if not is_lazy(tensor)]
    try:
        yield
    except BaseException:
        for tensor, value in kept:
            tensor.detach().copy_(value)
        raise


@dataclass
class Filling:
    """What the walk has come upon so far; names are those of the modules, after their hooks."""

    given: frozenset[str]
    metadata: Mapping[str, Any]
    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    reshaped: list[Reshaped] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def walk(self, module: nn.Module, state: dict[str, Any], prefix: str = "") -> None:
        """Load what stands under ``prefix`` into a module, then into its children."""
        module = unwrapped(module)
        messages: list[str] = []
        # True: list what is missing and unexpected.
        module._load_from_state_dict(
            state,
            prefix,
            self.metadata.get(prefix[:-1], {}),
            True,
            self.missing,
            self.unexpected,
            messages,
        )
        self.failures += [text for text in messages if not text.startswith("size mismatch")]
        for name, tensor in own_tensors(module):
            name = f"{prefix}{name}"
            value = state.get(name)
            if name.endswith(UNCOUNTED) and name not in self.given:
                continue  # batch norm put its own there, for a file older than the count
            if isinstance(value, Tensor) and fits(value, tensor):
                self.loaded.append(name)
            elif isinstance(value, Tensor):
                self.reshaped.append(Reshaped(name, tuple(value.shape), tuple(tensor.shape)))
        for name, child in children(module):
            inner = f"{prefix}{name}."
            # Its own names only, as torch does it, so that a child's hooks change no others.
            self.walk(child, {k: v for k, v in state.items() if k.startswith(inner)}, inner)
        keys = SimpleNamespace(missing_keys=self.missing, unexpected_keys=self.unexpected)
        for hook in module._load_state_dict_post_hooks.values():
            hook(module, keys)

    def outcome(self, model: nn.Module) -> Match:
        """Return what was filled, once the walk is over."""
        return Match(
            loaded=tuple(self.loaded),
            missing=tuple(unfilled(self.missing, self.loaded, named_tensors(model))),
            unexpected=tuple(self.unexpected),
            reshaped=tuple(self.reshaped),
        )
