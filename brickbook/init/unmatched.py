"""Which of a rule's words match nothing, and what may have been meant."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from torch import nn

from brickbook.errors import nearest
from brickbook.init.matching import Index, known_classes
from brickbook.init.meeting import Meeting
from brickbook.init.rows import Unmatched

__all__ = ["without_effect"]


def without_effect(
    path: str, meetings: Sequence[Meeting], index: Index, filled: Collection[int]
) -> Iterator[Unmatched]:
    """Say which of a rule's words match nothing, or match only what has nothing to fill.

    ``filled`` are the places of the layers that the rule claims something of. A class that is
    loaded but not in this model is passed over if the rule fills another: such lists are written
    for many models.
    """
    for meeting in meetings:
        selector, places = meeting.selector, [hit.place for hit in meeting.hits]
        shown = selector.text if isinstance(selector.word, type) else selector.word or "''"
        if not places and not (filled and is_a_class(selector.text)):
            yield Unmatched(path, f"{shown} matches nothing.", hint(meeting, index))
        elif places and not any(at in filled for at in places):
            if selector.keys:
                yield Unmatched(path, f"{shown} matches no parameter.", keys_hint(places, index))
            else:
                own = own_parameters(meeting, index)
                yield Unmatched(
                    path,
                    f"{shown} has no 'weight' or 'bias' parameter of its own.",
                    f"Name its parameters: {own}." if own else "",
                )


def hint(meeting: Meeting, index: Index) -> str:
    """Return the nearest name: of a class or a module for a plain word, else of a module."""
    selector, names = meeting.selector, {name for name in index.names if name}
    if selector.how == "pattern":
        written = str(selector.word).removeprefix("re:")
        return nearest(re.sub(r"[*?\[\]\\]|:\w+$", "", written), names)
    if "." in selector.text:
        return nearest(selector.text, names)
    classes = fillable([part for _, part in index.parts])
    close = nearest(selector.text, classes | names)
    return close if close.startswith("Did") else nearest(selector.text, classes)


def keys_hint(places: Sequence[int], index: Index) -> str:
    """List the parameters of the layers that were met."""
    return nearest("", {key for at in places for key in own_keys(index.parts[at][1])})


def own_parameters(meeting: Meeting, index: Index) -> str:
    """Spell the parameters of the layers met as patterns: ``'ViT:pos_embed'``."""
    found = {key for hit in meeting.hits for key in own_keys(index.parts[hit.place][1])}
    return ", ".join(repr(f"{meeting.selector.text}:{key}") for key in sorted(found)[:4])


def own_keys(part: nn.Module) -> list[str]:
    """Return the names of a layer's parameters; those that are None it does without."""
    return [key for key, tensor in part._parameters.items() if tensor is not None]


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
