"""Which modules bring a config, a default or custom init code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import nn

from brickbook.config import required_arguments
from brickbook.init.planning.config import RuleEntry, read_rules

__all__ = [
    "AlreadyInitialized",
    "ConfigSource",
    "CustomInit",
    "collect_sources",
    "is_base_module",
    "is_plan_driven",
    "plan_driven",
]

Method = TypeVar("Method", bound=Callable[..., Any])
PLAIN_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
PLAN_DRIVEN_MARK = "_brickbook_planned"


def plan_driven(method: Method) -> Method:
    """Mark an ``init_weights`` that does no more than carry out a plan."""
    setattr(method, PLAN_DRIVEN_MARK, True)
    return method


def is_plan_driven(method: object) -> bool:
    """Whether an ``init_weights`` does no more than carry out a plan."""
    return getattr(method, PLAN_DRIVEN_MARK, False)


@dataclass(frozen=True)
class ConfigSource:
    """The entries of one module's ``init_cfg``.

    Attributes:
        name: the module's name in the model.
        module: the module.
        entries: its rules.
        is_default: they are the default of its class, which any other rule overrides.
        from_base_module: the module is a BaseModule, which counts as initialised afterwards.
    """

    name: str
    module: nn.Module
    entries: tuple[RuleEntry, ...]
    is_default: bool = False
    from_base_module: bool = False


@dataclass(frozen=True)
class CustomInit:
    """A custom ``init_weights``, called as its author wrote it.

    Attributes:
        name: the module's name in the model.
        module: the module.
        missing: the arguments that it needs; with any it is not called.
    """

    name: str
    module: nn.Module
    missing: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """What a plan calls it."""
        return f"{self.name}.init_weights" if self.name else "init_weights"


@dataclass(frozen=True)
class AlreadyInitialized:
    """A module that is initialised already: what its own rules match is left as it is.

    ``keep_all`` leaves everything below it: its rules do not say what was written.
    """

    name: str
    module: nn.Module
    entries: tuple[RuleEntry, ...]
    keep_all: bool


def collect_sources(
    model: nn.Module, *, root_custom_init: bool = True, reinitialize: bool = False
) -> Iterator[ConfigSource | CustomInit | AlreadyInitialized]:
    """Yield what the modules of a model bring for their initialisation, outer before inner.

    A BaseModule's ``init_cfg`` counts wherever it stands, inside plain containers as well. A custom
    ``init_weights`` is called where mmcv would: on children of a module with ``init_weights``, here
    also through plain torch containers and wrappers. Nothing below it is looked at: it initialises
    its children itself. One that needs arguments is not called, and what is below is looked at.

    Args:
        model: the model.
        root_custom_init: call the model's own custom ``init_weights``; False where it is running.
        reinitialize: take modules that are initialised already for new ones.
    """
    seen: set[nn.Module] = set()

    def visit(
        module: nn.Module, name: str, inside: bool
    ) -> Iterator[ConfigSource | CustomInit | AlreadyInitialized]:
        if module in seen:
            return
        seen.add(module)
        root = module is model
        base = is_base_module(module)
        custom = has_custom_init(module) and (root_custom_init or not root)
        missing = required_arguments(getattr(module, "init_weights")) if custom else ()  # noqa: B009
        uncalled, custom = bool(missing), custom and not missing
        if getattr(module, "is_init", False) is True and not root and not reinitialize:
            keep_all = custom or not base
            entries = () if keep_all else read_own_entries(module, name)
            yield AlreadyInitialized(name, module, entries, keep_all)
        elif custom and (root or inside or base):
            yield CustomInit(name, module)
            return
        elif uncalled and (root or inside or base):
            yield CustomInit(name, module, missing)
        if base or hasattr(module, "default_init_cfg"):
            yield ConfigSource(
                name,
                module,
                read_own_entries(module, name),
                is_default=not base,
                from_base_module=base,
            )
        through = isinstance(module, PLAIN_CONTAINERS) or list(module._modules) == ["module"]
        for key, child in module.named_children():
            below = base or (inside and through)
            yield from visit(child, f"{name}.{key}" if name else key, below)

    yield from visit(model, "", False)


def is_base_module(module: nn.Module) -> bool:
    """Whether a module is a BaseModule: one of its classes has the plan-driven ``init_weights``."""
    return hasattr(module, "init_cfg") and any(
        is_plan_driven(vars(kind).get("init_weights")) for kind in type(module).__mro__
    )


def read_own_entries(module: nn.Module, name: str) -> tuple[RuleEntry, ...]:
    """Read a BaseModule's ``init_cfg``, or the default that another class states."""
    prefix = f"{name}." if name else ""
    if not is_base_module(module):
        default = getattr(module, "default_init_cfg", None)
        return read_rules(default(), f"{prefix}default") if callable(default) else ()
    cfg = getattr(module, "init_cfg", None)
    return read_rules(cfg, f"{prefix}init_cfg") if cfg else ()


def has_custom_init(module: nn.Module) -> bool:
    """Whether a module has an ``init_weights`` that is not plan-driven."""
    method = getattr(type(module), "init_weights", None)
    return callable(method) and not is_plan_driven(method)
