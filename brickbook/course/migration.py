"""Exercises of notebook 14: from MMClassification 0.x to MMPretrain 1.x."""

from __future__ import annotations

from typing import Any

from brickbook.course.answers import expect_number, kind_of
from brickbook.course.exercise import WrongAnswer, exercise, right
from brickbook.migrate import migrate_config

OLD = dict(optimizer=dict(type="SGD", lr=0.1), optimizer_config=dict(grad_clip=dict(max_norm=1.0)))


@exercise("14.1", "the optimizer of a 1.x config")
def optim_wrapper(answer: Any) -> str:
    """Look at the 1.x form of an optimizer and its gradient clipping."""
    if not isinstance(answer, dict):
        raise WrongAnswer("A config is asked for, a dict, not {kind}.", kind=kind_of(answer))
    for old in ("optimizer", "optimizer_config"):
        if old in answer:
            raise WrongAnswer("{key} is a key of 0.x: 1.x has one key for both.", key=old)
    wrapper = answer.get("optim_wrapper")
    if wrapper is None:
        raise WrongAnswer("The key of 1.x is missing: optim_wrapper.")
    if "optimizer" not in wrapper:
        raise WrongAnswer("optim_wrapper wraps the optimizer: it stands in it under its old name.")
    if "grad_clip" in wrapper["optimizer"]:
        raise WrongAnswer("grad_clip is no argument of SGD: it stands beside the optimizer.")
    if "clip_grad" not in wrapper:
        raise WrongAnswer("The clipping is lost: grad_clip is called clip_grad in 1.x.")
    wanted = migrate_config(OLD).cfg["optim_wrapper"]
    if {"type": "OptimWrapper", **wrapper} != {"type": "OptimWrapper", **wanted}:
        raise WrongAnswer("It is {found}; what was asked for is another.", found=repr(wrapper))
    return right("One optim_wrapper holds the optimizer and clip_grad.")


@exercise("14.2", "the learning rate of another batch")
def scaled_rate(answer: Any) -> str:
    """Look at the rate for 8 GPUs with 64 images each, of 0.1 for a batch of 256."""
    expect_number(
        answer,
        0.2,
        {
            0.1: "The batch is 8·64 = 512, twice as large as the one that 0.1 is for.",
            0.025: "That is for one GPU: 64/256. All 8 take a step together.",
            0.8: "The batch of one GPU counts too: 8·64 = 512, against 256.",
            0.05: "The other way round: a larger batch takes a larger rate.",
        },
    )
    return right("0.1 · 512/256 = 0.2: Goyal et al. 2017, §2.1.")


@exercise("14.3", "half of a warm-up")
def warm_up(answer: Any) -> str:
    """Look at the rate at step 250 of a linear warm-up of 500 steps from 0.1·lr to lr = 0.1."""
    expect_number(
        answer,
        0.055,
        {
            0.05: "The warm-up begins at 0.1·lr = 0.01, not at 0.",
            0.1: "Half of the way is left: 0.1 is reached at step 500.",
            0.01: "That is where it begins.",
            0.045: "That is how much is missing. Asked for is the rate.",
        },
    )
    return right("0.01 + (0.1 - 0.01)·250/500 = 0.055.")
