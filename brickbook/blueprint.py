"""The model under construction, as a value: every edit returns a new blueprint."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from brickbook.arguments import call, copied, parameters
from brickbook.errors import BadArgumentError, BadValueError, UnknownNameError, nearest
from brickbook.literals import is_python, spell
from brickbook.modules import Sequential
from brickbook.registry import Config, Registry, build_from_cfg, split_type

__all__ = ["MODELS", "Blueprint", "build_model_from_cfg", "kinds", "resolve"]


def build_model_from_cfg(
    cfg: Config | Sequence[Config],
    registry: Registry,
    default_args: Config | None = None,
    *,
    path: str = "cfg",
) -> Any:
    """Build a module from a config, or a `Sequential` from a list of configs."""
    if isinstance(cfg, (list, tuple)):
        parts = (
            build_from_cfg(part, registry, default_args, path=f"{path}[{at}]")
            for at, part in enumerate(cfg)
        )
        return Sequential(*parts)
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
    scope, name = Registry.split_scope_key(kind)
    families = kinds()
    if scope in families:
        families, kind = {scope: families[scope]}, name
    for word, registry in families.items():
        make = registry.get(kind)
        if make is not None:
            return word, make
    known = [name for registry in families.values() for name in registry.module_dict]
    raise UnknownNameError(f"{path}.type", f"no brick is called {kind!r}.", nearest(kind, known))


@dataclass(frozen=True)
class Blueprint:
    """A chain of bricks, each a config dict; nothing is built before `build`.

    >>> plan = Blueprint().insert(0, dict(type=nn.Linear, in_features=4, out_features=2))
    >>> plan.build()[0]
    Linear(in_features=4, out_features=2, bias=True)
    """

    bricks: tuple[Config, ...] = ()

    def __len__(self) -> int:
        return len(self.bricks)

    def insert(self, at: int, cfg: Config) -> Blueprint:
        """Return a blueprint with ``cfg`` before the brick that is at ``at`` now."""
        return Blueprint((*self.bricks[:at], copied(cfg), *self.bricks[at:]))

    def append(self, cfg: Config) -> Blueprint:
        """Return a blueprint with ``cfg`` at the end."""
        return self.insert(len(self), cfg)

    def remove(self, at: int) -> Blueprint:
        """Return a blueprint without the brick at ``at``; IndexError if there is none."""
        at = range(len(self))[at]
        return Blueprint(self.bricks[:at] + self.bricks[at + 1 :])

    def replace(self, at: int, cfg: Config) -> Blueprint:
        """Return a blueprint with ``cfg`` in the place of the brick at ``at``."""
        return self.remove(at).insert(range(len(self))[at], cfg)

    def move(self, at: int, to: int) -> Blueprint:
        """Return a blueprint with the brick at ``at`` taken out and put in again at ``to``."""
        return self.remove(at).insert(range(len(self))[to], self.bricks[at])

    def duplicate(self, at: int) -> Blueprint:
        """Return a blueprint with the brick at ``at`` twice in a row."""
        return self.insert(at, self.bricks[at])

    def build_brick(self, at: int) -> nn.Module:
        """Build the brick at ``at`` alone; an error's path starts with ``bricks[at]``."""
        path = f"bricks[{at}]"
        kind, kwargs = split_type(copied(self.bricks[at]), path)
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

    def build(self) -> Sequential:
        """Build the model: its bricks in a `Sequential`, in order."""
        return Sequential(*(self.build_brick(at) for at in range(len(self))))

    def to_python(self, name: str = "model") -> str:
        """Return Python that builds the same model when it is run.

        Raises ValueError for a value that has no Python text, such as a partial.
        """
        classes = {kind for brick in self.bricks for kind in classes_of(brick)}
        imports = sorted(
            f"from {kind.__module__} import {kind.__name__}"
            for kind in classes
            if kind.__module__ != "__main__"  # a class of the notebook is there already
        )
        bricks = [f"    {spell(brick)}," for brick in self.bricks]
        for at, line in enumerate(bricks):
            if not is_python(line):
                raise BadValueError(f"bricks[{at}]", f"cannot be written as Python: {line.strip()}")
        if any("torch." in line for line in bricks):
            imports.insert(0, "import torch")
        head = ("from brickbook import Blueprint", *imports, "")
        return "\n".join((*head, f"{name} = Blueprint((", *bricks, ")).build()", ""))

    def to_json(self) -> str:
        """Return the bricks as JSON text; tuples become lists."""
        return json.dumps([dict(brick) for brick in self.bricks], indent=2)

    @classmethod
    def from_json(cls, text: str) -> Blueprint:
        """Read what `to_json` wrote: a list of objects with a ``type``."""
        return cls.from_config(json.loads(text))

    @classmethod
    def from_config(cls, cfg: object) -> Blueprint:
        """Take a brick's config or a list of them."""
        parts = [cfg] if isinstance(cfg, Mapping) else cfg
        if not isinstance(parts, (list, tuple)):
            raise BadArgumentError("cfg", f"expected a dict or a list of dicts, got {cfg!r}.")
        for at, part in enumerate(parts):
            split_type(part, f"bricks[{at}]")
        return cls(tuple(dict(part) for part in parts))


def classes_of(value: Any) -> Iterator[type]:
    """Yield the classes that a config holds, at any depth."""
    if isinstance(value, type):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from classes_of(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from classes_of(part)
