"""A finding: one sentence of the diagnosis, with its numbers and what it is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from brickbook.errors import Sentence
from brickbook.i18n import Texts
from brickbook.measure.diagnosis.rules import RULES, DiagnosisRule
from brickbook.printable import escape_controls

__all__ = [
    "SEVERITIES",
    "Finding",
    "MessagePart",
    "MessageValue",
    "Severity",
    "layer_label",
    "make_finding",
]

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
MAX_LISTED = 3


@dataclass(frozen=True)
class MessagePart:
    """A part of a sentence that has words of its own: its template, and what is put in."""

    message_key: str
    values: Mapping[str, str]


# Several names are listed, the last of many only counted.
MessageValue = str | tuple[str, ...] | MessagePart


@dataclass(frozen=True, repr=False)
class Finding:
    """What a rule found: how bad it is, what it is about, and one sentence with the numbers.

    "error": it will not learn; "warning": it will probably learn badly; "note": worth knowing.
    ``subject`` is the first of ``names``: layers, parameters or key paths of the config.
    ``numbers`` are the numbers of the sentence, unrounded. ``message_key`` names its template
    and ``message_values`` are what is put in, for `translate`.
    """

    rule: str
    severity: Severity
    names: tuple[str, ...]
    message_key: str
    message_values: Mapping[str, MessageValue] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """What it is about."""
        return self.names[0] if self.names else ""

    @property
    def text(self) -> str:
        """The sentence."""
        return self.translate(Texts("en"))

    @property
    def about(self) -> DiagnosisRule:
        """The rule, with its title, its thresholds and an explanation."""
        return RULES[self.rule]

    def translate(self, texts: Texts) -> str:
        """Return the sentence in the language of ``texts``."""
        words = {key: format_value(word, texts) for key, word in self.message_values.items()}
        return texts[f"found.{self.message_key}"].format_map(words)

    def __str__(self) -> str:
        return escape_controls(f"{self.severity}: {self.text}", kept="\n")

    def __repr__(self) -> str:
        return f"Finding({self.rule!r}, {self.severity}, {self.text!r})"

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON-able values, with its sentence."""
        return {
            "rule": self.rule,
            "severity": self.severity,
            "subject": self.subject,
            "names": list(self.names),
            "text": self.text,
            "numbers": dict(self.numbers),
        }


def make_finding(
    rule: str,
    severity: Severity,
    names: tuple[str, ...],
    message_key: str,
    message_values: Mapping[str, MessageValue] | None = None,
    **numbers: float,
) -> Finding:
    """Return a finding; a template for several names is that for one, if there is one."""
    if len(names) == 1 and f"found.{message_key}.one" in Texts("en"):
        message_key = f"{message_key}.one"
    values: dict[str, MessageValue] = {
        "names": names,
        "count": f"{len(names):,}",
        **(message_values or {}),
    }
    return Finding(rule, severity, names, message_key, values, numbers)


def format_value(value: MessageValue, texts: Texts) -> str:
    """Return the text of a value in a sentence; of names the first few, and how many more."""
    if isinstance(value, str):
        return texts.translate(value) if isinstance(value, Sentence) else value
    if isinstance(value, MessagePart):
        return texts[f"found.{value.message_key}"].format_map(value.values)
    shown = texts["list.comma"].join(value[:MAX_LISTED])
    more = len(value) - MAX_LISTED
    return texts["list.more"].format(names=shown, more=f"{more:,}") if more > 0 else shown


def layer_label(name: str, kind: str) -> str:
    """Return what to call a layer: its name, with its class where that is a mere number.

    >>> layer_label("layer1.0.conv1", "Conv2d"), layer_label("3", "ReLU"), layer_label("", "Linear")
    ('layer1.0.conv1', 'ReLU 3', 'Linear')
    """
    return name if re.search(r"[^\W\d]", name) else f"{kind} {name}".rstrip()
