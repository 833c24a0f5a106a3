"""Exercises of notebooks 07 and 08: residual nets and normalisation, and width."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from brickbook.backbones import ResNet
from brickbook.course.answers import as_number, call, close, expect_number, plan_of
from brickbook.course.exercise import WrongAnswer, exercise, right
from brickbook.init import base_shapes


@exercise("07.1", "the variance of a chain of blocks")
def growing_variance(answer: Any) -> str:
    """Look at the variance after 10 blocks x + f(x), where f(x) has the variance of x."""
    expect_number(
        answer,
        1024,
        {
            10: "Each block doubles what the one before has made; it does not add the same again.",
            11: "Each block doubles what the one before has made; it does not add the same again.",
            20: "2·10 would be adding; each block doubles: 2 to the power of 10.",
            32: "That is the standard deviation. Asked for is the variance.",
            1: "x and f(x) both have that variance, and variances of independent numbers add up.",
        },
    )
    return right("Var(x + f(x)) = 2 Var(x), ten times: 2¹⁰ = 1024.")


@exercise("07.2", "blocks that start as the identity")
def zero_gamma(answer: Any) -> str:
    """Look at an init_cfg by which every block of a ResNet starts as the identity."""
    made = plan_of(ResNet(18), answer)
    stds = {name: made[name].law for name in made}
    last = [name for name in stds if name.endswith("bn2.weight")]
    other = [name for name in stds if name.endswith("bn1.weight")]
    values = {name: law.mean for name, law in stds.items() if law is not None}
    if all(values.get(name) == 0 for name in other):
        raise WrongAnswer(
            "Every norm would be 0, the first of all as well: nothing passes, and no gradient."
        )
    if any(values.get(name) == 0 for name in other):
        raise WrongAnswer(
            "A norm in the middle of a block is 0: only the last of each block may be."
        )
    if not any(values.get(name) == 0 for name in last):
        raise WrongAnswer("The last norm of no block is 0.")
    if missing := [name for name in last if values.get(name) != 0]:
        raise WrongAnswer(
            "{name} is not 0: its block does not start as the identity.", name=missing[0]
        )
    return right("The last norm of each of the {n} blocks starts at 0.", n=len(last))


@exercise("07.3", "a factor for branches")
def branch_scale(answer: Any) -> str:
    """Look at a function of the depth L that gives 1/√L for the branch's output."""
    for depth in (16, 100):
        found = as_number(call(answer, depth))
        if close(found, 1 / math.sqrt(depth)):
            continue
        if close(found, 1 / depth):
            raise WrongAnswer(
                "With 1/L the variance grows by (1 + 1/L²)^L, which is nearly 1: the branches "
                "hardly take part. Squared, the factor is to be 1/L."
            )
        if close(found, math.sqrt(depth)):
            raise WrongAnswer("More blocks need smaller branches, not larger ones.")
        raise WrongAnswer("For L = {n} it gives {found}.", n=depth, found=f"{found:.4g}")
    return right("(1 + 1/L)^L stays below e = 2.72, whatever the depth.")


@exercise("08.1", "reading a coordinate check")
def slope(answer: Any) -> str:
    """Look at the growth of an activation with slope 1/2, from width 64 to 4096."""
    expect_number(
        answer,
        8,
        {
            64: "That is the growth of the width. With slope 1/2 the activation grows by its root.",
            32: "Slope 1/2 is a power, not a half: 64 to the power of 1/2.",
            1: "A growth of 1 is slope 0, the flat line of a right parametrisation.",
            2: "In the double logarithm slope 1/2 is a factor of √64, not of 2.",
        },
    )
    return right("(4096/64)^(1/2) = 8: at some width such a net learns nothing, or diverges.")


@exercise("08.2", "the learning rate of a wider net")
def wide_rate(answer: Any) -> str:
    """Look at μP's Adam learning rate of a hidden matrix, four times as wide as where 0.01 fits."""
    expect_number(
        answer,
        0.0025,
        {
            0.01: "That is the rate of the small net; hidden matrices take lr/growth with Adam.",
            0.005: "1/√growth is for the standard deviation. Adam's rate goes with 1/growth.",
            0.04: "The other way round: more inputs add up more, each step must be smaller.",
            0.000625: "That is 1/growth². Adam's rate goes with 1/growth.",
        },
    )
    return right("0.01/4: Yang et al. 2022, Table 3.")


@exercise("08.3", "the output layer of a wide net")
def mup_readout(answer: Any) -> str:
    """Look at an init_cfg of MuP for a net of width 512 whose base has width 64."""
    made = plan_of(wide_net(512), answer)
    hidden, readout = made["2.weight"].law, made["4.weight"].law
    if hidden is None or readout is None:
        raise WrongAnswer(
            "No rule reaches {name}.", name="2.weight" if hidden is None else "4.weight"
        )
    wanted = plan_of(wide_net(512), mup_rule(base_shapes(wide_net(64))))
    standard = plan_of(wide_net(512), mup_rule(base_shapes(wide_net(512))))
    right_std, plain_std = (each["4.weight"].law for each in (wanted, standard))
    assert right_std is not None and plain_std is not None
    if close(readout.std, right_std.std):
        return right(
            "The readout gets {law}: it shrinks faster than fan_in asks.", law=str(readout)
        )
    if close(readout.std, plain_std.std):
        raise WrongAnswer(
            "The readout gets what it would have without MuP: the base must be the small net."
        )
    raise WrongAnswer("The readout gets {law}.", law=str(readout))


def wide_net(width: int) -> nn.Sequential:
    """Return the net of notebook 08."""
    return nn.Sequential(
        nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
    )


def mup_rule(base: Any) -> dict[str, Any]:
    """Return what is asked for, for a base."""
    inner = dict(type="Kaiming", mode="fan_in", nonlinearity="relu")
    return dict(type="MuP", init=inner, base=base, layer="Linear")
