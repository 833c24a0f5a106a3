"""Another type for a brick: what it says already stays, where the new one takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from brickbook.arguments import fits, parameters
from brickbook.blueprint.building import slots_in
from brickbook.blueprint.inferring import AXES
from brickbook.blueprint.slots import slots_of
from brickbook.blueprint.tree import chains_in
from brickbook.lab.starting import suggest

__all__ = ["retyped"]

# Arguments that mean the same under another name.
ALIKE: tuple[frozenset[str], ...] = (
    frozenset({"in_channels", "in_features", "num_features", "num_channels"}),
    frozenset({"out_channels", "out_features"}),
)


def retyped(
    cfg: Mapping[str, Any],
    kind: object,
    make: Callable[..., Any],
    shape: tuple[int, ...] | None,
) -> dict[str, Any]:
    """Return a config of type ``kind`` that keeps the arguments which fit.

    What is still missing starts as in a new brick after an output of ``shape``. The bricks that
    it holds go into the new brick, if that holds any.
    """
    takes = parameters(make)
    held, slots = slots_in(cfg), slots_of(make)
    said = {key: value for key, value in cfg.items() if key != "type" and key not in held}
    kept = {key: value for key, value in said.items() if fits_in(key, value, takes)}
    for group in ALIKE:
        old = next((key for key in said if key in group and key not in kept), None)
        new = next((key for key in takes.required if key in group and key not in kept), None)
        if old and new and new not in AXES and fits_in(new, said[old], takes):
            kept[new] = said[old]
    begun = {key: value for key, value in suggest(make, shape).items() if key not in kept}
    if kept:  # a padding belongs to the kernel that was suggested with it
        begun = {key: value for key, value in begun.items() if key in takes.required}
    made = {"type": kind, **begun, **kept}
    chains = [list(chain) for _, chain in chains_in(cfg, held, ()) if chain]
    if slots and chains:
        made.update(refilled(slots, chains))
    return made


def fits_in(key: str, value: Any, takes: Any) -> bool:
    """Whether an argument can stay."""
    if key not in takes.named:
        return False
    hint = takes.hints.get(key)
    return hint is None or fits(hint, value)


def refilled(slots: Mapping[str, str], chains: list[list[Any]]) -> dict[str, Any]:
    """Put chains of bricks into the places of another brick; the last place takes what is left."""
    made: dict[str, Any] = {}
    names = list(slots)
    for at, name in enumerate(names):
        rest = chains[at:]
        if slots[name] == "chains":
            made[name] = [*rest, *([[]] * (2 - len(rest)))]
        elif at == len(names) - 1:
            if rest:
                made[name] = [brick for chain in rest for brick in chain]
        elif rest:
            made[name] = rest[0]
    return made
