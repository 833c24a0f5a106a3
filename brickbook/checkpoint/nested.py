"""State dicts within what a checkpoint file holds: ``model``, ``teacher``, ``ema.params``."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from brickbook.checkpoint.errors import CheckpointError
from brickbook.checkpoint.formats import sibling_key
from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    Sentence,
    format_value,
    join_limited,
    nearest,
    shorten,
)

__all__ = ["CHOOSE", "check_key", "select_nested"]

CHOOSE = "Say which: key={key}."
OWN = "state_dict"  # mmcv's, mmengine's and Lightning's word for what is meant
OPTIMIZER = {"state", "param_groups"}  # what the state of an optimiser of torch has

log = logging.getLogger(__name__)


def check_key(key: Any, path: str) -> None:
    """Raise TypeError for what names no part of a file, before it is fetched."""
    if not (key is None or isinstance(key, str)):
        problem = Sentence("expected a str, got {value}.", value=format_value(key))
        raise BadArgumentError(sibling_key(path, "key"), problem)


def select_nested(
    content: object,
    shown: object,
    path: str = "checkpoint",
    key: str | None = None,
    choose: str = CHOOSE,
) -> object:
    """Return the state dict that is meant within what a file holds.

    With ``key`` (dotted for one within another, '' for the file itself) it is what stands there.
    Without, it is the file's ``state_dict`` if it has one, as in mmcv, else the one dict of tensors
    at any depth. What has none is returned as it is.

    Raises:
        ValueError: ``key`` leads to no state dict.
        RuntimeError: There are several and none is named; ``choose`` is how to name one.
    """
    start, meant = key or "", content
    if key:
        meant = value_at(content, key)
    elif key is None and isinstance(content, Mapping) and OWN in content:
        start, meant = OWN, content[OWN]
    found = find_states(meant, start)
    if start in found and (start or key is not None or len(found) == 1):
        return found[start]
    if len(found) > 1:
        names = join_limited(map(describe, found.items()))
        problem = Sentence("{file} holds several state dicts: {names}.", file=shown, names=names)
        first = repr(shorten(next(filter(None, found))))
        raise CheckpointError(path, problem, Sentence(choose, key=first))
    if key is not None and not found:
        text = "{file} holds no state dict under {key}."
        problem = Sentence(text, file=shown, key=format_value(key))
        raise BadValueError(sibling_key(path, "key"), problem, suggest_key(key, content))
    for place, state in found.items():
        log.info("the state dict of %s is its %s", shown, place)
        return state
    return meant


def suggest_key(key: str, content: object) -> str:
    """Hint at the keys that a file has."""
    places = find_states(content)
    if [*places] == [""]:
        return Sentence("It is a state dict itself: say no key.")
    return nearest(key, places)


def describe(item: tuple[str, Mapping[str, Any]]) -> str:
    """Write the place of a state dict; the file's own tensors are named."""
    place, state = item
    own = join_limited([name for name, _ in own_tensors(state)], most=3)
    return place or f"'' (its own {own})"


def value_at(content: object, key: str) -> object:
    """Return what stands under a dotted key, whose parts may have dots; None if nothing does."""
    if not isinstance(content, Mapping):
        return None
    if key in content:
        return content[key]
    heads = (key[:place] for place, letter in enumerate(key) if letter == ".")
    found = (value_at(content[head], key[len(head) + 1 :]) for head in heads if head in content)
    return next((value for value in found if value is not None), None)


def find_states(content: object, start: str = "") -> dict[str, Mapping[str, Any]]:
    """Return each dict of tensors by its dotted place, outer ones first.

    What an optimiser keeps is none, nor is a dict of nothing but single numbers and integers (an
    epoch, the state of a generator) if there is another one.
    """
    found: dict[str, Mapping[str, Any]] = {}
    queue, seen = [(start, content)], {id(content)}
    for place, held in queue:
        if isinstance(held, nn.Module):  # the file was read with trust
            held = held.state_dict()
        if not isinstance(held, Mapping) or held.keys() >= OPTIMIZER:
            continue
        names = [name for name, _ in own_tensors(held)]
        if names:
            found[place] = held
        if any("." in name for name in names):
            continue  # a state dict's, which has no other within
        for name, value in held.items():
            inner = isinstance(value, (Mapping, nn.Module)) and id(value) not in seen
            if inner and isinstance(name, str) and not name.endswith("_extra_state"):
                seen.add(id(value))
                queue.append((f"{place}.{name}" if place else name, value))
    weights = (place for place, state in found.items() if any(map(is_weight, own_tensors(state))))
    return {place: found[place] for place in weights} or found


def own_tensors(state: Mapping[Any, Any]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a dict that stand under names."""
    for name, value in state.items():
        if isinstance(name, str) and isinstance(value, Tensor):
            yield name, value


def is_weight(item: tuple[str, Tensor]) -> bool:
    """Whether a tensor can be a weight: real or complex numbers, more than a single one's shape."""
    tensor = item[1]
    return tensor.ndim > 0 and (tensor.is_floating_point() or tensor.is_complex())
