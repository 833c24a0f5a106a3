"""The rules of the diagnosis: their thresholds, and what each is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from brickbook.texts import TABLES

__all__ = [
    "DEAD", "DEPTH", "FOREIGN", "GAIN", "GRADIENT", "LAW", "RULES", "SATURATED", "DiagnosisRule",
]  # fmt: skip

GAIN = (8.0, 30.0)  # note, warning: by how much a chain's gains multiply to too little or too much
FOREIGN = 0.05  # how near a gain must be to a rectifier's to be taken for it
DEPTH = (10.0, 1e4)  # warning, error: how far the std of the signals drifts
GRADIENT = (100.0, 1e6)  # warning, error: how far the gradients' norm drifts
DEAD = (0.5, 0.99)  # warning, error: share of dead units
SATURATED = 0.5  # share of a tanh's or sigmoid's outputs near its bounds
LAW = (6.0, 0.02)  # standard errors, and a relative slack for rounding to 16 bits
SAMPLES = 16  # elements that a unit must have before it can be called dead


@dataclass(frozen=True)
class DiagnosisRule:
    """A rule: its name, a title, its thresholds in words, and a paragraph for a student."""

    name: str
    title: str
    threshold: str
    explain: str

    def say(self, texts: Mapping[str, str]) -> DiagnosisRule:
        """Return the rule in the words of a table, such as `brickbook.texts.Texts`."""
        return rule_in(self.name, texts)


def percent(share: float) -> str:
    """Say a share.

    >>> percent(0.5)
    '50 %'
    """
    return f"{100 * share:.3g} %"


# The numbers in the words of a threshold, by rule: all rules, in the order of their weight.
NUMBERS: Mapping[str, Mapping[str, str]] = {
    "not-finite": {},
    "symmetric": {},
    "zeros": {},
    "dead": {"low": percent(DEAD[0]), "high": percent(DEAD[1]), "samples": f"{SAMPLES}"},
    "depth": {"low": f"{DEPTH[0]:g}", "high": f"{DEPTH[1]:,.0f}"},
    "gradients": {"low": f"{GRADIENT[0]:g}", "high": f"{GRADIENT[1]:,.0f}"},
    "saturated": {"low": percent(SATURATED)},
    "gain": {"low": f"{GAIN[0]:g}", "high": f"{GAIN[1]:g}", "near": percent(FOREIGN)},
    "law": {"errors": f"{LAW[0]:g}", "slack": f"{LAW[1]:g}"},
    "unmatched": {},
    "untouched": {},
}


def rule_in(name: str, texts: Mapping[str, str]) -> DiagnosisRule:
    """Return a rule in the words of a table."""
    title, threshold, explain = (
        texts[f"about.{name}.{part}"] for part in ("title", "threshold", "explain")
    )
    return DiagnosisRule(name, title, threshold.format_map(NUMBERS[name]), explain)


RULES: Mapping[str, DiagnosisRule] = MappingProxyType(
    {name: rule_in(name, TABLES["en"]) for name in NUMBERS}
)
