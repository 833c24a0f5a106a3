"""Exercises of notebooks 09 and 10: races of starts, and which line wrote a weight."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from brickbook.course.answers import as_number, call, close, expect_number, kind_of
from brickbook.course.exercise import WrongAnswer, exercise, right
from brickbook.html import format_number
from brickbook.init.tracing import History, trace
from brickbook.measure import Race


@exercise("09.1", "the size of an update against the size of a weight")
def update_ratio(answer: Any) -> str:
    """Look at a function of a weight before and after a step: ‖after - before‖ / ‖before‖."""
    before, after = torch.tensor([3.0, 4.0]), torch.tensor([3.1, 4.0])
    found = as_number(call(answer, before.clone(), after.clone()))
    if close(found, 0.02):
        return right("‖(0.1, 0)‖ / ‖(3, 4)‖ = 0.1/5 = 0.02.")
    if close(found, 0.1):
        raise WrongAnswer(
            "That is the norm of the update. It is to be divided by that of the weight."
        )
    if close(found, 50):
        raise WrongAnswer("The other way round: the update is what is divided.")
    if close(found, 0.1 / 7):
        raise WrongAnswer(
            "That takes sums of absolute values; a norm is the root of a sum of squares."
        )
    if close(found, 0.1 / torch.tensor([3.1, 4.0]).norm().item(), 1e-4):
        raise WrongAnswer(
            "It is divided by the weight after the step; asked for is the one before."
        )
    raise WrongAnswer("For (3, 4) and (3.1, 4) it gives {found}.", found=f"{found:.4g}")


@exercise("09.2", "a learning rate for one step in a thousand")
def rate_for_update(answer: Any) -> str:
    """Look at the rate by which SGD moves a weight of norm 10 by 1e-3, with a gradient of 0.5."""
    expect_number(
        answer,
        0.02,
        {
            0.002: "That moves it by 0.002·0.5 = 0.001; a thousandth of 10 is 0.01.",
            0.01: "That is how far it is to move. The gradient has the norm 0.5, not 1.",
            0.005: "That is 0.01·0.5. The step is lr·0.5, so lr is 0.01 divided by 0.5.",
            0.001: "That moves it by 0.0005, a twenty-thousandth part.",
        },
    )
    return right("lr·0.5/10 = 0.001, so lr = 0.02.")


@exercise("09.3", "the start that wins a race")
def winner(answer: Any) -> str:
    """Look at a race and the name of its variant with the lowest last loss, mean of all seeds."""
    if not (isinstance(answer, list | tuple) and len(answer) == 2 and isinstance(answer[0], Race)):
        raise WrongAnswer("Two things are asked for: (race, name).")
    found, name = answer
    if name not in found.variants:
        known = ", ".join(found.variants)
        raise WrongAnswer("{name} took no part; there were {known}.", name=repr(name), known=known)
    last = {}
    for variant in found.variants:
        curve = found.curve(variant)
        if curve.stopped and variant == name:
            raise WrongAnswer(
                "A run of {name} stopped: {why}", name=name, why=curve.stopped[0].outcome
            )
        if not curve.stopped and curve.mean:
            last[variant] = curve.mean[-1]
    best = min(last, key=lambda each: last[each])
    if name != best:
        raise WrongAnswer(
            "{name} ends with a mean loss of {found}; another one ends lower.",
            name=name,
            found=format_number(last[name]),
        )
    return right("{name} ends with a mean loss of {found}.", name=name, found=f"{last[name]:.3g}")


def check_history(found: Any) -> History:
    """Return what `trace` has returned; raise `WrongAnswer` for anything else."""
    if not isinstance(found, History):
        kind = kind_of(found)
        raise WrongAnswer("What trace returns is asked for, this is of the type {kind}.", kind=kind)
    return found


def started_by_torch_alone(history: History) -> list[str]:
    """Return the names of the parameters that nobody but torch's own layers has started."""
    return [
        row.name
        for row in history.rows
        if row.kind == "parameter" and row.events and all(each.by_torch for each in row.events)
    ]


@exercise("10.1", "the weights that nobody started")
def forgotten(answer: Any) -> str:
    """Look at a history and the names of its matrices that only torch's default has written."""
    if not isinstance(answer, list | tuple) or len(answer) != 2:
        raise WrongAnswer("Two things are asked for: (history, names).")
    history = check_history(answer[0])
    names = {answer[1]} if isinstance(answer[1], str) else set(answer[1])
    wanted = {name for name in started_by_torch_alone(history) if len(history[name].shape) > 1}
    if unknown := sorted(names - set(history)):
        raise WrongAnswer("The model has no parameter {name}.", name=unknown[0])
    if extra := sorted(names - wanted):
        row = history[extra[0]]
        if len(row.shape) < 2:
            raise WrongAnswer("{name} is no matrix.", name=row.name)
        raise WrongAnswer(
            "{name} is started: {call} at {place}.",
            name=row.name,
            call=row.events[-1].call,
            place=row.events[-1].place,
        )
    if missing := sorted(wanted - names):
        raise WrongAnswer("{name} is left as torch's own layer made it, too.", name=missing[0])
    return right("All events of {names} are torch's own.", names=", ".join(sorted(wanted)))


@exercise("10.2", "a repaired start")
def repaired(answer: Any) -> str:
    """Look at a function that makes a model whose matrices all are started with std 0.02."""
    if not callable(answer):
        raise WrongAnswer("A function that makes the model is asked for: lambda: start(Model()).")
    call(answer)  # which sees the dots of an answer that is not there yet
    make: Any = answer
    history = trace(make)
    rows = [row for row in history.rows if row.kind == "parameter" and len(row.shape) > 1]
    left = set(started_by_torch_alone(history))
    for row in rows:
        if row.name in left:
            raise WrongAnswer("{name} still has torch's own start.", name=row.name)
        if row.law is None:
            raise WrongAnswer("{name} has no law that can be named.", name=row.name)
        if not close(row.law.std, 0.02, 0.15):
            raise WrongAnswer(
                "{name} gets {law}, not a std of 0.02.", name=row.name, law=str(row.law)
            )
    return right("All {n} matrices are started with a standard deviation of 0.02.", n=len(rows))


@exercise("10.3", "how often a weight is written")
def count_writes(answer: Any) -> str:
    """Look at how often the weight of a Linear is written that is drawn and then scaled."""

    def make() -> nn.Module:
        layer = nn.Linear(4, 4)
        nn.init.normal_(layer.weight, std=0.02)
        with torch.no_grad():
            layer.weight.mul_(0.5)
        return layer

    expect_number(
        answer,
        len(trace(make)["weight"].events),
        {
            1: "One of the writes stands in the end, but every one of them is listed.",
            2: "The constructor writes too: nn.Linear draws its weight before your first line.",
        },
        tolerance=1e-9,
    )
    return right("The constructor's draw, normal_ over it, and mul_, which scales what stands.")
