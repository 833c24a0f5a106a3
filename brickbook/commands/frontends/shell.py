"""The front end of a shell; torch is loaded when a name in a line is looked up."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from brickbook.init.execution import InitReport
    from brickbook.init.planning import InitPlan

__all__ = ["ShellFrontend"]


@dataclass(frozen=True)
class ShellFrontend:
    """A shell: models by what makes them, everything else in files."""

    prefix: str = "brickbook"
    is_shell: bool = True
    has_widgets: bool = False

    @property
    def namespace(self) -> MutableMapping[str, Any]:
        """No variables."""
        return {}

    def model(self, name: str) -> nn.Module:
        """``module:callable``, ``file.py:callable``, ``torchvision:NAME`` or ``timm:NAME``."""
        from brickbook.commands.user_code.load_model import load_model

        return load_model(name)

    def config(self, name: str) -> Any:
        """A file with JSON or a Python literal, or the literal itself."""
        from brickbook.commands.arguments import read_config, read_inline
        from brickbook.commands.frontends.notebook import require_config

        found = read_inline(name)
        return require_config(read_config(name) if found is None else found, name)

    def record_or_model(self, name: str) -> Any:
        """A record as JSON, a checkpoint, or a model."""
        from brickbook.commands.frontends.notebook import read_record_file

        found = read_record_file(name)
        return self.model(name) if found is None else found

    def variable_names(self, kind: str, typed: str) -> Iterable[str]:
        """No variables."""
        return ()

    def model_lock(self) -> AbstractContextManager[object]:
        """Nobody else writes."""
        return nullcontext()

    def execute(
        self, plan: InitPlan, model: nn.Module, seed: int | None, atomic: bool, batch: Any
    ) -> InitReport:
        """Initialise a model."""
        from brickbook.init.execution import execute

        return execute(plan, model, seed=seed, atomic=atomic, batch=batch)
