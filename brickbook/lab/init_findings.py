"""Findings of the diagnosis as a list that unfolds, in the panel's language."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from brickbook.measure import Finding
from brickbook.texts import Texts

__all__ = ["findings_html"]

SIGNS = {"error": "✖", "warning": "⚠", "note": "•"}


def findings_html(findings: Iterable[Finding], texts: Texts) -> str:
    """Write findings as a list; each unfolds to what its rule is about."""
    items = "".join(finding_html(item, texts) for item in findings)
    return items or f"<div>{escape(texts['diagnosis.good'])}</div>"


def finding_html(item: Finding, texts: Texts) -> str:
    """Write one finding."""
    about = item.about.say(texts)
    sign = f"{SIGNS[item.severity]} {texts[f'diagnosis.{item.severity}']}"
    threshold = texts("diagnosis.threshold", threshold=about.threshold)
    return (
        f'<details style="margin: 2px 0"><summary style="cursor: pointer">'
        f"<b>{escape(sign)}</b> {escape(item.say(texts))}</summary>"
        f'<div style="margin: 2px 0 6px 1.5em; max-width: 60em"><b>{escape(about.title)}</b> '
        f"{escape(texts['init.gap'].join((threshold, about.explain)))}</div></details>"
    )
