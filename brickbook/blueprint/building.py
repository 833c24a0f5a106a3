"""Bricks from their configs: the registry of models, what a ``type`` means, and the making."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import nn

from brickbook.arguments import call, copied, parameters
from brickbook.blueprint.inferring import inferable, stated
from brickbook.blueprint.slots import Slot, slots_of
from brickbook.blueprint.tree import Path, chain_of, path_text
from brickbook.callables import name_of
from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    ConfigError,
    UnknownNameError,
    nearest,
)
from brickbook.modules import Sequential
from brickbook.registry import Config, Registry, build_from_cfg, find, split_type

__all__ = [
    "MODELS", "Known", "Maker", "build_model_from_cfg", "holding", "kinds", "leaves_open",
    "looked_up", "make_brick", "resolve", "slots_in",
]  # fmt: skip

# The arguments found for a brick, by its path; more than one where a Repeat makes it again.
Known = Mapping[Path, Sequence[Config]]


def build_model_from_cfg(
    cfg: Config | Sequence[Config],
    registry: Registry,
    default_args: Config | None = None,
    *,
    path: str = "cfg",
) -> Any:
    """Build a module from a config, or a `Sequential` from a list of configs.

    Where a class takes bricks (`takes_bricks`), their configs may be of any kind.
    """
    if isinstance(cfg, (list, tuple)):
        parts = (
            build_model_from_cfg(part, registry, default_args, path=f"{path}[{at}]")
            for at, part in enumerate(cfg)
        )
        return Sequential(*parts)
    if isinstance(cfg, Mapping) and "type" in cfg:
        slots = slots_of(find(cfg["type"], registry, path))
        if slots:
            cfg = Maker(root=path).filled({**(default_args or {}), **cfg}, slots, ())
    return build_from_cfg(cfg, registry, default_args, path=path)  # pyright: ignore[reportArgumentType]


MODELS = Registry("model", build_func=build_model_from_cfg)


def kinds() -> dict[str, Registry]:
    """Return every registry a brick may come from, by the word that says its kind."""
    return {"model": MODELS, **MODELS.children}


def resolve(kind: object, path: str = "cfg") -> tuple[str, Callable[..., Any]]:
    """Return the kind ("conv", "norm", …) and the class that a brick's ``type`` means.

    A name is looked up in `MODELS`, then in its children in the order of their making; a scope
    (``"upsample.deconv"``) chooses the child. Raises KeyError for an unknown name.
    """
    if callable(kind):
        return "class", kind
    if not isinstance(kind, str):
        raise BadArgumentError(
            f"{path}.type", f"type must be a str or valid type, but got {type(kind)}."
        )
    found = looked_up(kind)
    if found is None:
        known = [name for registry in kinds().values() for name in registry.module_dict]
        problem = f"no brick is called {kind!r}."
        raise UnknownNameError(f"{path}.type", problem, nearest(kind, known))
    return found


def looked_up(kind: str) -> tuple[str, Callable[..., Any]] | None:
    """Return the kind and the class of a name, None for an unknown one."""
    scope, name = Registry.split_scope_key(kind)
    families = kinds()
    if scope in families:
        families, kind = {scope: families[scope]}, name
    pairs = ((word, registry.get(kind)) for word, registry in families.items())
    return next(((word, make) for word, make in pairs if make is not None), None)


def make_brick(cfg: Config, path: str) -> nn.Module:
    """Build one brick whose bricks inside, if any, are made already."""
    kind, kwargs = split_type(cfg, path)
    word, make = resolve(kind, path)
    family = kinds().get(word)
    if family is not None:
        own = {"type": kind.removeprefix(f"{word}."), **kwargs}
        where = {"path": path} if "path" in parameters(family.build_func).named else {}
        built = family.build(own, **where)  # a family may add arguments
    else:
        built = call(make, (), kwargs, path)
    if not isinstance(built, nn.Module):
        raise BadValueError(f"{path}.type", f"{kind} builds no nn.Module.")
    return built


class Maker:
    """Builds the bricks of a tree; an error's path starts with ``root``.

    ``known`` are arguments that bricks leave out. The meta-device run makes bricks that wait for
    their input, by a `brick` of its own.
    """

    def __init__(self, known: Known | None = None, root: str = "bricks") -> None:
        self.known = known or {}
        self.root = root
        self.turns: defaultdict[Path, int] = defaultdict(int)

    def brick(self, cfg: Config, path: Path) -> nn.Module:
        """Build a brick with everything in it."""
        text = path_text(path, self.root)
        kind, _ = split_type(cfg, text)
        make = resolve(kind, text)[1]
        slots = slots_of(make)
        own = {key: value for key, value in cfg.items() if key not in slots}
        turn, found = self.turn(path), self.known.get(path, ())
        more = found[turn] if turn < len(found) else {}
        left = [name for name in inferable(own, make) if name not in more]
        if left:
            problem = f"{name_of(make)} also needs {', '.join(left)}."
            raise BadArgumentError(text, problem, "build(input_shape=...) finds it.")
        inside = {key: cfg[key] for key in slots if key in cfg}
        whole = {**stated(copied(own), make), **more, **inside}
        return make_brick(self.filled(whole, slots, path), text)

    def turn(self, path: Path) -> int:
        """Count how often the brick at a path was made."""
        self.turns[path] += 1
        return self.turns[path] - 1

    def chain(self, bricks: object, path: Path) -> Sequential:
        """Build bricks that run one after the other."""
        parts = chain_of(bricks)
        return Sequential(*(self.brick(cfg, (*path, at)) for at, cfg in enumerate(parts)))

    def filled(self, cfg: Config, slots: Mapping[str, Slot], path: Path) -> dict[str, Any]:
        """Return a config with modules where its bricks were."""
        made = dict(cfg)
        for name, slot in slots.items():
            value, here = cfg.get(name), (*path, name)
            if not isinstance(value, (Mapping, list, tuple)):
                continue  # None, or made already
            if slot == "chain":
                made[name] = self.chain(value, here)
            elif slot == "maker":
                made[name] = partial(self.chain, value, here)
            else:
                parts = enumerate(chain_of(value))
                made[name] = [
                    part if isinstance(part, nn.Module) else self.chain(part, (*here, at))
                    for at, part in parts
                ]
        return made


def slots_in(cfg: Mapping[str, Any]) -> Mapping[str, Slot]:
    """Return the arguments of a brick that hold bricks; none for an unknown type."""
    kind = cfg.get("type")
    if isinstance(kind, str):  # no error is made, whose hint would take its time
        found = looked_up(kind)
        return slots_of(found[1]) if found else {}
    return slots_of(kind) if callable(kind) else {}


def holding(kind: object, bricks: list[Any]) -> dict[str, Any]:
    """Return the config of a new brick that holds ``bricks``.

    >>> holding("Concat", [{"type": "ReLU"}])
    {'type': 'Concat', 'branches': [[{'type': 'ReLU'}], []]}
    """
    slots = slots_in({"type": kind})
    if not slots:
        resolve(kind)
        raise BadValueError("type", f"{kind} holds no bricks.")
    name, slot = next(iter(slots.items()))
    cfg: dict[str, Any] = {"type": kind}
    if kind == "Repeat":
        cfg["times"] = 2
    return {**cfg, name: [bricks, []] if slot == "chains" else bricks}


def leaves_open(cfg: Config) -> bool:
    """Whether a brick leaves arguments to be found."""
    try:
        return bool(inferable(cfg, resolve(cfg.get("type"))[1]))
    except ConfigError:
        return False
