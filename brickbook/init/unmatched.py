"""Which of a rule's layers match nothing, and what may have been meant."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from brickbook.errors import nearest
from brickbook.init.initializers import BaseInit
from brickbook.init.matching import known_classes, matches
from brickbook.init.rows import Unmatched
from brickbook.init.rules import Rule

__all__ = ["without_effect"]


def without_effect(
    rule: Rule, init: BaseInit, parts: list[nn.Module], filled: set[int]
) -> Iterator[Unmatched]:
    """Say which of a rule's layers match nothing, or match only what has nothing to fill.

    A class that is loaded but not in this model is passed over if the rule fills another: such
    lists are written for many models.
    """
    path = f"{rule.path}.layer"
    for layer in init.layers:
        word = layer if isinstance(layer, str) else layer.__name__
        met = [part for part in parts if matches(part, (layer,))]
        if met and not any(id(part) in filled for part in met):
            yield Unmatched(path, f"{word} has no 'weight' or 'bias' parameter of its own.")
        elif not met and not (filled and is_a_class(word)):
            yield Unmatched(path, f"{word} matches nothing.", nearest(word, fillable(parts)))


def fillable(parts: list[nn.Module]) -> set[str]:
    """Return the class names that a rule could mean: of modules with a weight or a bias."""
    return known_classes(
        part
        for part in parts
        if part._parameters.get("weight") is not None or part._parameters.get("bias") is not None
    )


def is_a_class(word: str) -> bool:
    """Whether any loaded module class has this name: then it may well be meant for other models."""
    stack: list[type] = [nn.Module]
    seen: set[type] = set()
    while stack:
        kind = stack.pop()
        if kind.__name__ == word:
            return True
        seen.add(kind)
        stack.extend(sub for sub in kind.__subclasses__() if sub not in seen)
    return False
