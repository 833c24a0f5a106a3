"""What the init lab says: a plan in a sentence, what has no effect, the numbers of a tensor."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from brickbook.init.initplan import InitPlan
from brickbook.init.laws import Law
from brickbook.init.report import InitReport
from brickbook.init.rows import Row
from brickbook.init.showing import plan_row
from brickbook.measure.comparisons import Pair
from brickbook.measure.snapshots import TensorStats
from brickbook.texts import Texts
from brickbook.views.grid import holes

__all__ = [
    "numbers", "place", "plan_table", "result", "size_text", "summary", "unmatched_words",
    "where_from",
]  # fmt: skip

SCALES = ((10**9, "B"), (10**6, "M"), (10**3, "k"))
MOST_CONSTANTS = 4
# The columns of a plan, as `plan_row` has them.
HEADS = (
    "grid.head.name", "grid.group.first", "grid.head.shape", "grid.head.law", "grid.head.rule",
    "plan.by", "plan.wins_over",
)  # fmt: skip


def size_text(count: int) -> str:
    """Write a large number short.

    >>> size_text(25_557_032), size_text(640)
    ('25.6 M', '640')
    """
    for scale, unit in SCALES:
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return str(count)


def place(path: str, texts: Texts) -> str:
    """Say a key path as the panel's rules are numbered; arguments keep their names.

    >>> place("init_cfg[1].override.name", Texts("en")), place("seed", Texts("en"))
    ('Rule 2, override, name', 'seed')
    >>> place("init_cfg[0].override[2].std", Texts("en"))
    'Rule 1, override 3, std'
    """
    rule = re.match(r"init_cfg\[(\d+)\]\.?", path)
    rest = path[rule.end() :] if rule else path
    if not rule and f"place.{path}" not in texts:
        return path
    parts = [texts("rules.rule", n=int(rule[1]) + 1)] if rule else []
    for part in filter(None, rest.split(".")):
        word, _, at = part.rstrip("]").partition("[")
        word = texts.get(f"place.{word}", word)
        parts.append(f"{word} {int(at) + 1}" if at.isdigit() else word)
    return texts["init.comma"].join(parts)


def listing(paths: Iterable[str], texts: Texts) -> str:
    """Say key paths one after the other."""
    return texts["list.comma"].join(place(path, texts) for path in paths)


def summary(plan: InitPlan, texts: Texts) -> str:
    """Say in a sentence or two what a plan would do."""
    if not plan.rows:
        return texts["plan.empty"]
    everything = texts("grid.parameters", n=len(plan.rows))
    by_law = [row for row in plan.rows if row.law is not None]
    left = sum(row.law is None and not row.then for row in plan.rows)
    if left == len(plan.rows):
        return texts("plan.nothing", parameters=everything)
    called = listing([run.path for run in plan.runs], texts)
    parts = [
        texts("plan.write", n=len(by_law), parameters=everything) if by_law else "",
        *(texts("plan.load", file=load.init.checkpoint) for load in plan.loads),
        texts("plan.call", places=called) if called else "",
        texts("plan.leave", n=left) if left else "",
    ]
    *most, last = filter(None, parts)
    text = texts("plan.and", most=texts["init.comma"].join(most), last=last) if most else last
    return texts("plan.would", parts=text, expected=expectation(by_law, texts)).rstrip()


def expectation(rows: Sequence[Row], texts: Texts) -> str:
    """Say which standard deviations and constants the laws give."""
    laws = [row.law for row in rows if row.law is not None]
    spreads = sorted(law.std for law in laws if law.std > 0)
    constants = sorted({law.mean for law in laws if law.std == 0})
    shown = [f"{value:.4g}" for value in constants[:MOST_CONSTANTS]]
    values = texts["list.comma"].join([*shown, *(["…"] if len(constants) > len(shown) else [])])
    if not spreads:
        return texts("plan.constants", values=values) if values else ""
    low, high = f"{spreads[0]:.4g}", f"{spreads[-1]:.4g}"
    if low == high:
        return texts("plan.both" if values else "plan.std", low=low, values=values)
    return texts("plan.all" if values else "plan.stds", low=low, high=high, values=values)


def unmatched_words(plan: InitPlan, texts: Texts) -> tuple[str, ...]:
    """Say what of the rules does nothing."""
    return tuple(
        texts(
            "init.line",
            place=place(item.path, texts),
            text=f"{item.problem} {item.hint}".rstrip(),
        )
        for item in plan.unmatched
    )


def plan_table(plan: InitPlan, texts: Texts) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Return the heads and the rows of a plan's table."""
    heads = [texts[key] for key in HEADS]
    words = texts["plan.left"], texts["plan.frozen"], texts["grid.scalar"]
    return heads, [plan_row(row, *words) for row in plan.rows]


def result(report: InitReport, texts: Texts) -> str:
    """Say what an initialisation has done."""
    parts = [
        texts(f"done.{action}", n=len(report.named(action)))
        for action in ("written", "loaded", "called", "left")
        if report.named(action)
    ]
    seed = texts["done.generator"]
    if report.seed is not None:
        seed = texts("done.seed", seed=str(report.seed))
    told = texts["init.comma"].join(parts) or texts["done.nothing"]
    return texts("done", seed=seed, parts=told)


def where_from(row: Row | None, texts: Texts) -> str:
    """Say which rule speaks for a parameter, which others lost, and what may follow."""
    if row is None:
        return texts["detail.unplanned"]
    if row.law is not None:
        at = place(row.source, texts)
        found = [texts("detail.law", rule=row.rule, place=at, law=row.law)]
    elif row.reason.endswith("may fill it"):  # not kept: a checkpoint or own code comes
        found = [texts["detail.open"]]
    else:
        found = [texts("detail.left", reason=row.reason)]
    if row.losers:
        found.append(texts("detail.wins", places=listing(row.losers, texts)))
    if row.then:
        key = "detail.then" if row.law else "detail.may"
        found.append(texts(key, places=listing(row.then, texts)))
    if row.frozen:
        found.append(texts["detail.frozen"])
    return texts["init.gap"].join(found)


def numbers(
    pair: Pair, law: Law | None, texts: Texts, pending: bool = False
) -> tuple[tuple[str, ...], ...]:
    """Return a small table, head first: what the law promises, and each side's numbers.

    ``pending`` says that the law is what comes next, not what the values should follow.
    """
    heads = (texts[f"detail.{key}"] for key in ("mean", "std", "min", "max", "zeros"))
    lines: list[tuple[str, ...]] = [("", *heads)]
    if law is not None:
        ends = tuple(f"{end:.4g}" if math.isfinite(end) else "" for end in law.support)
        word = texts["detail.next" if pending else "detail.expected"]
        lines.append((word, f"{law.mean:.4g}", f"{law.std:.4g}", *ends, ""))
    sides = (("grid.before", pair.before), ("grid.after", pair.after))
    if not pair.changed:
        sides = (("detail.now", pair.after),)
    found = (cells(texts[key], stats, texts) for key, stats in sides if stats is not None)
    return (*lines, *found)


def cells(word: str, stats: TensorStats, texts: Texts) -> tuple[str, ...]:
    """Return the numbers of one tensor as a line of a table."""
    values = (stats.mean, stats.std, stats.min, stats.max)
    shown = ("–" if value is None else f"{value:.4g}" for value in values)
    last = filter(None, (f"{stats.zeros:.3g}", holes(stats, texts)))
    return (word, *shown, texts["init.comma"].join(last))
