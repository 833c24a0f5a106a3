"""Exercises of notebook 04: rules, who wins, and what a typing mistake costs."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from brickbook.course.answers import expect_number, expect_std, plan_of
from brickbook.course.exercise import WrongAnswer, exercise, right
from brickbook.init.planning import plan
from brickbook.modules import Sequential

LIKE_THE_OTHERS = "The head is started as the others: an override for its name is missing."


class Classifier(nn.Module):
    """Two hidden layers and a head, as in the notebook."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.head = nn.Linear(64, 10)


@exercise("04.1", "an exception for the head")
def head_override(answer: Any) -> str:
    """Look at rules: Kaiming for all Linear layers, Normal of std 0.001 for the head."""
    made = plan_of(Classifier(), answer)
    expect_std(
        made,
        "body.0.weight",
        math.sqrt(2 / 64),
        {
            0.001: "The hidden layers would get 0.001 as well: the exception reaches all of them.",
            math.sqrt(1 / 64): "That is Xavier or LeCun; Kaiming for ReLU has √(2/64).",
        },
    )
    expect_std(
        made,
        "head.weight",
        0.001,
        {
            math.sqrt(2 / 10): LIKE_THE_OTHERS,
            math.sqrt(2 / 64): LIKE_THE_OTHERS,
            1.0: "The head would get a standard deviation of 1: std is missing in the override.",
        },
    )
    return right("The override wins for the head, the outer rule holds for the rest.")


@exercise("04.2", "who wins")
def who_wins(answer: Any) -> str:
    """Look at the value of a Linear layer's weights where an outer and an inner rule meet."""
    inner = Sequential(nn.Linear(2, 2), init_cfg=dict(type="Constant", val=2, layer="Linear"))
    outer = Sequential(inner, init_cfg=dict(type="Constant", val=1, layer="Linear"))
    law = plan(outer)["0.0.weight"].law
    assert law is not None
    expect_number(
        answer,
        law.mean,
        {
            1: "1 is the outer rule: a rule that is nearer to the layer wins over it.",
            3: "Rules do not add up: one of them wins.",
            0: "Constant 0 is for the bias. The weights get the value of the rule that wins.",
        },
    )
    return right("The inner init_cfg wins over the outer one: the weights are 2.")


@exercise("04.3", "what a typing mistake leaves")
def left_parameters(answer: Any) -> str:
    """Look at the names of the parameters that a misspelt config leaves alone."""
    made = plan(Classifier(), dict(type="Normal", std=0.01, layer="linear", override=dict(
        type="Normal", std=0.001, name="head")))  # fmt: skip
    left = {name for name in made if made[name].law is None}
    if isinstance(answer, str):
        answer = [answer]
    found = set(answer)
    if unknown := sorted(found - set(made)):
        raise WrongAnswer("The model has no parameter {name}.", name=unknown[0])
    if extra := sorted(found - left):
        raise WrongAnswer(
            "{name} is started: the override names the head, and finds it.", name=extra[0]
        )
    if missing := sorted(left - found):
        raise WrongAnswer("{name} is left as well: no layer is called linear.", name=missing[0])
    return right("All of the body is left, without an error in most frameworks.")
