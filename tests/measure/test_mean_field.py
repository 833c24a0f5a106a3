"""Mean-field theory against closed forms, published numbers and wide nets that are drawn."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from brickbook import initialize
from brickbook.errors import ConfigError
from brickbook.measure import probe
from brickbook.measure.expected import expected_signals
from brickbook.measure.mean_field import MeanField, mean_field, slope_gain, variance_map
from brickbook.views.svg.depth import depth_svg

QS = (0.01, 0.7, 1.0, 3.0, 40.0)


def leaky(a):
    return lambda x: F.leaky_relu(x, a)


CLOSED = {
    "linear": (lambda x: x * 1, lambda q: q, lambda q: 1),
    "relu": (torch.relu, lambda q: q / 2, lambda q: 1 / 2),
    "leaky relu": (leaky(0.2), lambda q: q * 1.04 / 2, lambda q: 1.04 / 2),
    "erf": (torch.erf, lambda q: 2 / math.pi * math.asin(2 * q / (1 + 2 * q)),
            lambda q: 4 / math.pi / math.sqrt(1 + 4 * q)),
    "sine": (torch.sin, lambda q: (1 - math.exp(-2 * q)) / 2, lambda q: (1 + math.exp(-2 * q)) / 2),
    "square": (torch.square, lambda q: 3 * q * q, lambda q: 4 * q),
    "hard tanh": (F.hardtanh,
                  lambda q: q * math.erf(r := 1 / math.sqrt(2 * q))
                  - math.sqrt(2 * q / math.pi) * math.exp(-r * r) + math.erfc(r),
                  lambda q: math.erf(1 / math.sqrt(2 * q))),
}  # fmt: skip


@pytest.mark.parametrize("q", QS)
@pytest.mark.parametrize("name", CLOSED)
def test_the_quadrature_is_the_closed_form(name, q):
    phi, variance, slope = CLOSED[name]
    kinked = 3e-3 if name == "hard tanh" else 1e-9  # its slope jumps between two nodes
    assert variance_map(phi, q) == pytest.approx(variance(q), rel=1e-4 if kinked > 1e-9 else 1e-9)
    assert slope_gain(phi, q) == pytest.approx(slope(q), rel=kinked)


def test_relu_is_on_the_edge_at_2_and_nowhere_else():
    edge = mean_field("ReLU", 2.0, depth=30)
    assert (edge.q_star, edge.chi, edge.phase) == (2.0, pytest.approx(1.0), "critical")
    assert edge.variances == pytest.approx([2.0] * 30) and edge.depth_c == math.inf
    assert edge.gradients == pytest.approx([1.0] * 30)
    below = mean_field("ReLU", 1.5, 0.1)
    assert (below.q_star, below.chi) == (pytest.approx(0.1 / 0.25), pytest.approx(0.75))
    assert below.depth_q == pytest.approx(-1 / math.log(0.75)) == pytest.approx(below.depth_c)
    assert (mean_field("ReLU", 1.9).q_star, mean_field("ReLU", 2.1).q_star) == (0.0, math.inf)
    assert mean_field("ReLU", 2.1).phase == "chaotic" and mean_field("ReLU", 2.1).c_star is None


def test_linear_layers():
    found = mean_field("linear", 0.5, 0.1, depth=3)
    assert found.variances == pytest.approx((0.6, 0.4, 0.3))
    assert found.gradients == pytest.approx((0.25, 0.5, 1.0))
    assert (found.q_star, found.chi) == (pytest.approx(0.2), pytest.approx(0.5))


def test_tanh_has_the_numbers_of_the_papers():
    """Its edge without biases is at 1; with bias_var 0.05 at about 1.76 (Schoenholz, figure 1)."""
    assert mean_field(torch.tanh, 0.99).phase == "ordered"
    assert mean_field(torch.tanh, 1.0).phase == "critical"
    assert mean_field(torch.tanh, 1.01).phase == "chaotic"
    low, high = 1.0, 4.0
    for _ in range(13):
        middle = (low + high) / 2
        low, high = (low, middle) if mean_field("Tanh", middle, 0.05).chi > 1 else (middle, high)
    assert high == pytest.approx(1.7603, abs=2e-3)
    four = mean_field("Tanh", 4.0)  # chaotic, unbiased: inputs come to have nothing in common
    assert four.c_star == 0.0 and 0 < four.depth_q < four.depth_c < math.inf


def test_what_a_fixed_point_says_is_what_iteration_does():
    for activation, weight, bias in (
        ("Tanh", 2.25, 0.05),
        ("GELU", 2.0, 0.1),
        ("Sigmoid", 4.0, 0.1),
    ):
        found = mean_field(activation, weight, bias, depth=400)
        assert found.variances[-1] == pytest.approx(found.q_star, rel=1e-6)
        late = [abs(value - found.q_star) for value in found.variances[2:5]]
        rate = math.exp(-1 / found.depth_q)
        assert late[2] / late[1] == pytest.approx(rate, rel=0.2)


def test_the_first_variance_may_be_given():
    found = mean_field("Tanh", 2.25, 0.05, first=9.0, depth=2)
    assert found.variances[0] == 9.0
    assert found.variances[1] == variance_map(torch.tanh, 9.0, 2.25, 0.05)


def chain(act, width=1000, depth=50):
    parts = [part for _ in range(depth - 1) for part in (nn.Linear(width, width), act())]
    return nn.Sequential(*parts, nn.Linear(width, width))


# Of ReLU the log of a variance has itself the variance 5·depth / width, over draws of the weights.
WIDE = [(nn.ReLU, 2.0, 0.0, 3 * math.sqrt(5 * 6 / 800)), (nn.Tanh, 1.5, 0.05, 0.12)]


@pytest.mark.parametrize("act, weight, bias, error", WIDE)
def test_wide_nets_are_as_expected(act, weight, bias, error):
    width = 800
    model = nn.Sequential(*(part for _ in range(6) for part in (nn.Linear(width, width), act())))
    law = {"type": "Normal", "std": math.sqrt(weight / width), "layer": "Linear"}
    initialize(model, law, seed=0)
    own = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for part in model[::2]:
            part.bias.normal_(0, math.sqrt(bias), generator=own)
    x = torch.randn(64, width, generator=own)
    direction = torch.randn(64, width, generator=own)
    found = probe(model, x, loss=lambda output: (output * direction).sum())
    theory = mean_field(act(), weight, bias, depth=6)
    measured = [row.std**2 + row.mean**2 for row in found.layers]
    assert measured == pytest.approx(theory.variances, rel=error)
    expected = expected_signals(model, found)
    assert [row.label for row in expected] == [row.label for row in found.layers]
    for row in expected:
        assert row.std == pytest.approx(found[row.label].std, rel=error / 2)
        assert row.grad == pytest.approx(found[row.label].grad, rel=error / 2)
    assert expected.source == "mean field" and expected[0].grad_norm is not None
    assert ">expected</text>" in depth_svg({"found": found, "expected": expected})


def test_a_convolution_whose_padding_goes_round_is_as_expected():
    conv = partial(nn.Conv2d, kernel_size=3, padding=1, padding_mode="circular")
    model = nn.Sequential(
        conv(3, 96), *(each for _ in range(4) for each in (nn.ReLU(), conv(96, 96)))
    )
    initialize(model, {"type": "Kaiming", "mode": "fan_in", "layer": "Conv2d"}, seed=0)
    found = probe(model, torch.randn(8, 3, 8, 8), loss=lambda output: output.sum())
    for row in expected_signals(model, found):
        assert row.std == pytest.approx(found[row.label].std, rel=0.15)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    def forward(self, x):
        return x + self.body(x)


SHARED = nn.Linear(4, 4)
HINT = " The theory is of layers and elementwise activations in an nn.Sequential, nothing else."
NO_CHAIN = {
    "1 is a BatchNorm1d, after which a signal begins anew.": [nn.Linear(4, 4), nn.BatchNorm1d(4)],
    "1 is a Dropout, which changes the variance in its own way.": [
        nn.Linear(4, 4),
        nn.Dropout(0.5),
    ],
    "0 is a Residual, whose parts may run in any order.": [Residual(), nn.Linear(4, 4)],
    "0 runs more than once, so that its weights are not independent.": [SHARED, nn.ReLU(), SHARED],
    "the layers that ran are not those of a chain.": [nn.ReLU()],
    "1 is a ConvTranspose1d, neither fully connected nor a convolution.": [
        nn.Unflatten(1, (1, 4)),
        nn.ConvTranspose1d(1, 1, 1),
    ],
}


@pytest.mark.parametrize("problem", NO_CHAIN)
def test_where_it_does_not_apply_it_says_so(problem):
    model = nn.Sequential(*NO_CHAIN[problem])
    with pytest.raises(ConfigError) as caught:
        expected_signals(model, probe(model, torch.randn(8, 4)))
    assert str(caught.value) == f"model: {problem}{HINT}"


REFUSED = {
    "weight_var: expected a finite number from 0 up, got -1.": ("ReLU", -1, 0),
    "bias_var: expected a finite number from 0 up, got inf.": ("ReLU", 1, math.inf),
    "activation: expected an activation, got 3.": (3, 1, 0),
    "activation: Softmax does not take each element by itself: the theory is of those that do.": (
        nn.Softmax(0), 1, 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", REFUSED)
def test_what_has_no_theory_is_refused(message):
    with pytest.raises(ConfigError) as caught:
        mean_field(*REFUSED[message])
    assert str(caught.value) == message


def test_the_record():
    found = mean_field("ReLU", 2.5, depth=4)
    assert MeanField.from_json(found.to_json()) == found and "Infinity" not in found.to_json()
    frame = found.frame()
    assert list(frame.columns) == ["variance", "gradient"] and list(frame.index) == [1, 2, 3, 4]
    assert repr(found) == "MeanField(ReLU, weight_var 2.5, bias_var 0: q* inf, χ 1.25, chaotic)"
    assert mean_field(nn.PReLU(), 1.0).chi == pytest.approx((1 + 0.25**2) / 2)
