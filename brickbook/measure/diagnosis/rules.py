"""The rules of the diagnosis: their thresholds, and what each is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from brickbook.i18n import Texts

__all__ = [
    "COLLAPSED_SHARE",
    "DEAD_SHARE",
    "DEPTH_FACTOR",
    "DIFFERENT_SHARE",
    "EMBEDDING_STD",
    "GAIN_FACTOR",
    "GRADIENT_FACTOR",
    "HIDDEN_GAIN",
    "HUGE_GAIN",
    "LAW_TOLERANCE",
    "LOSS_FACTOR",
    "MIN_SAMPLES",
    "OUTPUT_STD",
    "RECTIFIER_TOLERANCE",
    "RULES",
    "SATURATED_SHARE",
    "DiagnosisRule",
]

GAIN_FACTOR = (
    8.0,
    1000.0,
)  # note, warning: by how much a chain's gains multiply to too little or too much

RECTIFIER_TOLERANCE = 0.05  # how near a gain must be to a rectifier's to be taken for it
DEPTH_FACTOR = (10.0, 100.0, 1e4)  # note, warning, error: how far the std of the signals drifts
GRADIENT_FACTOR = (100.0, 1e6)  # warning, error: how far the gradients' norm drifts
DEAD_SHARE = (0.5, 0.99)  # warning, error: share of dead units
SATURATED_SHARE = 0.5  # share of a tanh's or sigmoid's outputs near its bounds
LAW_TOLERANCE = (6.0, 0.02)  # standard errors, and a relative slack for rounding to 16 bits
DIFFERENT_SHARE = 0.5  # of the rows of a weight: with fewer, half of them are copies
COLLAPSED_SHARE = 0.01  # of the std of a signal that is over the batch
LOSS_FACTOR = (1.5, 4.0)  # note, warning: cross entropy at the start over ln(classes)
OUTPUT_STD = 10.0  # of outputs, beyond which a softmax has one class left
HIDDEN_GAIN = 8.0  # of a weight before a norm, or one over it
HUGE_GAIN = 4.0  # of recurrent weights, and of those for queries and keys
EMBEDDING_STD = 0.5  # of a table of embeddings; language models have 0.02 or 1/√width
MIN_SAMPLES = 16  # elements that a unit must have before it can be called dead


@dataclass(frozen=True)
class DiagnosisRule:
    """A rule: its name, a title, its thresholds in words, and a paragraph for a student."""

    name: str
    title: str
    threshold: str
    explain: str

    def translate(self, texts: Mapping[str, str]) -> DiagnosisRule:
        """Return the rule in the words of a table, such as `brickbook.i18n.Texts`."""
        return translated_rule(self.name, texts)


def format_percent_3g(share: float) -> str:
    """Say a share.

    >>> format_percent_3g(0.5)
    '50 %'
    """
    return f"{100 * share:.3g} %"


# The numbers in the words of a threshold, by rule: all rules, in the order of their weight.
THRESHOLD_TEXTS: Mapping[str, Mapping[str, str]] = {
    "not-finite": {},
    "symmetric": {"share": format_percent_3g(DIFFERENT_SHARE)},
    "zeros": {},
    "dead": {
        "low": format_percent_3g(DEAD_SHARE[0]),
        "high": format_percent_3g(DEAD_SHARE[1]),
        "samples": f"{MIN_SAMPLES}",
    },
    "depth": {
        "low": f"{DEPTH_FACTOR[0]:g}",
        "middle": f"{DEPTH_FACTOR[1]:g}",
        "high": f"{DEPTH_FACTOR[2]:,.0f}",
    },
    "gradients": {"low": f"{GRADIENT_FACTOR[0]:g}", "high": f"{GRADIENT_FACTOR[1]:,.0f}"},
    "saturated": {"low": format_percent_3g(SATURATED_SHARE)},
    "collapse": {"share": format_percent_3g(COLLAPSED_SHARE)},
    "loss": {
        "low": f"{LOSS_FACTOR[0]:g}",
        "high": f"{LOSS_FACTOR[1]:g}",
        "std": f"{OUTPUT_STD:g}",
    },
    "output": {"std": f"{OUTPUT_STD:g}"},
    "huge": {"gain": f"{HUGE_GAIN:g}"},
    "gain": {
        "low": f"{GAIN_FACTOR[0]:g}",
        "high": f"{GAIN_FACTOR[1]:,.0f}",
        "near": format_percent_3g(RECTIFIER_TOLERANCE),
    },
    "hidden": {"low": f"1/{HIDDEN_GAIN:g}", "high": f"{HIDDEN_GAIN:g}"},
    "law": {"errors": f"{LAW_TOLERANCE[0]:g}", "slack": f"{LAW_TOLERANCE[1]:g}"},
    "unmatched": {},
    "untouched": {},
    "left-empty": {},
    "torch-start": {},
    "torch-bias": {},
    "tied-twice": {},
    "drawn-again": {},
    "embedding": {"std": f"{EMBEDDING_STD:g}"},
}


def translated_rule(name: str, texts: Mapping[str, str]) -> DiagnosisRule:
    """Return a rule in the words of a table."""
    title, threshold, explain = (
        texts[f"about.{name}.{part}"] for part in ("title", "threshold", "explain")
    )
    return DiagnosisRule(name, title, threshold.format_map(THRESHOLD_TEXTS[name]), explain)


ENGLISH = Texts("en")
RULES: Mapping[str, DiagnosisRule] = MappingProxyType(
    {name: translated_rule(name, ENGLISH) for name in THRESHOLD_TEXTS}
)
