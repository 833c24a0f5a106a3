"""Fans of any axes, and of what each layer says of its weight."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from brickbook import initialize, plan
from brickbook.init import KaimingInit, base_shapes
from brickbook.init.initializers import Target, fans, fans_as_computed, fans_of_weight
from brickbook.init.laws import Normal
from brickbook.measure import diagnose


class Conv1D(nn.Module):
    """As in transformers: a linear layer whose weight is stored as (in, out)."""

    def __init__(self, nf, nx):
        super().__init__()
        self.nf, self.nx = nf, nx
        self.weight = nn.Parameter(torch.empty(nx, nf))
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x):
        return x @ self.weight + self.bias


class Experts(nn.Module):
    """Stacked experts as in Mixtral: (experts, out, in)."""

    def __init__(self, experts=4, hidden=6, inner=10):
        super().__init__()
        self.hidden_dim = hidden
        self.gate_up_proj = nn.Parameter(torch.empty(experts, 2 * inner, hidden))
        self.down_proj = nn.Parameter(torch.empty(experts, hidden, inner))


class TransposedExperts(nn.Module):
    """As in Llama 4 and gpt-oss: (experts, in, out), which the sizes tell."""

    def __init__(self, experts=4, hidden=6, inner=10):
        super().__init__()
        self.hidden_size = hidden
        self.gate_up_proj = nn.Parameter(torch.empty(experts, hidden, 2 * inner))
        self.down_proj = nn.Parameter(torch.empty(experts, inner, hidden))


class SquareExperts(nn.Module):
    """Sizes that tell nothing; the module does."""

    is_transposed = True

    def __init__(self):
        super().__init__()
        self.hidden_size = 6
        self.gate_up_proj = nn.Parameter(torch.empty(4, 6, 12))
        self.down_proj = nn.Parameter(torch.empty(4, 6, 6))


@pytest.mark.parametrize(
    ("module", "key", "expected"),
    [
        (nn.Linear(3, 8), "weight", (3, 8)),
        (nn.Conv2d(4, 8, 3, groups=2), "weight", (18, 72)),
        (nn.Bilinear(3, 4, 5), "weight", (12, 20)),
        (Conv1D(8, 3), "weight", (3, 8)),
        (Experts(), "gate_up_proj", (6, 20)),
        (Experts(), "down_proj", (10, 6)),
        (TransposedExperts(), "gate_up_proj", (6, 20)),
        (TransposedExperts(), "down_proj", (10, 6)),
        (SquareExperts(), "down_proj", (6, 6)),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_fans_are_those_of_what_a_layer_computes(module, key, expected):
    shape = tuple(getattr(module, key).shape)
    assert fans_of_weight(shape, module, key) == fans_as_computed(shape, module, key) == expected


@pytest.mark.parametrize(
    "layer",
    [nn.Linear(3, 8), nn.Conv1d(4, 8, 3), nn.Conv2d(4, 8, 3, groups=2),
     nn.ConvTranspose1d(4, 8, 3), nn.ConvTranspose2d(4, 8, 3, groups=2), nn.Bilinear(3, 4, 5)],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_fans_of_torchs_layers_are_torchs(layer):
    found = nn.init._calculate_fan_in_and_fan_out(layer.weight)
    assert fans_of_weight(tuple(layer.weight.shape), layer) == found


def test_a_transposed_convolution_is_judged_by_what_it_computes():
    layer = nn.ConvTranspose2d(3, 8, 2)
    assert fans_of_weight((3, 8, 2, 2), layer) == (32, 12)
    assert fans_as_computed((3, 8, 2, 2), layer) == (12, 32)


def test_a_plan_and_a_direct_call_count_a_layers_own_axes():
    rule = dict(type="Kaiming", mode="fan_in", layer=["Conv1D", "Linear", "*:gate_up_proj"])
    model = nn.Sequential(Conv1D(8, 3), nn.Linear(3, 8), TransposedExperts())
    planned = plan(model, rule)
    stds = [planned[name].law.std for name in ("0.weight", "1.weight", "2.gate_up_proj")]
    assert stds == pytest.approx([math.sqrt(2 / 3), math.sqrt(2 / 3), math.sqrt(2 / 6)])
    torch.manual_seed(1)
    initialize(model, rule)
    before = model[0].weight.detach().clone()
    torch.manual_seed(1)
    KaimingInit(mode="fan_in", layer="Conv1D")(model)
    assert torch.equal(model[0].weight, before)


def test_axes_that_are_given_are_kept():
    init = KaimingInit(mode="fan_in", in_axis=1, out_axis=2, batch_axis=0)
    layer = Experts()
    target = Target("gate_up_proj", (4, 20, 6), "weight", layer, layer)
    assert init.law(target) == Normal(0.0, pytest.approx(math.sqrt(2 / 20)))


def test_mup_counts_the_growth_along_a_layers_own_axes():
    base, wide = (
        nn.Sequential(Conv1D(8, 8), nn.Linear(8, 4)),
        nn.Sequential(Conv1D(8, 32), nn.Linear(8, 4)),
    )
    kaiming = dict(type="Kaiming", mode="fan_in")
    rule = dict(type="MuP", init=kaiming, base=base_shapes(base), layer="Conv1D")
    assert plan(wide, rule)["0.weight"].law == Normal(
        0.0, pytest.approx(math.sqrt(2 / 8) / 4)
    )  # fan_in alone


def test_the_diagnosis_counts_what_the_laws_count():
    sizes = (16, 256, 16, 256, 16, 256, 16)
    layers = [Conv1D(out, size) for size, out in pairwise(sizes)]
    model = nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))
    good = dict(type="Kaiming", mode="fan_in", layer="Conv1D")
    assert diagnose(model, plan=plan(model, good)) == ()


@pytest.mark.parametrize(
    ("shape", "axes", "expected"),
    [
        ((8, 4, 3, 3), {}, (36, 72)),
        ((8, 4, 3, 3), {"in_axis": -3, "out_axis": -4}, (36, 72)),
        ((3, 3, 4, 8), {"in_axis": -2, "out_axis": -1}, (36, 72)),  # jax: height, width, in, out
        ((4, 8, 3, 3), {"in_axis": 0, "out_axis": 1}, (36, 72)),  # a transposed convolution
        ((5, 4, 8), {"in_axis": 1, "out_axis": 2, "batch_axis": 0}, (4, 8)),  # experts
        ((64, 12, 16), {"in_axis": 0, "out_axis": [1, 2]}, (64, 192)),  # a projection to heads
        ((12, 16, 64), {"in_axis": (0, 1), "out_axis": 2}, (192, 64)),
        ((7, 8), {"in_axis": [], "out_axis": 1, "batch_axis": [0]}, (1, 8)),
    ],
)
def test_fans_of_any_axes(shape, axes, expected):
    assert fans(shape, **axes) == expected
