"""Why a tensor is left as it is, as a value; the sentence is made where it is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from brickbook.i18n import Texts

__all__ = ["Reason", "Why"]


class Why(Enum):
    """The kinds of reasons. Their sentences are the texts ``why.…``; ``{}`` are the details."""

    TIED = "tied"  # the name that the plan has for the same tensor
    PROTECTED = "protected"  # the path of the pattern
    FROZEN = "frozen"
    LOADED = "loaded"  # the checkpoint
    SAID_TO_BE_LOADED = "said_to_be_loaded"  # the path of the pattern
    ALREADY_INITIALIZED = "already_initialized"  # the module around it
    SET_THROUGH = "set_through"  # the parametrised tensor that has a law
    COMPUTED_FROM = "computed_from"  # what is set instead
    SOURCE_OF = "source_of"  # a tensor whose parametrisation has no inverse
    NORM_AMONG_OTHERS = "norm_among_others"
    NORM_TOO_FLAT = "norm_too_flat"  # initialiser, number
    MAY_FILL = "may_fill"  # paths of custom init code and checkpoints
    NOT_FILLED = "not_filled"  # paths of custom init code
    NOT_IN_CHECKPOINT = "not_in_checkpoint"  # paths of checkpoints
    PLAIN_ATTRIBUTE = "plain_attribute"
    NEEDS_ARGUMENTS = "needs_arguments"  # the path of custom init code, arguments
    NO_RULE = "no_rule"  # the layer's class
    STARTED_BY = "started_by"  # a constructor; beside torch's own law
    REWRITTEN = "rewritten"  # beside torch's own law
    MAY_START = "may_start"  # the path of custom init code; beside torch's own law
    GIVEN = "given"  # a constructor; beside torch's own law or custom init code
    BY_DEFAULTS = "by_defaults"  # custom init code that was called, its arguments
    COMPUTED = "computed"  # the call
    OWN_CODE = "own_code"  # the call
    LEFT_EMPTY = "left_empty"
    NOT_SEEN = "not_seen"
    CONTRADICTED = "contradicted"  # a law
    UNFILLABLE = "unfillable"  # what `unfillable_reason` says; last: every sentence fits it


# What files of an older version have instead.
OLDER_SENTENCES = {Why.NO_RULE: "no rule speaks of {}"}


@dataclass(frozen=True)
class Reason:
    """Why one tensor is left as it is; its text is the sentence that a plan shows.

    >>> str(Reason(Why.NO_RULE, "Conv1d"))
    'no rule matches Conv1d'
    """

    kind: Why
    details: tuple[str, ...]

    def __init__(self, kind: Why, *details: str) -> None:
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "details", details)

    def __str__(self) -> str:
        return self.text(Texts("en"))

    def text(self, texts: Texts) -> str:
        """Return the sentence in the language of ``texts``."""
        details = self.details
        if self.kind is Why.UNFILLABLE:  # the others' are names
            details = map(texts.translate, details)
        return texts[f"why.{self.kind.value}"].format(*details)

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
        texts = Texts("en")
        for kind in kinds:
            sentence = OLDER_SENTENCES.get(kind, texts[f"why.{kind.value}"])
            pattern = re.escape(sentence).replace(r"\{\}", "(.+)")
            if found := re.fullmatch(pattern, data.get("reason", "")):
                return cls(kind, *found.groups())
        return None
