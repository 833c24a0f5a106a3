"""The claims of rules on tensors: which rule wants which law for which one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from torch import nn
from torch.nn.parameter import is_lazy

from brickbook.init.initializers import BaseInit
from brickbook.init.laws import Law
from brickbook.init.matching import Index, is_norm_layer
from brickbook.init.meeting import Hit
from brickbook.init.rows import Unmatched
from brickbook.init.targets import (
    Slot,
    held_in,
    packs,
    slots,
    slots_named,
    sources,
    unfit,
    unreachable,
    writable,
)
from brickbook.init.wishes import Wish

__all__ = ["Claim", "Claims", "everything", "identity"]


class Claim(NamedTuple):
    """One rule's wish for one tensor, the law that it comes to, and its place in the writing."""

    wish: Wish
    law: Law
    order: int


class Claims:
    """The claims on every tensor, in the order in which they are made.

    Tensors are known by `identity`; ``named`` are those of a module that are no parameters of its
    own: buffers that a rule names, and what a parametrisation computes. ``left`` says why a tensor
    that was met has no claim.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.claims: dict[int, list[Claim]] = {}
        self.left: dict[int, str] = {}
        self.named: dict[int, dict[str, Slot]] = {}
        self.unmatched: list[Unmatched] = []
        self.order = 0

    def claim_all(self, wish: Wish, index: Index, hits: Iterable[Hit]) -> set[int]:
        """Claim what a rule means of every layer it meets; return the places that have any."""
        filled = set()
        simple = wish.simple and type(wish.init).reach is BaseInit.reach
        for hit in hits:
            name, part = index.parts[hit.place]
            if simple and hit.direct and not hit.keys and self.claim_again(wish, part):
                filled.add(hit.place)
                continue
            reached = wish.init.reach(part)
            if reached is None:
                if self.claim(wish, name, part, hit):
                    filled.add(hit.place)
                continue
            inside = {id(below): full for full, below in Index(part, name).parts}
            if sum(self.claim(wish, inside[id(below)], below, Hit(0)) for below in reached):
                filled.add(hit.place)
        return filled

    def claim_again(self, wish: Wish, part: nn.Module) -> bool:
        """Claim a plain layer's parameters where the laws for its like are known already."""
        kind, known = type(part), wish.usual
        if packs(kind) or "parametrizations" in part._modules:
            return False
        found = []
        for key, tensor in part._parameters.items():
            if tensor is not None:
                law = None
                if writable(tensor):
                    law = known.get((kind, key, tensor.shape, tensor.dtype))
                if law is None:
                    return False
                found.append((id(tensor), law))
        claims, order, new = self.claims, self.order, tuple.__new__  # sooner than Claim(...)
        for me, law in found:
            mine = claims.get(me)
            if mine is None:
                order += 1
                claims[me] = [new(Claim, (wish, law, order))]
            elif mine[-1].wish is not wish:
                order += 1
                mine.append(Claim(wish, law, order))
        self.order = order
        return bool(found)

    def claim(self, wish: Wish, name: str, part: nn.Module, hit: Hit) -> int:
        """Claim what a layer is started by; return how many tensors the rule may mean of it."""
        by_key = bool(hit.keys)
        found = slots_named(part, hit.keys, alone=hit.direct) if by_key else slots(part)
        roles = None if by_key else wish.init.roles
        keeps = not hit.direct and not by_key and any(slot.role == "scale" for slot in found)
        if roles is not None:
            found = [slot for slot in found if slot.role in roles]
        if keeps:
            reason = "a norm met along with other layers keeps its own"
            for slot in found:
                self.left.setdefault(id(slot.tensor), reason)
            return len(found)
        count = len(found)
        for slot in found:
            if not self.claim_slot(wish, name, part, slot, hit):
                return count
        if not hit.keys:
            for key in unreachable(part):
                full = f"{name}.{key}" if name else key
                problem = f"cannot fill {full}: it is computed by a parametrisation."
                self.unmatched.append(Unmatched(wish.rule.path, problem))
                for tensor in sources(part, key):
                    self.left.setdefault(id(tensor), f"it is what {full} is computed from")
                count += 1
        return count

    def claim_slot(self, wish: Wish, name: str, part: nn.Module, slot: Slot, hit: Hit) -> bool:
        """Claim one tensor; False if the layer is to be left alone for that."""
        full = f"{name}.{slot.key}" if name else slot.key
        me = identity(part, slot)
        why = unfit(slot.tensor)
        if why:
            self.left[me] = why
            if not is_lazy(slot.tensor):
                self.unmatched.append(Unmatched(wish.rule.path, f"cannot fill {full}: {why}."))
            return True
        may_keep = is_norm_layer(part) and wish.kind != "layer"
        law = wish.law(self.model, part, slot, full, by_key=bool(hit.keys), may_keep=may_keep)
        if law is None:
            least = wish.recipe.least_dims
            reason = f"{wish.rule.kind} needs {least} dimensions; a norm keeps its own"
            self.left.update({id(p): reason for p in part._parameters.values()})
            return False
        if slot.key in ("weight", "bias") and not (slot.via or hit.keys):
            known = type(part), slot.key, slot.tensor.shape, slot.tensor.dtype
            wish.usual[known] = law
        claims = self.claims.setdefault(me, [])
        if not (claims and claims[-1].wish is wish):  # one claim for a tied tensor
            self.order += 1
            claims.append(Claim(wish, law, self.order))
        elif hit.keys:  # its own name says more than its layer's
            claims[-1] = Claim(wish, law, claims[-1].order)
        if slot.via or slot.role == "buffer":
            self.named.setdefault(id(part), {})[slot.key] = slot
        if slot.via:
            self.left.update((id(p), f"it is set through {full}") for p in held_in(part, slot))
        return True


def identity(part: nn.Module, slot: Slot) -> int:
    """Return what a tensor is known by: its own id, or that of the chain that computes it."""
    if slot.via:
        chains = part._modules["parametrizations"]
        return id(chains._modules[slot.key])  # pyright: ignore[reportOptionalMemberAccess]
    return id(slot.tensor)


def everything(part: nn.Module) -> Iterator[int]:
    """Yield what the tensors of one layer are known by: parameters, buffers, computed ones."""
    for tensor in (*part._parameters.values(), *part._buffers.values()):
        if tensor is not None:
            yield id(tensor)
    for slot in slots_named(part, "*"):
        if slot.via:
            yield identity(part, slot)
            yield from map(id, held_in(part, slot))
