"""Activations that a forward calls as functions, and zeros that are no dead units."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from brickbook.measure.probe import Signal, probe


class Between(nn.Module):
    """Two layers with functions between them."""

    def __init__(self, run, bias=0.0, make=nn.Linear):
        super().__init__()
        self.run, self.a, self.b = run, make(8, 8), make(8, 8)
        nn.init.constant_(self.a.bias, bias)

    def forward(self, x):
        return self.b(self.run(self.a(x)))


def between(run, bias=0.0, size=(32, 8), **changes) -> Signal | None:
    """Return what is seen at the second layer."""
    model = Between(run, bias, **changes)
    x = torch.randn(size, generator=torch.Generator().manual_seed(1))
    return next((row for row in probe(model, x, mode="eval") if row.name == "input of b"), None)


SATURATED = {
    "tanh": torch.tanh,
    "Tensor.tanh": lambda x: x.tanh(),
    "tanh_": lambda x: x.clone().tanh_(),
    "F.tanh": F.tanh,
    "sigmoid": torch.sigmoid,
    "F.sigmoid": F.sigmoid,
    "F.hardsigmoid": F.hardsigmoid,
    "F.hardtanh": F.hardtanh,
    "F.hardtanh with bounds": lambda x: F.hardtanh(x, -2, max_val=2),
    "tanh, dropout": lambda x: F.dropout(torch.tanh(x)),
    "tanh, view": lambda x: torch.tanh(x).view(4, 8, 8).flatten(0, 1),
}


@pytest.mark.parametrize("case", SATURATED)
def test_saturated_functions_are_seen_where_the_next_layer_takes_them(case):
    row = between(SATURATED[case], 9.0)
    name = case.split(",")[0].removeprefix("F.").removeprefix("Tensor.").split()[0].rstrip("_")
    assert (row.kind, row.part, row.dead, row.saturated) == (f"{name} input", "activation", None, 1)
    calm = between(SATURATED[case])
    assert calm.saturated < 0.2


@pytest.mark.parametrize("make", [nn.Hardtanh, nn.Hardsigmoid, nn.Tanh, nn.Sigmoid])
def test_bounded_modules_saturate(make):
    assert probe(nn.Sequential(make()), torch.full((4, 8), 9.0))[0].saturated == 1


RECTIFIED = {
    "relu": torch.relu,
    "F.relu": F.relu,
    "Tensor.relu_": lambda x: x.relu_(),
    "F.relu6": F.relu6,
    "clamp": lambda x: x.clamp(min=0),
    "clamp_min": lambda x: x.clamp_min(0),
    "hardtanh": lambda x: F.hardtanh(x, 0, 1),
    "threshold": lambda x: F.threshold(x, 0, 0),
    "dropout": lambda x: F.dropout(F.relu(x), 0.1),
    "flatten": lambda x: F.relu(x).view(32, 2, 4).flatten(1),
    "squared": lambda x: F.relu(x).square(),
    "cat": lambda x: torch.cat([F.relu(x[:16]), F.relu(x[16:])]),
}


@pytest.mark.parametrize("case", RECTIFIED)
def test_rectifying_functions_are_seen_where_the_next_layer_takes_them(case):
    row = between(RECTIFIED[case], -100.0)
    assert (row.kind, row.dead, row.silent, row.saturated) == ("rectified input", 1, False, None)


def conv(channels, out):
    return nn.Conv2d(channels, out, 1)


def test_pooling_may_stand_between():
    row = between(lambda x: F.max_pool2d(F.relu(x), 2), -100.0, (4, 8, 4, 4), make=conv)
    assert (row.kind, row.dead, row.units) == ("rectified input", 1, 8)


NOT_DEAD = {
    "a flow that begins at zero": lambda x: torch.zeros_like(x),
    "a codebook of zeros": lambda x: F.embedding(torch.zeros(32, dtype=torch.long), 0 * x),
    "a masked softmax": lambda x: x.masked_fill(torch.arange(8) > 3, -torch.inf).softmax(-1),
    "one-hot": lambda x: F.one_hot(x.argmax(-1) % 3, 8).float(),
    "padded with zeros": lambda x: F.pad(x[:, :4].sigmoid() + 1, (0, 4)),
    "written over": lambda x: F.relu(x).clone().mul_(0),
    "a rectifier in another branch": lambda x: torch.zeros_like(F.relu(x)),
    "an absolute value": lambda x: (x - x.min()).abs(),
}


@pytest.mark.parametrize("case", NOT_DEAD)
def test_zeros_without_a_rectifier_are_no_dead_units(case):
    assert between(NOT_DEAD[case]) is None


def test_what_gets_zeros_alone_is_silent_and_not_dead():
    row = between(lambda x: F.relu(0 * x))
    assert (row.dead, row.silent, row.zeros) == (None, True, 1)


def test_only_units_where_something_arrives_are_dead():
    x = torch.randn(32, 8, generator=torch.Generator().manual_seed(1))
    x[:, :2], x[:, 2:5] = 0, -1
    for inplace in (False, True):
        row = probe(nn.Sequential(nn.ReLU(inplace)), x)[0]
        assert (row.dead, row.silent) == (3 / 8, False)
