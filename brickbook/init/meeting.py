"""Where a rule's words meet a model: the layers and parameters that it speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from brickbook.init.matching import COMPOSITES, Index, Selector
from brickbook.init.targets import role_of_weight

__all__ = ["Hit", "Meeting", "in_order", "meet"]


class Hit(NamedTuple):
    """A layer that is meant, by its place in an `Index`.

    ``keys`` is a pattern of its parameters, "" for those it is started by. ``direct`` is False
    where the layer is met along with others: then a norm keeps its own start.
    """

    place: int
    keys: str = ""
    direct: bool = True


@dataclass(frozen=True)
class Meeting:
    """One word of a rule and the layers that it means in a model; ``by`` says how."""

    selector: Selector
    hits: tuple[Hit, ...]
    by: str = "class"


def meet(selector: Selector, index: Index) -> Meeting:
    """Find what one word means: a class, else a module by name, else a parameter by name.

    A module that is named means all layers inside of it. Classes made of layers (attention,
    transformers) mean those as well.
    """
    if selector.how != "pattern":
        places = index.of_class((selector.word if selector.how == "class" else selector.text,))
        if places or selector.how == "class":
            return Meeting(selector, tuple(of_classes(places, selector.keys, index)))
    places = index.named(selector)
    if places:
        inside = index.below(places) if not selector.keys or selector.how == "word" else places
        direct = only_scales(inside, index)
        return Meeting(
            selector, tuple(Hit(at, selector.keys, direct) for at in inside), by="module"
        )
    if selector.keys:
        return Meeting(selector, (), by="module")
    named = (Hit(at, key) for at, key in index.parameters(selector))
    return Meeting(selector, tuple(named), by="parameter")


def of_classes(places: Sequence[int], keys: str, index: Index) -> Iterable[Hit]:
    """Return the layers of a class, and what those that are made of layers have inside."""
    made = [at for at in places if isinstance(index.parts[at][1], COMPOSITES)]
    if not made or keys:
        new = tuple.__new__  # sooner than Hit(...), and a class may have thousands of layers
        return [new(Hit, (at, keys, True)) for at in places]
    own = set(places)
    return [Hit(at, "", at in own) for at in sorted(own.union(index.below(made)))]


def only_scales(places: Iterable[int], index: Index) -> bool:
    """Whether none of the layers but norms has anything to start."""
    parts = (index.parts[at][1] for at in places)
    return all(
        role_of_weight(type(part)) == "scale"
        for part in parts
        if next(part.parameters(False), None) is not None
    )


def in_order(meetings: Iterable[Meeting]) -> list[Hit]:
    """Return every hit once, in the order of the layers; what one word means directly counts."""
    met = [meeting.hits for meeting in meetings]
    if len(met) == 1:
        return list(met[0])
    best: dict[tuple[int, str], Hit] = {}
    for hits in met:
        for hit in hits:
            key = hit.place, hit.keys
            if key not in best or hit.direct:
                best[key] = hit
    return [best[key] for key in sorted(best)]
