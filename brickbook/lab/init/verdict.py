"""What the diagnosis says: the one line of the verdict, and all findings as a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from brickbook.html import escape
from brickbook.i18n import Texts
from brickbook.measure.diagnosis import Finding
from brickbook.measure.probe import Signals

__all__ = ["findings_html", "start_loss_html", "verdict"]

SEVERITY_MARKS = {"error": "✖", "warning": "⚠", "note": "•"}


def verdict(findings: Sequence[Finding], signals: Signals | None, texts: Texts) -> str:
    """Write in a line the worst that was found, and the loss at the start beside that of chance.

    A note is none of the worst: then nothing was found, in what was looked at.
    """
    worst = next((item for item in findings if item.severity != "note"), None)
    if worst is not None:
        words = f"{SEVERITY_MARKS[worst.severity]} {short_finding(worst, texts)}"
    else:
        words = texts["verdict.weights" if signals is None else "verdict.signals"]
    loss = start_loss(signals, texts)
    return texts["depth.semicolon"].join(filter(None, (words, loss)))


def short_finding(item: Finding, texts: Texts) -> str:
    """Write a finding in a few words, if it has some; else its sentence without the full stop."""
    key = f"verdict.{item.message_key.removesuffix('.one')}"
    if key not in texts:
        return item.translate(texts).rstrip(".。")
    words = {k: v if isinstance(v, str) else "" for k, v in item.message_values.items()}
    return texts[key].format_map(words)


def start_loss(signals: Signals | None, texts: Texts) -> str:
    """Write the loss at the start and that of a guess, in a few words; "" if neither is known."""
    if signals is None or signals.cross_entropy is None or not signals.expected_loss:
        return ""
    numbers = {"found": signals.cross_entropy, "expected": signals.expected_loss}
    return texts("verdict.loss", **{key: f"{value:,.2f}" for key, value in numbers.items()})


def start_loss_html(signals: Signals | None, texts: Texts) -> str:
    """Write what the loss is at the start, and what guessing has; "" where neither is known."""
    if signals is None or signals.cross_entropy is None or not signals.expected_loss:
        return ""
    key = "diagnosis.start_loss_logits" if signals.over_all_labels else "diagnosis.start_loss"
    words = texts(
        key,
        found=f"{signals.cross_entropy:,.2f}",
        expected=f"{signals.expected_loss:.2f}",
        classes=f"{signals.classes:,}",
    )
    return f"<div>{escape(words)}</div>"


def findings_html(findings: Iterable[Finding], texts: Texts) -> str:
    """Write findings as a list; each unfolds to the explanation of its rule."""
    items = "".join(finding_html(item, texts) for item in findings)
    return items or f"<div>{escape(texts['diagnosis.good'])}</div>"


def finding_html(item: Finding, texts: Texts) -> str:
    """Write one finding."""
    about = item.about.translate(texts)
    sign = f"{SEVERITY_MARKS[item.severity]} {texts[f'diagnosis.{item.severity}']}"
    threshold = texts("diagnosis.threshold", threshold=about.threshold)
    return (
        f'<details style="margin: 2px 0"><summary style="cursor: pointer">'
        f"<b>{escape(sign)}</b> {escape(item.translate(texts))}</summary>"
        f'<div style="margin: 2px 0 6px 1.5em; max-width: 60em"><b>{escape(about.title)}</b> '
        f"{escape(texts['init.gap'].join((threshold, about.explain)))}</div></details>"
    )
