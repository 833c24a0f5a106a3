"""Calls while they are recorded, by a run or a trace: what a record is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.introspect import class_name, plain_module_name
from brickbook.measure.network.families import family_of, family_of_function, is_leaf
from brickbook.measure.network.records import Family, NetworkNode, Part, Shape, State
from brickbook.measure.probe import collect_tensors

__all__ = ["Call", "CallLog", "shapes_of"]


@dataclass
class Call:
    """One call; ``module`` is None for functions and inputs."""

    name: str
    kind: str
    part: Part
    family: Family = "other"
    module: nn.Module | None = None
    parent: int = -1
    sources: set[int] = field(default_factory=set)
    input: tuple[Shape, ...] = ()
    output: tuple[Shape, ...] = ()
    count: int = 1
    state: State = "ok"
    error: str = ""

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What tells a call from others in every way of finding the flow."""
        return self.part, self.name, "" if self.module is not None else self.kind, self.count


class CallLog:
    """The calls of one run, and which groups are running."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.running: list[int] = []
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(self, call: Call) -> int:
        """Add a call, within the group that runs; return its place."""
        call.parent = self.running[-1] if self.running else -1
        what = (call.name, call.kind if call.part in ("function", "input") else "")
        self.counts[what] += 1
        call.count = self.counts[what]
        self.calls.append(call)
        return len(self.calls) - 1

    def add_module(self, name: str, module: nn.Module) -> int:
        """Add the call of a module."""
        part = "module" if is_leaf(module) else "group"
        return self.add(
            Call(plain_module_name(name), class_name(module), part, family_of(module), module)
        )

    def add_function(self, name: str, sources: set[int]) -> int:
        """Add the call of a function, named after the module that calls it."""
        where = self.calls[self.running[-1]].name if self.running else ""
        family = family_of_function(name) or ("join" if len(sources) > 1 else "other")
        return self.add(Call(where, name, "function", family, sources=set(sources)))

    def nodes(self) -> tuple[NetworkNode, ...]:
        """Return the calls as a record's nodes: each group, if anything runs in it, before that."""
        inside: dict[int, list[int]] = {}
        for at, call in enumerate(self.calls):
            inside.setdefault(call.parent, []).append(at)

        def walk(at: int) -> list[int]:
            below = [one for child in inside.get(at, ()) for one in walk(child)]
            call = self.calls[at]
            return [at, *below] if below or call.part != "group" or call.error else []

        kept = [one for at in inside.get(-1, ()) for one in walk(at)]
        place = {old: new for new, old in enumerate(kept)}
        return tuple(self.node(self.calls[at], place) for at in kept)

    def node(self, call: Call, place: dict[int, int]) -> NetworkNode:
        """Return a call as a node."""
        return NetworkNode(
            call.name, call.kind, call.part, call.family, place.get(call.parent, -1),
            tuple(sorted(place[at] for at in call.sources)), call.input, call.output,
            count_params(call.module), call.count, call.state, call.error,
        )  # fmt: skip


def count_params(module: nn.Module | None) -> int:
    """Count the elements of a module's parameters that have a shape; tied ones once."""
    return sum(p.numel() for p in module.parameters() if not is_lazy(p)) if module else 0


def shapes_of(value: object) -> tuple[Shape, ...]:
    """Return the shapes of the tensors in a value."""
    return shapes_of_tensors(collect_tensors(value))


def shapes_of_tensors(tensors: Iterable[Tensor]) -> tuple[Shape, ...]:
    """Return the shapes of tensors; a nested one has none."""
    return tuple(tuple(tensor.shape) for tensor in tensors if not tensor.is_nested)


def registered_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules that may be drawn, each before those inside: no insides of layers."""

    def walk(name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
        yield name, module
        if not is_leaf(module):
            for key, child in module._modules.items():
                if child is not None and id(child) not in above:
                    above.add(id(child))
                    yield from walk(f"{name}.{key}".lstrip("."), child)
                    above.discard(id(child))

    above = {id(model)}
    yield from walk("", model)
