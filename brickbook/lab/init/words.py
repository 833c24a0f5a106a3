"""The sentences of the init lab: a plan, a report, an error, one row; and its small tables."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch import nn

from brickbook.errors import ConfigError, with_hint
from brickbook.html import format_2g
from brickbook.i18n import Texts
from brickbook.init.execution import InitReport
from brickbook.init.laws import Law
from brickbook.init.planning import InitPlan, PlanRow, Why, plan_columns
from brickbook.introspect import Unmatched
from brickbook.measure.snapshot import Comparison, TensorChange, TensorStats
from brickbook.records import text_table
from brickbook.registry import Config
from brickbook.views.grid.payload import missing_values

SIZE_UNITS = ((10**9, "B"), (10**6, "M"), (10**3, "k"))
MAX_CONSTANTS = 4
MAX_LAYERS = 3

# The texts for the headings of `plan_columns`; a heading without one stays as it is.
PLAN_HEADINGS = {
    "parameter": "grid.head.name",
    "module": "grid.group.first",
    "shape": "grid.head.shape",
    "law": "grid.head.law",
    "rule": "grid.head.rule",
    "by": "plan.by",
    "wins over": "plan.wins_over",
}


def short_count(count: int) -> str:
    """Write a large number short, as models are spoken of: "7.2 B" parameters.

    >>> short_count(25_557_032), short_count(640)
    ('25.6 M', '640')
    """
    for scale, unit in SIZE_UNITS:
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return str(count)


def path_label(path: str, texts: Texts) -> str:
    """Write a key path as the panel numbers its rules; arguments keep their names.

    >>> path_label("init_cfg[1].override.name", Texts("en")), path_label("seed", Texts("en"))
    ('Rule 2, override, name', 'seed')
    >>> path_label("init_cfg[0].override[2].std", Texts("en"))
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


def problem_text(error: ConfigError | Unmatched, texts: Texts) -> str:
    """Write an error without its place: what is wrong, and a hint if there is one."""
    return texts.translate(with_hint(error.problem, error.hint))


def error_text(error: ConfigError | Unmatched, texts: Texts) -> str:
    """Write an error and its place, with the panel's numbers of the rules."""
    place = path_label(error.path, texts)
    return texts("init.line", place=place, text=problem_text(error, texts))


def parameter_count(comparison: Comparison, texts: Texts) -> str:
    """Write how many parameters a model has; buffers are not among them."""
    return texts("grid.parameters", n=sum(it.kind == "parameter" for it in comparison.values()))


def title_text(name: str, model: nn.Module, comparison: Comparison, texts: Texts) -> str:
    """Write which model it is, and how large."""
    return texts(
        "init.title",
        name=name,
        kind=type(model).__name__,
        parameters=parameter_count(comparison, texts),
        values=short_count(
            sum(it.latest.count for it in comparison.values() if it.kind == "parameter")
        ),
    )


def path_labels(paths: Iterable[str], texts: Texts) -> str:
    """Write key paths one after the other."""
    return texts["list.comma"].join(path_label(path, texts) for path in paths)


def plan_summary(plan: InitPlan, texts: Texts) -> str:
    """Write in a sentence or two what a plan would do."""
    rows = counted_rows(plan)
    if not rows:
        return texts["plan.empty"]
    everything = texts("grid.parameters", n=len(rows))
    by_law = sum(is_filled(row) for row in rows)
    left = sum(not is_filled(row) and not row.later_writers for row in rows)
    if left == len(rows) and not any(row.law for row in plan.rows):
        return texts("plan.nothing", parameters=everything)
    called = path_labels([run.path for run in plan.runs], texts)
    parts = [
        texts("plan.write", n=by_law, parameters=everything) if by_law else "",
        *(texts("plan.load", file=load.init) for load in plan.loads),
        texts("plan.call", places=called) if called else "",
        texts("plan.leave", n=left) if left else "",
    ]
    *most, last = filter(None, parts)
    text = texts("plan.and", most=texts["init.comma"].join(most), last=last) if most else last
    return texts("plan.would", parts=text, expected=expected_values(plan.rows, texts)).rstrip()


def rule_line(
    index: int,
    rule: Config,
    count_matches: Callable[[Any], int],
    plan: InitPlan | None,
    texts: Texts,
) -> str:
    """Write in a line what a rule is of, and which std or constants a plan has of it."""
    kind = rule.get("type")
    name = kind.__name__ if isinstance(kind, type) else str(kind)
    given = rule.get("layer") or ()
    layers = given if isinstance(given, (list, tuple)) else (given,)
    counted = [
        f"{it.__name__ if isinstance(it, type) else it} ×{count_matches(it):,}" for it in layers
    ]
    text = f"{index + 1} {name}"
    if counted:
        more = len(counted) - MAX_LAYERS
        shown = [*counted[:MAX_LAYERS], *([f"+{more}"] if more > 0 else [])]
        text = texts("rules.line", rule=text, layers=texts["list.comma"].join(shown))
    source = f"init_cfg[{index}]"
    rows = [r for r in plan.rows if r.source == source] if plan is not None else []
    numbers = laws_in_short(rows)
    return texts["init.comma"].join(filter(None, (text, numbers)))


def laws_in_short(rows: Iterable[PlanRow]) -> str:
    """Write the stds and constants of laws: "std 0.02–0.18, 0"."""
    laws = [row.law for row in rows if row.law is not None]
    spreads = sorted(law.std for law in laws if law.std > 0)
    constants = sorted({law.mean for law in laws if law.std == 0})
    parts = []
    if spreads:
        ends = dict.fromkeys(format_2g(value) for value in (spreads[0], spreads[-1]))
        parts.append(f"std {'–'.join(ends)}")
    parts += [format_2g(value) for value in constants[:MAX_CONSTANTS]]
    return ", ".join(parts)


def counted_rows(plan: InitPlan) -> list[PlanRow]:
    """Return a row for every parameter that the title counts: each tensor once, none computed."""
    return [row for row in plan.rows if row.kind == "parameter" and not row.is_left(Why.TIED)]


def is_filled(row: PlanRow) -> bool:
    """Whether a law fills a parameter, by itself or through what is computed from it."""
    return row.law is not None or row.is_left(Why.SET_THROUGH)


def expected_values(rows: Sequence[PlanRow], texts: Texts) -> str:
    """Write which standard deviations and constants the laws give."""
    laws = [row.law for row in rows if row.law is not None]
    spreads = sorted(law.std for law in laws if law.std > 0)
    constants = sorted({law.mean for law in laws if law.std == 0})
    shown = [f"{value:.4g}" for value in constants[:MAX_CONSTANTS]]
    values = texts["list.comma"].join([*shown, *(["…"] if len(constants) > len(shown) else [])])
    if not spreads:
        return texts("plan.constants", values=values) if values else ""
    low, high = f"{spreads[0]:.4g}", f"{spreads[-1]:.4g}"
    if low == high:
        return texts("plan.both" if values else "plan.std", low=low, values=values)
    return texts("plan.all" if values else "plan.stds", low=low, high=high, values=values)


def unmatched_messages(plan: InitPlan, texts: Texts) -> tuple[str, ...]:
    """Write what of the rules does nothing."""
    return tuple(error_text(item, texts) for item in plan.unmatched)


def plan_table(plan: InitPlan, texts: Texts) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Return the headings and the rows of a plan's table."""
    table = text_table(plan_columns(texts.language), plan.rows)
    keys = ((heading, PLAN_HEADINGS.get(heading)) for heading in table.headings)
    return [texts[key] if key else heading for heading, key in keys], table.rows


def report_summary(report: InitReport, texts: Texts) -> str:
    """Write what an initialisation has done."""
    done_to = {record.name: record.action for record in report.records}
    counts = Counter(
        "written" if row.is_left(Why.SET_THROUGH) else done_to.get(row.name, "left")
        for row in counted_rows(report.plan)
    )
    parts = [
        texts(f"done.{action}", n=counts[action])
        for action in ("written", "loaded", "called", "left")
        if counts[action]
    ]
    seed = texts["done.generator"]
    if report.seed is not None:
        seed = texts("done.seed", seed=str(report.seed))
    done = texts["init.comma"].join(parts) or texts["done.nothing"]
    return texts("done", seed=seed, parts=done)


def explain_row(row: PlanRow | None, texts: Texts) -> str:
    """Write which rule fills a parameter, which others it overrides, and what may write later."""
    if row is None:
        return texts["detail.unplanned"]
    if row.law is not None:
        at = path_label(row.source, texts)
        found = [texts("detail.law", rule=row.rule, place=at, law=row.law)]
    elif row.is_left(Why.MAY_FILL):  # not kept: a checkpoint or custom init code comes
        found = [texts["detail.open"]]
    else:
        found = [texts("detail.left", reason=row.why.text(texts) if row.why else "")]
    if row.overridden:
        found.append(texts("detail.wins", places=path_labels(row.overridden, texts)))
    if row.later_writers:
        key = "detail.then" if row.law else "detail.may"
        found.append(texts(key, places=path_labels(row.later_writers, texts)))
    if row.frozen:
        found.append(texts["detail.frozen"])
    return texts["init.gap"].join(found)


def statistics_table(
    change: TensorChange, law: Law | None, texts: Texts, pending: bool = False
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
    sides = (("grid.before", change.before), ("grid.after", change.after))
    if not change.changed:
        sides = (("detail.now", change.after),)
    found = (
        statistics_cells(texts[key], stats, texts) for key, stats in sides if stats is not None
    )
    return (*lines, *found)


def statistics_cells(label: str, stats: TensorStats, texts: Texts) -> tuple[str, ...]:
    """Return the numbers of one tensor as a line of a table."""
    values = (stats.mean, stats.std, stats.min, stats.max)
    shown = ("–" if value is None else f"{value:.4g}" for value in values)
    last = filter(None, (f"{stats.zeros:.3g}", missing_values(stats, texts)))
    return (label, *shown, texts["init.comma"].join(last))
