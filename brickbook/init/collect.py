"""Where rules come from: one ``init_cfg`` for a model, or those that its modules carry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import nn

from brickbook.callables import needs_nothing
from brickbook.init.rules import Entry, read_rules

__all__ = ["Call", "Kept", "Source", "collect", "planned"]

F = TypeVar("F", bound=Callable[..., Any])
PLAIN_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
MARK = "_brickbook_planned"


def planned(method: F) -> F:
    """Mark an ``init_weights`` that does no more than carry out a plan."""
    setattr(method, MARK, True)
    return method


@dataclass(frozen=True)
class Source:
    """The entries of one module's ``init_cfg``; ``default`` ones give way to all others.

    ``starts`` says that the module is started by carrying them out: it is a BaseModule.
    """

    name: str
    module: nn.Module
    entries: tuple[Entry, ...]
    default: bool = False
    starts: bool = False


@dataclass(frozen=True)
class Call:
    """A class's own ``init_weights``, called as its author wrote it."""

    name: str
    module: nn.Module

    @property
    def path(self) -> str:
        """What a plan calls it."""
        return f"{self.name}.init_weights" if self.name else "init_weights"


@dataclass(frozen=True)
class Kept:
    """A part that is started already: what its own rules speak of is left as it is."""

    name: str
    module: nn.Module
    entries: tuple[Entry, ...]
    whole: bool


def collect(
    model: nn.Module, *, own_code: bool = True, again: bool = False
) -> Iterator[Source | Call | Kept]:
    """Yield what the modules of a tree say of their start, outer before inner.

    A BaseModule's ``init_cfg`` counts wherever it stands, inside plain containers as well. An
    ``init_weights`` that is somebody's own code is called where mmcv would: on children of a
    module with ``init_weights``, here also through plain torch containers and wrappers, never
    deeper inside foreign code. What is below it is its own affair. ``own_code=False`` passes over
    the model's own, which is running already; ``again=True`` takes parts that are started already
    for new ones.
    """
    seen: set[nn.Module] = set()

    def visit(module: nn.Module, name: str, inside: bool) -> Iterator[Source | Call | Kept]:
        if module in seen:
            return
        seen.add(module)
        root = module is model
        base = starts_itself(module)
        foreign = runs_own_code(module) and (own_code or not root)
        if getattr(module, "is_init", False) is True and not root and not again:
            whole = foreign or not base
            yield Kept(name, module, () if whole else own_entries(module, name), whole)
        elif foreign and (root or inside or base):
            yield Call(name, module)
            return
        elif base or hasattr(module, "default_init_cfg"):
            yield Source(name, module, own_entries(module, name), default=not base, starts=base)
        through = isinstance(module, PLAIN_CONTAINERS) or list(module._modules) == ["module"]
        for key, child in module.named_children():
            below = base or (inside and through)
            yield from visit(child, f"{name}.{key}" if name else key, below)

    yield from visit(model, "", False)


def starts_itself(module: nn.Module) -> bool:
    """Whether a module is a BaseModule: some class of it has the ``init_weights`` that plans."""
    return hasattr(module, "init_cfg") and any(
        getattr(vars(kind).get("init_weights"), MARK, False) for kind in type(module).__mro__
    )


def own_entries(module: nn.Module, name: str) -> tuple[Entry, ...]:
    """Read a BaseModule's ``init_cfg``, or the default that another class states."""
    prefix = f"{name}." if name else ""
    if not starts_itself(module):
        default = getattr(module, "default_init_cfg", None)
        return read_rules(default(), f"{prefix}default") if callable(default) else ()
    cfg = getattr(module, "init_cfg", None)
    return read_rules(cfg, f"{prefix}init_cfg") if cfg else ()


def runs_own_code(module: nn.Module) -> bool:
    """Whether a module has an ``init_weights`` that is no plan and that can be called bare."""
    method = getattr(type(module), "init_weights", None)
    if not callable(method) or getattr(method, MARK, False):
        return False
    return needs_nothing(method)
