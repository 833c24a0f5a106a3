"""Where rules come from: one ``init_cfg`` for a model, or those that its modules carry."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import nn

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
    """The entries of one module's ``init_cfg``; ``default`` ones give way to all others."""

    name: str
    module: nn.Module
    entries: tuple[Entry, ...]
    default: bool = False


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


def collect(model: nn.Module) -> Iterator[Source | Call | Kept]:
    """Yield what the modules of a tree say of their start, outer before inner.

    A module's ``init_cfg`` counts wherever it stands, inside plain containers as well. An
    ``init_weights`` of a class's own is called where mmcv would: on children of a module with
    ``init_weights``, here also through plain torch containers; never deeper inside foreign code.
    """
    seen: set[nn.Module] = set()

    def visit(module: nn.Module, name: str, inside: bool) -> Iterator[Source | Call | Kept]:
        if module in seen:
            return
        seen.add(module)
        entries = own_entries(module, name)
        root = module is model
        started = getattr(module, "is_init", False) is True and not root
        foreign = not root and runs_own_code(module)
        if started:
            yield Kept(name, module, entries, foreign or not hasattr(module, "init_cfg"))
        else:
            if entries:
                yield Source(name, module, entries, default=not hasattr(module, "init_cfg"))
            if foreign and (inside or hasattr(module, "init_cfg")):
                yield Call(name, module)
                return
        speaks = hasattr(module, "init_cfg") or (inside and isinstance(module, PLAIN_CONTAINERS))
        for key, child in module.named_children():
            yield from visit(child, f"{name}.{key}" if name else key, speaks)

    yield from visit(model, "", False)


def own_entries(module: nn.Module, name: str) -> tuple[Entry, ...]:
    """Read a module's ``init_cfg``, or the default that its class states."""
    prefix = f"{name}." if name else ""
    cfg = getattr(module, "init_cfg", None)
    if cfg:
        return read_rules(cfg, f"{prefix}init_cfg")
    default = getattr(module, "default_init_cfg", None)
    return read_rules(default(), f"{prefix}default") if callable(default) else ()


def runs_own_code(module: nn.Module) -> bool:
    """Whether a module has an ``init_weights`` that is no plan and that can be called bare."""
    method = getattr(type(module), "init_weights", None)
    if not callable(method) or getattr(method, MARK, False):
        return False
    needed = [
        p
        for p in list(inspect.signature(method).parameters.values())[1:]
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    return not needed
