"""A state dict into a model: the walk that hands every module its part, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from brickbook.checkpoint.adapting import adapted_state
from brickbook.checkpoint.errors import CheckpointError
from brickbook.checkpoint.matching import (
    UNCOUNTED,
    Adapted,
    Match,
    Reshaped,
    children,
    fits,
    match,
    named_tensors,
    own_tensors,
    unasked,
    unfilled,
)
from brickbook.checkpoint.state import State
from brickbook.checkpoint.wrappers import plain_names, unwrapped
from brickbook.errors import BadValueError
from brickbook.keeping import put_back_on_error, uninterrupted

__all__ = ["fill"]


def fill(
    model: nn.Module,
    state: State,
    strict: bool = False,
    path: str = "state_dict",
    spell: Callable[[str], str] = "prefix={!r}".format,
    *,
    adapt: str | Collection[str] = (),
    assign: bool = False,
) -> Match:
    """Load a state dict into a model, and return what of the model it filled.

    Every module loads its own part, so that hooks and versions of modules count: one that renames
    old parameters is asked before anything is called missing. ``adapt`` is that of
    `adapted_state`; with ``assign`` the model gets tensors of the file's dtype and device in place
    of its own, which may be on the meta device. Raises as ``Match.check`` does; the model is then
    unchanged, and so it is after an interrupt.
    """
    targets = named_tensors(model)
    state, adapted = adapted_state(plain_names(state, targets), model, adapt)
    foreseen = match(state, model)
    for name in () if assign else foreseen.loaded:
        if targets[name].is_meta:
            raise BadValueError(
                "model",
                f"{name} is on the meta device and has no memory to load into.",
                "Say assign=True, or call model.to_empty(device='cpu') first.",
            )
    # What the names alone would refuse, a hook may still mend: try it, and put back if not.
    refused = not foreseen.loaded or (strict and not foreseen.exact)
    with torch.no_grad(), guard(model, state, refused, assign):
        filling = Filling(frozenset(state), getattr(state, "_metadata", {}), adapted, assign)
        filling.walk(model, state)
        if filling.failures:
            raise CheckpointError(path, "; ".join(filling.failures))
        if assign:
            tie(model, targets, filling.loaded)
        found = filling.outcome(model)
        found.check(path, strict=strict, spell=spell)
    return found


def guard(
    model: nn.Module, state: State, refused: bool, assign: bool
) -> AbstractContextManager[object]:
    """Return what sees to it that a model is loaded or as before.

    Where nothing can go wrong but an interrupt, that waits: the values need not be kept.
    """
    if assign:  # what is replaced is kept as it is
        return put_back_on_error(model, ())
    if refused or may_fail(model, state):
        every = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
        return put_back_on_error(model, every.values())
    return uninterrupted()


def may_fail(model: nn.Module, state: State) -> bool:
    """Whether code that is not torch's takes part, or tensors that may not be copied."""
    if any(not dense(value) for value in state.values()):
        return True
    for module in model.modules():
        hooks = (*module._load_state_dict_pre_hooks.values(),
                 *module._load_state_dict_post_hooks.values())  # fmt: skip
        own = (getattr(hook, "hook", hook) for hook in hooks)
        if any(foreign(each) for each in (type(module)._load_from_state_dict, *own)):
            return True
    return False


def dense(value: Any) -> bool:
    """Whether a value is a tensor of the plain kind."""
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and not (value.is_meta or value.is_quantized)
    )


def foreign(function: Any) -> bool:
    """Whether a function is of no module of torch."""
    return not str(getattr(function, "__module__", "")).startswith("torch.")


def tie(model: nn.Module, before: Mapping[str, Tensor], loaded: Iterable[str]) -> None:
    """Give a parameter that stood under several names to all of them again."""
    names: dict[int, list[str]] = {}
    for name, tensor in before.items():
        names.setdefault(id(tensor), []).append(name)
    places, filled = dict(holders(model)), frozenset(loaded)
    for group in names.values():
        source = next((name for name in group if name in filled), None)
        for name in group if source else ():
            held, key = places[name]
            held[key] = places[source][0][places[source][1]]  # pyright: ignore[reportArgumentType]


def holders(model: nn.Module, prefix: str = "") -> Iterator[tuple[str, tuple[dict[str, Any], str]]]:
    """Yield for each name the dict of the module that has the tensor, and the key there."""
    model = unwrapped(model)
    for held in (model._parameters, model._buffers):
        yield from ((f"{prefix}{key}", (held, key)) for key in held)
    for name, child in children(model):
        yield from holders(child, f"{prefix}{name}.")


@dataclass
class Filling:
    """What the walk has come upon so far; names are those of the modules, after their hooks."""

    given: frozenset[str]
    metadata: Mapping[str, Any]
    adapted: tuple[Adapted, ...] = ()
    assign: bool = False
    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    reshaped: list[Reshaped] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def walk(self, module: nn.Module, state: dict[str, Any], prefix: str = "") -> None:
        """Load what stands under ``prefix`` into a module, then into its children."""
        module = unwrapped(module)
        messages: list[str] = []
        told = self.metadata.get(prefix[:-1], {})
        if self.assign:
            told = {**told, "assign_to_params_buffers": True}  # torch's own word for it
            for name, tensor in own_tensors(module):
                value = state.get(f"{prefix}{name}")
                if isinstance(value, Tensor) and fits(value, tensor):
                    state[f"{prefix}{name}"] = value.detach().clone()  # it may be the file's
        # True: list what is missing and unexpected.
        module._load_from_state_dict(
            state,
            prefix,
            told,
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
        left_out = {each.name for each in self.adapted if each.left_out}
        scratch = unasked(model)
        missing = unfilled(self.missing, self.loaded, named_tensors(model))
        return Match(
            loaded=tuple(self.loaded),
            missing=tuple(name for name in missing if name not in left_out),
            unexpected=tuple(name for name in self.unexpected if name not in scratch),
            reshaped=tuple(self.reshaped),
            adapted=self.adapted,
        )
