"""Exercises of notebooks 01 and 02: a first model, and layers from configs."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from brickbook.blueprint import Blueprint
from brickbook.bricks import ConvModule, build_activation_layer
from brickbook.course.answers import expect_number, expect_std, kind_of, plan_of
from brickbook.course.exercise import WrongAnswer, exercise, right


@exercise("01.1", "parameters of a ConvModule")
def count_parameters(answer: Any) -> str:
    """Look at the number of parameters of ConvModule(3, 16, 3, norm_cfg=dict(type="BN"))."""
    expect_number(
        answer,
        464,
        {
            432: "That is the convolution alone. BatchNorm has two parameters for each channel.",
            448: "16 too few: BatchNorm has a scale and a shift for each of its 16 channels. "
            "The convolution has no bias here.",
            480: "16 too many: before a norm a ConvModule leaves the convolution's bias out.",
            496: "32 too many: running mean and variance are buffers, no parameters.",
            512: "48 too many: the convolution has no bias before a norm, and running mean and "
            "variance are buffers.",
        },
        tolerance=1e-6,
    )
    return right("3·16·3·3 = 432 for the convolution, and 2·16 = 32 for BatchNorm.")


@exercise("01.2", "two rules for two kinds of layer")
def two_rules(answer: Any) -> str:
    """Look at an init_cfg: Kaiming for convolutions, Normal of std 0.01 for Linear."""
    conv = ConvModule(3, 16, 3, padding=1, norm_cfg=dict(type="BN"))
    model = nn.Sequential(conv, nn.Flatten(), nn.Linear(16, 10))
    made = plan_of(model, answer)
    expect_std(
        made,
        "2.weight",
        0.01,
        {
            1.0: "The Linear layer would get a standard deviation of 1: that is what Normal does "
            "without an std.",
            0.1: "Ten times too large for the Linear layer: 0.1 is not 0.01.",
        },
    )
    expect_std(
        made,
        "0.conv.weight",
        math.sqrt(2 / 144),
        {
            0.01: "Kaiming is asked for the convolution; the Normal rule reaches it too: name its "
            "layer.",
            math.sqrt(2 / 27): "That is Kaiming with mode='fan_in'; asked for is what it does "
            "without a mode.",
            math.sqrt(2 / 171): "That is Xavier for the convolution: it knows nothing of ReLU.",
        },
    )
    return right("Each rule names its layer, and the norm keeps 1 and 0.")


@exercise("01.3", "the loss of a model that knows nothing")
def chance_loss(answer: Any) -> str:
    """Look at the cross entropy of ten equal probabilities."""
    expect_number(
        answer,
        math.log(10),
        {
            0.1: "That is the probability of each class. The loss is -ln of it.",
            0.9: "That is the share of errors by guessing. The loss is -ln of a probability.",
            1.0: "That is the logarithm to the base 10; cross entropy takes the natural one.",
            math.log2(10): "That is the logarithm to the base 2; cross entropy takes the natural "
            "one.",
            -math.log(10): "The sign: -ln(1/10) is positive.",
        },
    )
    return right(
        "-ln(1/10) = ln 10 = 2.303: a loss far above it at the start is confidently wrong."
    )


@exercise("02.1", "a bundle that halves the size")
def halving_bundle(answer: Any) -> str:
    """Look at the config of a ConvModule with stride 2, GroupNorm of 4 groups and LeakyReLU."""
    if not isinstance(answer, dict):
        raise WrongAnswer(
            "One layer is one dict, this is of the type {kind}.", kind=kind_of(answer)
        )
    layer = Blueprint((answer,)).build()[0]
    if not isinstance(layer, ConvModule):
        raise WrongAnswer("This builds a {kind}, not a ConvModule.", kind=kind_of(layer))
    shape = tuple(layer(torch.zeros(2, 3, 32, 32)).shape)
    if shape[1] != 8:
        raise WrongAnswer("It gives {n} channels; asked for are 8.", n=shape[1])
    if shape[2:] == (15, 15):
        raise WrongAnswer("32 pixels become 15: padding=1 is missing, so the border is lost.")
    if shape[2:] != (16, 16):
        raise WrongAnswer(
            "32 pixels become {n}; asked for are 16: stride 2, and a padding of half the kernel.",
            n=shape[2],
        )
    if not isinstance(layer.norm, nn.GroupNorm):
        raise WrongAnswer("Its norm is {kind}; asked for is GroupNorm.", kind=kind_of(layer.norm))
    if layer.norm.num_groups != 4:
        raise WrongAnswer("Its norm has {n} groups; asked for are 4.", n=layer.norm.num_groups)
    if not isinstance(layer.activate, nn.LeakyReLU):
        kind = kind_of(layer.activate) if layer.with_activation else "none"
        raise WrongAnswer("Its activation is {kind}; asked for is LeakyReLU.", kind=kind)
    return right("3×32×32 becomes 8×16×16, with GroupNorm and LeakyReLU.")


@exercise("02.2", "an activation of your own")
def own_activation(answer: Any) -> str:
    """Look at the type under which an activation ReLU(x)² is registered."""
    layer = build_activation_layer({"type": answer} if isinstance(answer, str) else answer)
    points = torch.tensor([-2.0, 0.0, 0.5, 3.0])
    values = layer(points.clone())
    if torch.equal(values, points**2):
        raise WrongAnswer(
            "Negative inputs come out positive: it is x², where ReLU(x)² is asked for."
        )
    if torch.equal(values, points.clamp(min=0)):
        raise WrongAnswer("It is ReLU(x), not squared.")
    if not torch.allclose(values, points.clamp(min=0) ** 2):
        raise WrongAnswer("Of 3 it makes {found}; ReLU(3)² is 9.", found=f"{values[3].item():g}")
    return right("Registered, found by its name, and right at every point.")


@exercise("02.3", "a residual block that starts as the identity")
def identity_block(answer: Any) -> str:
    """Look at a list of bricks: one residual block of 16 channels, which can be the identity."""
    model = Blueprint(tuple(answer) if isinstance(answer, list | tuple) else (answer,)).build()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    points = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    found = model(points)
    if found.shape != points.shape:
        raise WrongAnswer(
            "2×16×8×8 becomes {shape}: without the same shape nothing can be added.",
            shape="×".join(map(str, found.shape)),
        )
    if not sum(1 for _ in model.parameters()):
        raise WrongAnswer("There is no parameter in it: the branch has nothing to learn.")
    if torch.equal(found, points):
        return right("With all weights 0 the branch adds nothing: x comes out as it went in.")
    if torch.equal(found, points.clamp(min=0)):
        raise WrongAnswer(
            "With all weights 0 it gives ReLU(x): an activation stands behind the addition."
        )
    if not found.any():
        raise WrongAnswer(
            "With all weights 0 it gives 0: the input is not added to what comes out."
        )
    raise WrongAnswer("With all weights 0 it does not give its input.")
