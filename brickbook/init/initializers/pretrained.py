"""The initialiser that loads a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import nn

from brickbook.checkpoint import (
    REVISE_KEYS,
    ReviseKeys,
    check_load_options,
    check_map_location,
    load_state_dict,
    read_state,
)
from brickbook.errors import BadArgumentError, format_value, wrong_value
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
        key: Which of a file's state dicts is meant: 'teacher', 'ema.params'.
        revise_keys: Pairs, or a dict, of a pattern and its replacement in the names of the file.
        adapt: What may be changed to fit: 'positions', 'channels', 'classes'.
        trust: Whether to read a file that may hold anything, which can run anything.

    Raises:
        ConfigError: ``checkpoint`` is no name of one, or another argument cannot be used.
    """

    checkpoint: str
    prefix: str | None = None
    map_location: str | None = None
    key: str | None = None
    revise_keys: ReviseKeys = REVISE_KEYS
    adapt: str | Collection[str] = ()
    trust: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be used, and keep pairs and words as tuples."""
        if not isinstance(self.checkpoint, str) or not self.checkpoint:
            raise BadArgumentError("checkpoint", wrong_value("a str", self.checkpoint))
        check_map_location(self.map_location, "map_location", present=False)
        self.revise_keys, self.adapt = check_load_options(
            prefix=self.prefix,
            key=self.key,
            revise_keys=self.revise_keys,
            adapt=self.adapt,
            trust=self.trust,
        )

    def __str__(self) -> str:
        """Write the checkpoint, and the arguments that are not the usual ones."""
        usual = {field.name: field.default for field in fields(self)[1:]}
        given = [
            f"{name}={format_value(value)}"
            for name, value in vars(self).items()
            if name in usual and value != usual[name]
        ]
        return f"{self.checkpoint} ({', '.join(given)})" if given else self.checkpoint

    def to_dict(self) -> dict[str, Any]:
        """Return the arguments as JSON-able values; a function is None."""
        pairs = [[pattern_text(find), put if isinstance(put, str) else None]
                 for find, put in self.revise_keys]  # fmt: skip
        place = self.map_location
        if isinstance(place, torch.device):
            place = str(place)
        named = None if callable(place) else place
        return {**vars(self), "map_location": named, "revise_keys": pairs, "adapt": [*self.adapt]}

    def __call__(self, module: nn.Module) -> None:
        """Load what fits of the checkpoint into ``module``."""
        state = read_state(
            self.checkpoint,
            prefix=self.prefix,
            map_location=self.map_location or "cpu",
            trust=self.trust,
            key=self.key,
            revise_keys=self.revise_keys,
        )
        load_state_dict(module, state, adapt=self.adapt)


def pattern_text(pattern: str | re.Pattern[str]) -> str:
    """Write a pattern with its flags.

    >>> pattern_text(re.compile("^a", re.I)), pattern_text("^a")
    ('(?i)^a', '^a')
    """
    if isinstance(pattern, str):
        return pattern
    letters = "".join(letter for letter in "aimsx" if pattern.flags & getattr(re, letter.upper()))
    return f"(?{letters}){pattern.pattern}" if letters else pattern.pattern
