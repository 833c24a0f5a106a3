"""Modules that start themselves: each may carry an ``init_cfg``, inner ones win."""

from __future__ import annotations

import warnings
from abc import ABCMeta
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import nn

from brickbook.arguments import copied
from brickbook.init.apply import carry_out
from brickbook.init.collect import planned
from brickbook.init.plan import Frozen, Options, Order, plan_below
from brickbook.init.report import InitReport

__all__ = ["BaseModule", "ModuleDict", "ModuleList", "Sequential"]

InitCfg = Mapping[str, Any] | list[Mapping[str, Any]] | None


class BaseModule(nn.Module, metaclass=ABCMeta):
    """An ``nn.Module`` that knows how to start: ``init_weights`` carries out its ``init_cfg``.

    ``init_cfg`` is one config of an initialiser, a list of them, or None; it is copied. The
    configs of modules further in win over it, also through plain torch containers.
    """

    def __init__(self, init_cfg: InitCfg = None) -> None:
        super().__init__()
        self._is_init = False
        self.init_cfg = copied(init_cfg)

    @property
    def is_init(self) -> bool:
        """Whether this module's weights were started; set it to keep ``init_weights`` away."""
        return self._is_init

    @is_init.setter
    def is_init(self, value: bool) -> None:
        self._is_init = value

    @planned
    def init_weights(
        self,
        *,
        seed: int | None = None,
        strict: bool = False,
        order: Order = "brickbook",
        frozen: Frozen = "init",
        only_missing: bool = False,
        protect: Sequence[str | type] | str | type = (),
        reinitialize: bool = False,
        atomic: bool = False,
        batch: object = None,
    ) -> InitReport | None:
        """Start this module and all modules in it, each tensor once, and report what was done.

        Every config of the tree is read and checked before the first weight is written. A second
        call warns and does nothing (None), unless it is told to ``reinitialize``. The options are
        those of `initialize`.
        """
        if self._is_init and not reinitialize:
            warnings.warn(
                f"init_weights of {type(self).__name__} has been called more than once.",
                stacklevel=2,
            )
            return None
        options = Options(strict, order, frozen, only_missing, protect, reinitialize)
        todo, tensors = plan_below(self, options)
        return carry_out(todo, self, seed=seed, atomic=atomic, batch=batch, tensors=tensors)

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
