"""What the init lab says: a plan in a sentence, what has no effect, the numbers of a tensor."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from brickbook.init.initplan import InitPlan
from brickbook.init.laws import Law
from brickbook.init.report import InitReport
from brickbook.init.rows import Row
from brickbook.measure.comparisons import Pair
from brickbook.measure.snapshots import TensorStats
from brickbook.views.grid import holes

__all__ = [
    "counted", "numbers", "place", "result", "size_text", "summary", "unmatched_words",
    "where_from",
]  # fmt: skip

SCALES = ((10**9, "B"), (10**6, "M"), (10**3, "k"))


def counted(number: int, word: str) -> str:
    """Write a number with its noun.

    >>> counted(1, "parameter"), counted(1200, "parameter")
    ('1 parameter', '1,200 parameters')
    """
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def size_text(count: int) -> str:
    """Write a large number short.

    >>> size_text(25_557_032), size_text(640)
    ('25.6 M', '640')
    """
    for scale, unit in SCALES:
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return str(count)


def place(path: str) -> str:
    """Say a key path as the panel's rules are numbered.

    >>> place("init_cfg[1].override.name"), place("init_cfg[0].override[2]"), place("seed")
    ('Rule 2, override, name', 'Rule 1, override 3', 'seed')
    """
    path = re.sub(r"init_cfg\[(\d+)\]", lambda m: f"Rule {int(m[1]) + 1}", path)
    path = re.sub(r"\[(\d+)\]", lambda m: f" {int(m[1]) + 1}", path)
    return path.replace(".", ", ") if path.startswith("Rule ") else path


def summary(plan: InitPlan) -> str:
    """Say in a sentence or two what a plan would do."""
    if not plan.rows:
        return "The model has no parameters: there is nothing to initialize."
    everything = counted(len(plan.rows), "parameter")
    by_law = [row for row in plan.rows if row.law is not None]
    left = sum(row.law is None and not row.then for row in plan.rows)
    if left == len(plan.rows):
        return f"Initialize would leave all {everything} as they are."
    parts = [
        f"write {len(by_law):,} of {everything} by a law" if by_law else "",
        *(f"load what fits of {load.init.checkpoint}" for load in plan.loads),
        f"call {listing([run.path for run in plan.runs])}" if plan.runs else "",
        f"leave {left:,} as {'it is' if left == 1 else 'they are'}" if left else "",
    ]
    *most, last = filter(None, parts)
    text = f"{', '.join(most)} and {last}" if most else last
    return f"Initialize would {text}. {expectation(by_law)}".rstrip()


def expectation(rows: Sequence[Row]) -> str:
    """Say which standard deviations and constants the laws give."""
    laws = [row.law for row in rows if row.law is not None]
    spreads = sorted(law.std for law in laws if law.std > 0)
    constants = sorted({law.mean for law in laws if law.std == 0})
    parts = []
    if spreads:
        low, high = f"{spreads[0]:.4g}", f"{spreads[-1]:.4g}"
        parts.append(f"expected std {low}" + (f" to {high}" if high != low else ""))
    if constants:
        shown = ", ".join(f"{value:.4g}" for value in constants[:4])
        parts.append(f"constants {shown}{', …' if len(constants) > 4 else ''}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def unmatched_words(plan: InitPlan) -> tuple[str, ...]:
    """Say what of the rules does nothing."""
    return tuple(
        f"{place(item.path)}: {item.problem} {item.hint}".rstrip() for item in plan.unmatched
    )


def result(report: InitReport) -> str:
    """Say what an initialisation has done."""
    parts = [
        f"{len(report.named(action)):,} {words}"
        for action, words in (
            ("written", "written by a law"),
            ("loaded", "loaded from a checkpoint"),
            ("called", "left to own code"),
            ("left", "left as they were"),
        )
        if report.named(action)
    ]
    seed = "torch's generator" if report.seed is None else f"seed {report.seed}"
    return f"Initialized with {seed}: {', '.join(parts) or 'no parameters'}."


def listing(paths: Sequence[str]) -> str:
    """Say key paths one after the other."""
    return ", ".join(map(place, paths))


def where_from(row: Row | None) -> str:
    """Say which rule speaks for a parameter, which others lost, and what may follow."""
    if row is None:
        return "Nothing is planned for it."
    if row.law is None:
        opens = row.reason.endswith("may fill it")  # not kept: a checkpoint or own code comes
        text = "No law is drawn." if opens else f"Left as it is: {row.reason}."
    else:
        text = f"{row.rule} by {place(row.source)}: {row.law}."
    if row.losers:
        text += f" It wins over {listing(row.losers)}."
    if row.then:
        text += f" {listing(row.then)} may fill it{' afterwards' if row.law else ''}."
    return text + (" It is frozen (requires_grad=False)." if row.frozen else "")


def numbers(pair: Pair, law: Law | None, promise: str = "expected") -> tuple[tuple[str, ...], ...]:
    """Return a small table, head first: what the law promises, and each side's numbers."""
    lines: list[tuple[str, ...]] = [("", "mean", "std", "min", "max", "zeros")]
    if law is not None:
        ends = tuple(f"{end:.4g}" if math.isfinite(end) else "" for end in law.support)
        lines.append((promise, f"{law.mean:.4g}", f"{law.std:.4g}", *ends, ""))
    sides = (("before", pair.before), ("after", pair.after))
    if not pair.changed:
        sides = (("now", pair.after),)
    return (*lines, *(cells(word, stats) for word, stats in sides if stats is not None))


def cells(word: str, stats: TensorStats) -> tuple[str, ...]:
    """Return the numbers of one tensor as a line of a table."""
    values = (stats.mean, stats.std, stats.min, stats.max)
    shown = ("–" if value is None else f"{value:.4g}" for value in values)
    return (word, *shown, ", ".join(filter(None, (f"{stats.zeros:.3g}", holes(stats)))))
