"""Exercises of notebook 03: the laws of a start and their theory."""

from __future__ import annotations

import math
from typing import Any

from brickbook.course.answers import as_number as number
from brickbook.course.answers import call, close, expect_number
from brickbook.course.exercise import WrongAnswer, exercise, right


@exercise("03.1", "the standard deviation before a ReLU")
def relu_std(answer: Any) -> str:
    """Look at a function of fan_in that gives √(2/fan_in)."""
    for fan_in in (8, 512):
        found = number(call(answer, fan_in))
        if close(found, math.sqrt(2 / fan_in)):
            continue
        if close(found, 2 / fan_in):
            raise WrongAnswer(
                "2/fan_in is the variance. The standard deviation is its square root."
            )
        if close(found, math.sqrt(1 / fan_in)):
            raise WrongAnswer(
                "√(1/fan_in) keeps the signal of a linear layer. ReLU takes half of the mean "
                "square away: the variance must be twice as large."
            )
        if close(found, math.sqrt(fan_in / 2)) or close(found, math.sqrt(2 * fan_in)):
            raise WrongAnswer("It grows with fan_in: more inputs need smaller weights.")
        if close(found, math.sqrt(2) / fan_in):
            raise WrongAnswer("fan_in belongs under the root as well: √(2/fan_in), not √2/fan_in.")
        raise WrongAnswer("For fan_in = {n} it gives {found}.", n=fan_in, found=f"{found:.4g}")
    return right("√(2/fan_in): He et al. 2015, equation 10.")


@exercise("03.2", "the bound of a uniform law")
def uniform_bound(answer: Any) -> str:
    """Look at the b of U(-b, b) with a standard deviation of 0.1."""
    expect_number(
        answer,
        0.1 * math.sqrt(3),
        {
            0.1: "U(-0.1, 0.1) has a standard deviation of 0.058: it is smaller than the bound.",
            0.1 / math.sqrt(3): "The other way round: the bound is √3 times the standard "
            "deviation, not its √3rd part.",
            0.1 * math.sqrt(12): "That is the whole width 2b. Asked for is b.",
            0.3: "The variance of U(-b, b) is b²/3, so that b = √3 σ, not 3 σ.",
        },
    )
    return right("b²/3 = σ², so b = √3·0.1 = 0.173.")


@exercise("03.3", "the fans of a convolution")
def conv_fans(answer: Any) -> str:
    """Look at (fan_in, fan_out) of Conv2d(64, 128, 3)."""
    if not isinstance(answer, list | tuple) or len(answer) != 2:
        raise WrongAnswer("Two numbers are asked for: (fan_in, fan_out).")
    found = tuple(map(number, answer))
    if found == (1152, 576):
        raise WrongAnswer("They are swapped: fan_in counts what goes into one output.")
    if found == (64, 128):
        raise WrongAnswer("Each output sees 3×3 places: both fans are 9 times as large.")
    if found == (192, 384):
        raise WrongAnswer("The kernel has 3·3 = 9 places, not 3.")
    if found != (576, 1152):
        raise WrongAnswer(
            "({first}, {second}): fan_in is channels in times places of the kernel, fan_out is "
            "channels out times the same.",
            first=f"{found[0]:g}",
            second=f"{found[1]:g}",
        )
    return right("64·9 = 576 inputs for each output, and each input reaches 128·9 = 1152.")
