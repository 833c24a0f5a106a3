"""A sign and a colour for every rule of a config, the same ones wherever rules are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brickbook.init.execution import InitReport
    from brickbook.init.planning import InitPlan, PlanRow

__all__ = [
    "COLOURS",
    "badges_of",
    "count_in_letters",
    "current_rows",
    "pending",
    "rule_badges",
    "winning_rule",
]

# Of Okabe and Ito, without the two that before and after have.
COLOURS = ("#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#f0e442", "#999999")
ROOT_RULE = re.compile(r"init_cfg(?:\[(\d+)\])?")


@dataclass(frozen=True)
class RuleBadge:
    """How a rule is shown: ``badge`` is what to read, ``colour`` counts in `COLOURS`.

    The badge of ``init_cfg[1]`` is "2", as the lab numbers its rules; its overrides are "2a", "2b";
    a config that a module brings along has a capital letter. ``striped`` tells those apart that
    share a colour.
    """

    source: str
    name: str
    badge: str
    colour: int
    striped: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the badge as JSON-able values."""
        return asdict(self)


def rule_badges(plan: InitPlan | None, report: InitReport | None = None) -> dict[str, RuleBadge]:
    """Return the badge of every rule that writes something, by its place in the config.

    A rule keeps its badge and its colour while other rules come and go behind it.
    """
    found = (winning_rule(row, report) for row in current_rows(plan, report).values())
    rules = {source: name for source, name in found if source}
    return {
        badge.source: badge for badge in badges_of(dict(sorted(rules.items(), key=natural_order)))
    }


def current_rows(plan: InitPlan | None, report: InitReport | None) -> Mapping[str, PlanRow]:
    """Return the rows that hold: those of the plan, else those of what was done."""
    return plan if plan is not None else report.plan if report is not None else {}


def winning_rule(row: PlanRow | None, report: InitReport | None = None) -> tuple[str, str]:
    """Return the rule that wrote a parameter, or that will: its place and its name.

    Both are "" where none did; what custom init code wrote has no name.
    """
    if row is None:
        return "", ""
    record = report.get(row.name) if report is not None and not pending(row, report) else None
    if record is not None and record.action in ("loaded", "called"):
        return record.source, "Pretrained" if record.action == "loaded" else ""
    return (row.source, row.rule) if row.law is not None else ("", "")


def pending(row: PlanRow | None, report: InitReport | None) -> bool:
    """Whether a plan's row says something else than what the report is of."""
    if row is None or report is None:
        return False
    done = report.plan.get(row.name)
    return done is None or (done.law, done.later_writers) != (row.law, row.later_writers)


def natural_order(item: tuple[str, str]) -> list[tuple[int, str]]:
    """Sort the 10th rule behind the 9th."""
    return [(int(x), "") if x.isdigit() else (-1, x) for x in re.split(r"(\d+)", item[0])]


def badges_of(rules: Mapping[str, str]) -> Iterable[RuleBadge]:
    """Yield a badge for every rule; the rules are sorted."""
    numbers = [int(m[1] or 0) for m in map(ROOT_RULE.match, rules) if m]
    behind = max(numbers, default=-1) + 1  # the colours of guests follow those of the root
    guests = parts = 0
    last = ""
    for source, name in rules.items():
        root = ROOT_RULE.match(source)
        if root is None:
            place, badge = behind + guests, count_in_letters(guests, ascii_uppercase)
            guests += 1
        else:
            place, badge = int(root[1] or 0), str(int(root[1] or 0) + 1)
            if root.end() < len(source):
                parts, last = parts + 1 if last == badge else 0, badge
                badge += count_in_letters(parts, ascii_lowercase)
        striped = place >= len(COLOURS) or (not badge[-1:].isdigit() and root is not None)
        yield RuleBadge(source, name, badge, place % len(COLOURS), striped)


def count_in_letters(number: int, alphabet: str) -> str:
    """Count in letters: a to z, then aa.

    >>> count_in_letters(0, "abc"), count_in_letters(2, "abc"), count_in_letters(3, "abc")
    ('a', 'c', 'aa')
    """
    text = ""
    number += 1
    while number:
        number, at = divmod(number - 1, len(alphabet))
        text = alphabet[at] + text
    return text
