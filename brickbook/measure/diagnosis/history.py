"""Findings about a history: what nobody has started, and what was started again and again."""

from __future__ import annotations

from collections.abc import Iterator

from brickbook.html import format_2g
from brickbook.init.laws import Normal
from brickbook.init.planning import Why
from brickbook.init.tracing import History, TracedTensor
from brickbook.measure.diagnosis.finding import Finding, Severity, make_finding
from brickbook.measure.diagnosis.rules import EMBEDDING_STD

__all__ = ["find_in_history"]


def find_in_history(history: History) -> Iterator[Finding]:
    """Yield what a trace shows of the way a model starts."""
    rows = [row for row in history.rows if not row.tied_to]
    yield from find_left_empty(rows)
    parameters = [row for row in rows if row.kind == "parameter"]
    yield from find_wide_embeddings(parameters)
    yield from find_unstarted(parameters)
    yield from find_drawn_again(parameters)


def find_left_empty(rows: list[TracedTensor]) -> Iterator[Finding]:
    """Yield a finding for tensors that hold whatever their memory held before."""
    names = tuple(row.name for row in rows if row.why and row.why.kind is Why.LEFT_EMPTY)
    if names:
        yield make_finding("left-empty", "error", names, "left-empty")


def find_wide_embeddings(rows: list[TracedTensor]) -> Iterator[Finding]:
    """Yield a finding for tables of embeddings that are drawn wide, as torch does by itself."""
    wide = [
        (row, row.law.std)
        for row in rows
        if row.module == "Embedding" and type(row.law) is Normal and row.law.std >= EMBEDDING_STD
    ]
    if wide:
        names, std = tuple(row.name for row, _ in wide), wide[0][1]
        words = {"std": format_2g(std), "width": f"{wide[0][0].shape[-1]:,}"}
        yield make_finding("embedding", "note", names, "embedding", words, std=std)


def find_unstarted(rows: list[TracedTensor]) -> Iterator[Finding]:
    """Yield a finding for weights with torch's own start alone, in a model that starts others."""
    started = [row for row in rows if any(not event.by_torch for event in row.events)]
    kinds = {row.module for row in started if len(row.shape) > 1}
    left = [
        row
        for row in rows
        if len(row.shape) > 1 and row.events and all(event.by_torch for event in row.events)
    ]
    groups: tuple[tuple[bool, Severity, str], ...] = (
        (True, "warning", "torch-start.forgotten"),
        (False, "note", "torch-start"),
    )
    for forgotten, severity, key in groups:
        group = [row for row in left if (row.module in kinds) is forgotten]
        if group and started:
            names = tuple(row.name for row in group)
            modules = tuple(dict.fromkeys(row.module for row in group))
            words = {"kinds": modules, "place": started[0].events[-1].place}
            yield make_finding("torch-start", severity, names, key, words, count=len(names))


def find_drawn_again(rows: list[TracedTensor]) -> Iterator[Finding]:
    """Yield a finding for parameters that own code has started, and then started again."""
    again = [
        (row, lost, standing[-1])
        for row in rows
        if (lost := [event for event in row.events if not (event.stands or event.by_torch)])
        and (standing := [event for event in row.events if event.stands])
    ]
    if again:
        _, lost, last = again[0]
        names = tuple(row.name for row, *_ in again)
        words = {
            "first": f"{lost[-1].call} at {lost[-1].place}",
            "last": f"{last.call} at {last.place}",
        }
        yield make_finding("drawn-again", "note", names, "drawn-again", words, count=len(names))
