"""Modules that initialise themselves: each may carry an ``init_cfg``, inner ones win."""

from __future__ import annotations

import warnings
from abc import ABCMeta
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from torch import nn

from brickbook.config import copy_config
from brickbook.init.execution import InitReport, execute
from brickbook.init.planning import (
    FrozenPolicy,
    InitOptions,
    PrecedenceOrder,
    plan_base_module,
    plan_driven,
)

__all__ = ["BaseModule", "InitCfg", "ModuleDict", "ModuleList", "Sequential"]

InitCfg = Mapping[str, Any] | list[Mapping[str, Any]] | None


class BaseModule(nn.Module, metaclass=ABCMeta):
    """An ``nn.Module`` with an ``init_cfg``, which ``init_weights`` carries out.

    ``init_cfg`` is one config of an initialiser, a list of them, or None; it is copied. The
    configs of modules further in win over it, also through plain torch containers.
    """

    def __init__(self, init_cfg: InitCfg = None) -> None:
        super().__init__()
        self._is_init = False
        self.init_cfg = copy_config(init_cfg)

    @property
    def is_init(self) -> bool:
        """Whether this module's weights were initialised; set it to keep ``init_weights`` away."""
        return self._is_init

    @is_init.setter
    def is_init(self, value: bool) -> None:
        self._is_init = value

    @plan_driven
    def init_weights(
        self,
        *,
        seed: int | None = None,
        strict: bool = False,
        order: PrecedenceOrder = "brickbook",
        frozen: FrozenPolicy = "init",
        only_missing: bool = False,
        protect: Sequence[str | type] | str | type = (),
        reinitialize: bool = False,
        assume_loaded: Collection[str | type] | str | type | None = None,
        atomic: bool = False,
        batch: object = None,
    ) -> InitReport | None:
        """Initialise this module and all modules in it, each tensor once, and report what was done.

        Every config of the tree is read and checked before the first weight is written. A second
        call warns and does nothing (None), unless ``reinitialize`` is given. The options are
        those of `initialize`.
        """
        if self._is_init and not reinitialize:
            warnings.warn(
                f"init_weights of {type(self).__name__} has been called more than once.",
                stacklevel=2,
            )
            return None
        options = InitOptions(
            strict, order, frozen, only_missing, protect, reinitialize, assume_loaded
        )
        todo, tensors = plan_base_module(self, options)
        return execute(todo, self, seed=seed, atomic=atomic, batch=batch, tensors=tensors)

    def __repr__(self) -> str:
        text = super().__repr__()
        return f"{text}\ninit_cfg={self.init_cfg}" if self.init_cfg else text


class Sequential(BaseModule, nn.Sequential):
    """``nn.Sequential`` with an ``init_cfg``."""

    def __init__(self, *args: Any, init_cfg: InitCfg = None) -> None:
        BaseModule.__init__(self, init_cfg)
        nn.Sequential.__init__(self, *args)


class ModuleList(BaseModule, nn.ModuleList):
    """``nn.ModuleList`` with an ``init_cfg``."""

    def __init__(
        self, modules: Iterable[nn.Module] | None = None, init_cfg: InitCfg = None
    ) -> None:
        BaseModule.__init__(self, init_cfg)
        nn.ModuleList.__init__(self, modules)


class ModuleDict(BaseModule, nn.ModuleDict):
    """``nn.ModuleDict`` with an ``init_cfg``."""

    def __init__(
        self, modules: Mapping[str, nn.Module] | None = None, init_cfg: InitCfg = None
    ) -> None:
        BaseModule.__init__(self, init_cfg)
        nn.ModuleDict.__init__(self, modules)
