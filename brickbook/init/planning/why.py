"""Why a tensor is left as it is, as a value; the sentence is made where it is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

__all__ = ["Reason", "Why"]


class Why(Enum):
    """The kinds of reasons, each with its sentence; ``{}`` stand for the details of one case."""

    TIED = "it is {}"  # the name that the plan has for the same tensor
    PROTECTED = "{} protects it"  # the path of the pattern
    FROZEN = "it is frozen"
    LOADED = "it was loaded from {}"  # the checkpoint
    SAID_TO_BE_LOADED = "{} says that it was loaded"  # the path of the pattern
    ALREADY_INITIALIZED = "{} is already initialised"  # the module around it
    SET_THROUGH = "it is set through {}"  # the parametrised tensor that has a law
    COMPUTED_FROM = "it is {} over its largest singular value"  # what is set instead
    SOURCE_OF = "it is what {} is computed from"  # a tensor whose parametrisation has no inverse
    NORM_AMONG_OTHERS = "a norm met along with other layers keeps its own"
    NORM_TOO_FLAT = "{} needs {} dimensions; a norm keeps its own"  # initialiser, number
    MAY_FILL = "{} may fill it"  # paths of custom init code and checkpoints
    NOT_FILLED = "{} did not fill it"  # paths of custom init code
    NOT_IN_CHECKPOINT = "the checkpoint of {} has no such tensor"  # paths of checkpoints
    PLAIN_ATTRIBUTE = "it is neither a parameter nor a buffer"
    NEEDS_ARGUMENTS = "{} needs {} and is not called"  # the path of custom init code, arguments
    NO_RULE = "no rule speaks of {}"  # the layer's class
    UNFILLABLE = "{}"  # what `unfillable_reason` says; last, because every sentence fits it


@dataclass(frozen=True)
class Reason:
    """Why one tensor is left as it is; its text is the sentence that a plan shows.

    >>> str(Reason(Why.NO_RULE, "Conv1d"))
    'no rule speaks of Conv1d'
    """

    kind: Why
    details: tuple[str, ...]

    def __init__(self, kind: Why, *details: str) -> None:
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "details", details)

    def __str__(self) -> str:
        return self.kind.value.format(*self.details)

    def to_list(self) -> list[str]:
        """Return the kind and its details, as JSON-able values."""
        return [self.kind.name, *self.details]

    @classmethod
    def from_row(cls, data: Mapping[str, Any]) -> Reason | None:
        """Read the reason of a row's JSON; a file of an older version has its sentence alone."""
        if data.get("why"):
            kind, *details = data["why"]
            return cls(Why[kind], *details)
        kinds = [kind for kind in Why if (kind is Why.TIED) == bool(data.get("tied_to"))]
        for kind in kinds:
            pattern = re.escape(kind.value).replace(r"\{\}", "(.+)")
            if found := re.fullmatch(pattern, data.get("reason", "")):
                return cls(kind, *found.groups())
        return None
