"""What the exercises ask of an answer again and again: a number, a function's value, a plan."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from brickbook.course.exercise import NoAnswer, WrongAnswer
from brickbook.html import format_number
from brickbook.init.planning import InitPlan, plan

__all__ = ["as_number", "call", "close", "expect_number", "expect_std", "plan_of"]


def as_number(answer: Any) -> float:
    """Return an answer as a number; raise `WrongAnswer` if it is none."""
    if isinstance(answer, Tensor) and answer.numel() == 1:
        answer = answer.item()
    if isinstance(answer, bool) or not isinstance(answer, int | float):
        raise WrongAnswer(
            "A number is asked for, this is of the type {kind}.", kind=kind_of(answer)
        )
    if math.isnan(answer):
        raise WrongAnswer("This is NaN, not a number.")
    return float(answer)


def kind_of(answer: Any) -> str:
    return type(answer).__name__


def close(found: float, wanted: float, tolerance: float = 0.005) -> bool:
    """Whether two numbers are the same to half a percent: students round."""
    return math.isclose(found, wanted, rel_tol=tolerance, abs_tol=1e-12)


def expect_number(
    answer: Any, wanted: float, mistakes: Mapping[float, str], tolerance: float = 0.005
) -> None:
    """Return if an answer is the number that is wanted.

    Args:
        answer: What the student gave.
        wanted: The right number.
        mistakes: What is to be said of numbers that come from a known mistake.
        tolerance: How far two numbers that are the same may differ, relatively.

    Raises:
        WrongAnswer: It is another number.
    """
    found = as_number(answer)
    if close(found, wanted, tolerance):
        return
    for number, sentence in mistakes.items():
        if close(found, number, tolerance):
            raise WrongAnswer(sentence)
    direction = "large" if found > wanted else "small"
    if direction == "large":
        raise WrongAnswer("{found} is too large.", found=format_number(found))
    raise WrongAnswer("{found} is too small.", found=format_number(found))


def call(function: Any, *arguments: Any) -> Any:
    """Return what a student's function gives; raise `NoAnswer` if that is ``...``."""
    if not callable(function):
        kind = kind_of(function)
        raise WrongAnswer("A function is asked for, this is of the type {kind}.", kind=kind)
    value = function(*arguments)
    if value is ...:
        raise NoAnswer
    return value


def plan_of(model: nn.Module, init_cfg: Any) -> InitPlan:
    """Return the plan of a student's config; a rule that matches nothing is refused."""
    if not isinstance(init_cfg, dict | list | tuple):
        kind = kind_of(init_cfg)
        raise WrongAnswer(
            "A config is asked for: a dict, or a list of dicts, not {kind}.", kind=kind
        )
    return plan(model, init_cfg, strict=True)


def expect_std(made: InitPlan, name: str, wanted: float, mistakes: Mapping[float, str]) -> None:
    """Return if a plan gives a parameter a law of that std, else raise `WrongAnswer`."""
    law = made[name].law
    if law is None:
        raise WrongAnswer("No rule reaches {name}: it is left as it is.", name=name)
    if close(law.std, wanted):
        return
    for number, sentence in mistakes.items():
        if close(law.std, number):
            raise WrongAnswer(sentence)
    raise WrongAnswer(
        "{name} would get {law}, with a standard deviation of {found}; asked for is {wanted}.",
        name=name,
        law=str(law),
        found=format_number(law.std),
        wanted=format_number(wanted),
    )
