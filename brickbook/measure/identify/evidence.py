"""What is known of one tensor's start, as a value."""

from __future__ import annotations

from typing import Literal, NamedTuple

from brickbook.init.laws import Law

__all__ = ["UNKNOWN", "Evidence", "Verdict"]

Verdict = Literal["untouched", "moved", "compatible", "constant", "cannot tell", "unknown"]


class Evidence(NamedTuple):
    """What is known of a tensor's start.

    Attributes:
        verdict: what it comes to.
        law: the law that it was drawn from, or follows; None if none is known.
        call: what draws that law; several that coincide for the shape are joined by " = ".
        proof: "grid", "seed", "orthogonal", "values", "distribution" or "".
        share: the share of the elements that stand as they were drawn; None if that is not seen.
        reason: why it cannot be told ("16 bits", "few elements", "mean", "law", "dtype"), or
            "32 bits" of a draw as on a GPU, "scale" of one that was scaled.
        padding: the row that is 0 beside the law.
    """

    verdict: Verdict
    law: Law | None = None
    call: str = ""
    proof: str = ""
    share: float | None = None
    reason: str = ""
    padding: int | None = None


UNKNOWN = Evidence("unknown")
