"""A finding: one sentence of the diagnosis, with its numbers and what it is about."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from brickbook.measure.diagnosis_rules import RULES, DiagnosisRule
from brickbook.texts import TABLES

__all__ = [
    "SEVERITIES",
    "Finding",
    "Phrase",
    "Severity",
    "Word",
    "called",
    "finding",
    "many",
    "short",
    "whole",
]

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
LISTED = 3


@dataclass(frozen=True)
class Phrase:
    """A part of a sentence that has words of its own: its template, and what is put in."""

    said: str
    words: Mapping[str, str]


Word = str | tuple[str, ...] | Phrase  # several names are listed, the last of many only counted


@dataclass(frozen=True, repr=False)
class Finding:
    """What a rule found: how bad it is, what it is about, and one sentence with the numbers.

    "error": it will not learn; "warning": it will probably learn badly; "note": worth knowing.
    ``subject`` is the first of ``names``: layers, parameters or key paths of the config.
    ``numbers`` are the numbers of the sentence, unrounded. ``said`` and ``words`` are its template
    and what is put in, for `say` in another language.
    """

    rule: str
    severity: Severity
    names: tuple[str, ...]
    said: str
    words: Mapping[str, Word] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """What it is about."""
        return self.names[0] if self.names else ""

    @property
    def text(self) -> str:
        """The sentence."""
        return self.say(TABLES["en"])

    @property
    def about(self) -> DiagnosisRule:
        """The rule, with its title, its thresholds and an explanation."""
        return RULES[self.rule]

    def say(self, texts: Mapping[str, str]) -> str:
        """Return the sentence in the words of a table, such as `brickbook.texts.Texts`."""
        words = {key: spoken(word, texts) for key, word in self.words.items()}
        return texts[f"found.{self.said}"].format_map(words)

    def __str__(self) -> str:
        return f"{self.severity}: {self.text}"

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


def finding(
    rule: str,
    severity: Severity,
    names: tuple[str, ...],
    said: str,
    words: Mapping[str, Word] | None = None,
    **numbers: float,
) -> Finding:
    """Return a finding; a template for several names is that for one, if there is one."""
    if len(names) == 1 and f"found.{said}.one" in TABLES["en"]:
        said = f"{said}.one"
    told: dict[str, Word] = {"names": names, "count": f"{len(names):,}", **(words or {})}
    return Finding(rule, severity, names, said, told, numbers)


def spoken(word: Word, texts: Mapping[str, str]) -> str:
    """Say what is put into a sentence; of names the first few, and how many more there are."""
    if isinstance(word, str):
        return word
    if isinstance(word, Phrase):
        return texts[f"found.{word.said}"].format_map(word.words)
    shown = texts["list.comma"].join(word[:LISTED])
    more = len(word) - LISTED
    return texts["list.more"].format(names=shown, more=f"{more:,}") if more > 0 else shown


def called(name: str, kind: str) -> str:
    """Return what to call a layer: its name, with its class where that is a mere number.

    >>> called("layer1.0.conv1", "Conv2d"), called("3", "ReLU"), called("", "Linear")
    ('layer1.0.conv1', 'ReLU 3', 'Linear')
    """
    return name if re.search(r"[^\W\d]", name) else f"{kind} {name}".rstrip()


def short(value: float) -> str:
    """Write a number with two digits.

    >>> short(0.03123), short(12.4), short(1234567.0), short(0.0)
    ('0.031', '12', '1.2e+06', '0')
    """
    if value and math.isfinite(value) and not 1e-3 <= abs(value) < 1e4:
        return f"{value:.1e}"
    return f"{float(f'{value:.2g}'):g}"


def many(factor: float) -> str:
    """Write how many times: two digits, and thousands with commas.

    >>> many(16.23), many(12345.0), many(3.1e9)
    ('16', '12,000', '3.1e+09')
    """
    if not math.isfinite(factor):
        return "∞"
    return f"{float(f'{factor:.2g}'):,g}" if factor < 1e6 else f"{factor:.1e}"


def whole(share: float) -> str:
    """Write a share in per cent without decimals; not 100 unless it is all.

    >>> whole(0.62), whole(0.999), whole(1.0)
    ('62 %', '99 %', '100 %')
    """
    return f"{100 if share == 1 else min(99, round(100 * share))} %"
