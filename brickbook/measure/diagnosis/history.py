"""Findings about a history: what nobody has started, and what was started again and again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from brickbook.html import format_2g
from brickbook.init.laws import Normal
from brickbook.init.planning import Why
from brickbook.init.tracing import History, TracedTensor, WriteEvent
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
    yield from find_forgotten_biases(parameters)
    shared = {row.tied_to: row.name for row in history.rows if row.tied_to}
    yield from find_tied_twice(parameters, shared)
    yield from find_drawn_again([row for row in parameters if row.name not in shared])


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


def find_forgotten_biases(rows: list[TracedTensor]) -> Iterator[Finding]:
    """Yield a finding for biases that torch has drawn, where own code starts the weight alone."""
    by_name = {row.name: row for row in rows}
    left: list[tuple[TracedTensor, WriteEvent]] = []
    for row in rows:
        stem, _, key = row.name.rpartition(".")
        weight = by_name.get(f"{stem}.weight" if stem else "weight")
        by_torch = row.events and all(event.by_torch for event in row.events)
        if key == "bias" and weight is not None and by_torch and row.law and row.law.is_random():
            left += [(row, event) for event in weight.events if not event.by_torch][-1:]
    if left:
        names = tuple(row.name for row, _ in left)
        words = {"place": left[0][1].place, "law": str(left[0][0].law)}
        yield make_finding("torch-bias", "note", names, "torch-bias", words, count=len(names))


def find_tied_twice(rows: list[TracedTensor], shared: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding for each tensor of two layers that own code has started for either."""
    for row, lost, last in started_twice([row for row in rows if row.name in shared]):
        words = {"other": shared[row.name], **calls_in_words(lost, last)}
        names = (row.name, shared[row.name])
        yield make_finding("tied-twice", "warning", names, "tied-twice", words)


def find_drawn_again(rows: list[TracedTensor]) -> Iterator[Finding]:
    """Yield a finding for parameters that own code has started, and then started again."""
    again = list(started_twice(rows))
    if again:
        _, lost, last = again[0]
        names = tuple(row.name for row, *_ in again)
        words = calls_in_words(lost, last)
        yield make_finding("drawn-again", "note", names, "drawn-again", words, count=len(names))


def started_twice(
    rows: list[TracedTensor],
) -> Iterator[tuple[TracedTensor, WriteEvent, WriteEvent]]:
    """Yield what own code has started twice, with the last call that is lost and that stands."""
    for row in rows:
        lost = [event for event in row.events if not (event.stands or event.by_torch)]
        standing = [event for event in row.events if event.stands]
        if lost and standing:
            yield row, lost[-1], standing[-1]


def calls_in_words(lost: WriteEvent, last: WriteEvent) -> dict[str, str]:
    """Return two calls with their places."""
    return {"first": f"{lost.call} at {lost.place}", "last": f"{last.call} at {last.place}"}
