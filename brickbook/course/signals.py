"""Exercises of notebooks 05 and 06: symmetry, signals through depth, activations and gains."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from brickbook.course.answers import as_number, call, close, expect_number
from brickbook.course.exercise import WrongAnswer, exercise, right
from brickbook.init.execution import initialize
from brickbook.measure import probe

DEPTH, WIDTH = 20, 128


@exercise("05.1", "a layer whose units are all the same")
def equal_rows(answer: Any) -> str:
    """Look at how many different units a hidden layer has after training from a constant."""
    expect_number(
        answer,
        1,
        {
            0: "There is always one kind at least. How many different rows has the weight?",
            16: "Each unit gets the same gradient as the others, so none can leave them.",
            256: "Each unit gets the same gradient as the others, so none can leave them.",
        },
        tolerance=1e-9,
    )
    return right("One: equal weights get equal gradients, at every step. Only chance breaks it.")


@exercise("05.2", "what twenty layers do to a signal")
def vanished(answer: Any) -> str:
    """Look at the factor of 20 linear layers of width 256 with weights of std 0.01."""
    expect_number(
        answer,
        0.16**20,
        {
            0.16: "That is one layer: √256·0.01 = 0.16. Twenty of them stand one after the other.",
            0.16 * 20: "Layers multiply, they do not add up: 0.16 to the power of 20.",
            0.01**20: "Each output is a sum of 256 products: √256 = 16 times larger for each "
            "layer.",
            2.56**20: "The sum of 256 independent numbers is √256 = 16 times as large as one of "
            "them, not 256 times.",
            0.16**40: "That is the variance. Asked for is the standard deviation.",
        },
        tolerance=0.05,
    )
    return right("(√256·0.01)²⁰ = 0.16²⁰ = 1.2·10⁻¹⁶: nothing is left of the signal.")


@exercise("05.3", "the standard deviation that keeps a signal")
def keeping_std(answer: Any) -> str:
    """Look at the σ of a linear layer of width 256 that keeps the standard deviation."""
    expect_number(
        answer,
        1 / 16,
        {
            1 / 256: "1/256 is the variance. The standard deviation is its root.",
            math.sqrt(2 / 256): "That is for layers with ReLU; these have no activation.",
            16: "The other way round: σ·√256 = 1.",
            1.0: "σ·√256 must be 1, and √256 is 16.",
        },
    )
    return right("σ·√256 = 1, so σ = 1/16 = 0.0625.")


@exercise("06.1", "the gain of LeakyReLU")
def leaky_gain(answer: Any) -> str:
    """Look at a function of the slope a that gives √(2/(1+a²))."""
    for slope in (0.2, 1.0):
        found = as_number(call(answer, slope))
        if close(found, math.sqrt(2 / (1 + slope**2))):
            continue
        if close(found, math.sqrt(2)):
            raise WrongAnswer(
                "That is ReLU's gain for every slope: of the negative side a² is left."
            )
        if close(found, 2 / (1 + slope**2)):
            raise WrongAnswer("That is the gain squared, for the variance.")
        if close(found, math.sqrt(2 / (1 + slope))):
            raise WrongAnswer("The slope counts squared: variances are of squares.")
        raise WrongAnswer(
            "For a slope of {slope} it gives {found}.", slope=slope, found=f"{found:.4g}"
        )
    return right("√(2/(1+a²)): ReLU for a = 0, and 1 for a = 1, where nothing is cut.")


@exercise("06.2", "a start for twenty tanh layers")
def tanh_start(answer: Any) -> str:
    """Look at an init_cfg by which a deep tanh net keeps signals and gradients."""
    layers = [each for _ in range(DEPTH) for each in (nn.Linear(WIDTH, WIDTH), nn.Tanh())]
    model = nn.Sequential(*layers)
    initialize(model, answer, seed=0, strict=True)
    batch = torch.randn(256, WIDTH, generator=torch.Generator().manual_seed(0))
    rows = [row for row in probe(model, batch).rows if row.kind == "Tanh"]
    last, saturated = rows[-1].std or 0.0, rows[0].saturated or 0.0
    if not math.isfinite(last):
        raise WrongAnswer("The signal is no number any more at the last layer.")
    if saturated > 0.3:
        raise WrongAnswer(
            "{share} % of the first tanh are saturated: the weights are too large, and where tanh "
            "is flat no gradient passes.",
            share=round(100 * saturated),
        )
    if last < 0.01:
        raise WrongAnswer(
            "At the last layer the standard deviation is {std}: the weights are too small.",
            std=f"{last:.2g}",
        )
    ratio = (rows[0].grad or 0) / (rows[-1].grad or 1)
    if not 0.05 < ratio < 20:
        raise WrongAnswer(
            "The gradient at the first layer is {ratio} times that at the last.",
            ratio=f"{ratio:.2g}",
        )
    return right(
        "Standard deviation {std} at the last layer, and the gradient at the first is {ratio} "
        "times that at the last.",
        std=f"{last:.2g}",
        ratio=f"{ratio:.2g}",
    )


@exercise("06.3", "the share of dead units")
def dead_share(answer: Any) -> str:
    """Look at a function of outputs (samples, units) that gives the share of dead units."""
    outputs = torch.tensor([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]])
    found = as_number(call(answer, outputs.clone()))
    if close(found, 0.5):
        return right("Two of the four units are 0 for every sample.")
    if close(found, 0.75):
        raise WrongAnswer("That is the share of zeros. A unit is dead if it is 0 for every sample.")
    if close(found, 0.0):
        raise WrongAnswer("It looks along the wrong axis: samples are rows, units are columns.")
    if close(found, 1.0):
        raise WrongAnswer("A unit that is 0 for some samples is not dead: it must be 0 for all.")
    if close(found, 2.0):
        raise WrongAnswer("That is how many are dead. Asked for is the share of all units.")
    raise WrongAnswer("Of 4 units 2 are dead; it says {found}.", found=f"{found:.3g}")
