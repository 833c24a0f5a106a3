"""The initialiser that loads a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from brickbook.checkpoint import load_state_dict, read_state
from brickbook.errors import BadArgumentError
from brickbook.init.initializers.base import INITIALIZERS

__all__ = ["PretrainedInit"]


@INITIALIZERS.register_module(name="Pretrained")
@dataclass
class PretrainedInit:
    """Load a checkpoint: a file or URL, all of it or the part under ``prefix``.

    Args:
        checkpoint: Where it is: whatever `brickbook.load_checkpoint` takes.
        prefix: The part of the file that is meant; None is all of it.
        map_location: The device that tensors are read to, the CPU by default.

    Raises:
        ConfigError: ``checkpoint`` is no name of one.
    """

    checkpoint: str
    prefix: str | None = None
    map_location: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is no name of a checkpoint."""
        if not isinstance(self.checkpoint, str) or not self.checkpoint:
            raise BadArgumentError("checkpoint", f"expected a str, got {self.checkpoint!r}.")

    def __call__(self, module: nn.Module) -> None:
        """Load what fits of the checkpoint into ``module``."""
        place = self.map_location or "cpu"
        load_state_dict(module, read_state(self.checkpoint, prefix=self.prefix, map_location=place))
