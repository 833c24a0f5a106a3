"""Numbers that a dtype cannot hold, complex numbers, and integers longer than torch takes."""

import json
import math

import pytest
import torch
from torch import nn

from brickbook import InitReport, initialize, plan
from brickbook.errors import BadValueError
from brickbook.init.laws import (
    Centred,
    ComplexUniform,
    Constant,
    Normal,
    SparseNormal,
    Stacked,
    TruncNormal,
    Uniform,
    law_from_dict,
    law_to_dict,
    overflow_share,
)

HALF = torch.float16
BEYOND = {
    "normal": (Normal(0.0, 30000.0), 0.02895),
    "normal with a mean": (Normal(65520.0, 1.0), 0.5),
    "no spread": (Normal(65504.0, 0.0), 0.0),
    "narrow": (Normal(0.0, 1.0), 0.0),
    "sparse": (SparseNormal(30000.0, 4, 2), 0.02895 / 2),
    "a kernel's centre": (Centred(Normal(0.0, 30000.0), 9), 0.02895 / 9),
    "packed": (Stacked(SparseNormal(30000.0, 4, 2), 3), 0.02895 / 2),
    "bounded": (Uniform(-60000.0, 60000.0), 0.0),
}


@pytest.mark.parametrize("law, share", BEYOND.values(), ids=BEYOND)
def test_the_share_of_a_law_that_a_dtype_cannot_hold(law, share):
    assert overflow_share(law, HALF) == pytest.approx(share, rel=1e-3)
    if law.elementwise:
        drawn = torch.empty(100_000, dtype=HALF)
        law.fill(drawn, torch.Generator().manual_seed(0))
        assert drawn.isinf().double().mean().item() == pytest.approx(share, abs=3e-3)


def test_half_of_the_last_digit_above_the_largest_number_is_rounded_to_it():
    numbers = torch.tensor([65504.0, 65519.9, 65520.0]).half().isinf().tolist()
    assert numbers == [False, False, True]
    assert overflow_share(Normal(65519.9, 1e-9), HALF) == 0
    assert overflow_share(Normal(65520.1, 1e-9), HALF) == 1


def test_integers_get_constants_alone():
    assert overflow_share(Constant(0.0), torch.int64) == 0


def test_the_share_of_complex_numbers():
    law, drawn = Normal(0.0, 3e38), torch.empty(100_000, dtype=torch.cfloat)
    law.fill(drawn, torch.Generator().manual_seed(0))
    found = torch.view_as_real(drawn).isinf().any(-1).double().mean().item()
    assert overflow_share(law, torch.cfloat) == pytest.approx(found, abs=0.01)


@pytest.mark.parametrize("seed", [None, 1])
def test_numbers_beyond_a_dtype_are_announced_and_counted(seed):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(100, 200), nn.Linear(100, 200)).half()
    cfg = dict(type="Normal", std=30000.0, layer="Linear")
    message = (
        "init_cfg: for 0.weight and 1 more: about 1,158 of 40,000 elements will be infinite: "
        "Normal(0, 3e+04) has numbers beyond 6.55e+04, where float16 ends."
    )
    assert [str(item) for item in plan(model, cfg).overflows] == [message]
    with pytest.warns(RuntimeWarning) as caught:
        report = initialize(model, cfg, seed=seed)
    assert [(str(item.message), item.filename) for item in caught] == [(message, __file__)]
    for index in (0, 1):
        count = int(model[index].weight.isinf().sum())
        assert 450 < count < 750
        assert report[f"{index}.weight"].reason == (
            f"{count} of 20,000 elements are infinite: float16 ends at 6.55e+04"
        )
        assert report[f"{index}.bias"].reason == ""
    again = InitReport.from_dict(json.loads(json.dumps(report.to_dict())))
    assert again.records == report.records
    assert message in plan(model, cfg)._repr_html_() and message in report._repr_html_()


def test_a_number_that_is_hardly_ever_too_large_is_announced_with_its_probability():
    model = nn.Linear(100, 200).half()
    todo = plan(model, dict(type="Normal", std=14500.0, layer="Linear"))
    assert [str(item) for item in todo.overflows] == [
        "init_cfg: for weight: one of 20,000 elements will be infinite with probability 0.12: "
        "Normal(0, 1.45e+04) has numbers beyond 6.55e+04, where float16 ends."
    ]
    assert plan(model, dict(type="Normal", std=10000.0, layer="Linear")).overflows == ()
    assert plan(model.float(), dict(type="Normal", std=14500.0, layer="Linear")).overflows == ()


COMPLEX = [
    dict(type="Normal", std=0.5),
    dict(type="Uniform", a=-1, b=3),
    dict(type="Xavier", distribution="uniform"),
    dict(type="Kaiming", distribution="uniform"),
    dict(type="LeCun", distribution="uniform"),
    dict(type="VarianceScaling", distribution="uniform"),
    dict(type="Caffe2Xavier"),
    dict(type="Orthogonal"),
    dict(type="Sparse", sparsity=0.3),
]


@pytest.mark.parametrize("cfg", COMPLEX, ids=lambda cfg: "-".join(map(str, cfg.values())))
def test_the_std_of_complex_weights_is_that_of_torch(cfg):
    model = nn.Linear(300, 300, dtype=torch.cfloat)
    cfg = {**cfg, "layer": "Linear"}
    law = plan(model, cfg)["weight"].law
    initialize(model, cfg, seed=3)
    weight = model.weight.detach()
    assert weight.std().item() == pytest.approx(law.std, rel=0.02)
    assert weight.real.mean().item() == pytest.approx(law.mean, abs=0.02)
    assert law_from_dict(law_to_dict(law)) == law


def test_uniform_complex_numbers_are_those_of_torch():
    mine, torchs = torch.empty(5, dtype=torch.cfloat), torch.empty(5, dtype=torch.cfloat)
    law = ComplexUniform(-1.0, 3.0)
    law.fill(mine, torch.Generator().manual_seed(4))
    torchs.uniform_(-1, 3, generator=torch.Generator().manual_seed(4))
    assert torch.equal(mine, torchs)
    assert law.scale_by(2.0) == ComplexUniform(-2.0, 6.0)
    assert (law.mean, law.std, law.support) == (1.0, 4 / math.sqrt(6), (-1.0, 3.0))


HUGE = 10**30
LONG = {
    "constant": Constant(HUGE),
    "normal": Normal(HUGE, 1),
    "uniform": Uniform(-HUGE, HUGE),
    "truncated": TruncNormal(0, 1, -HUGE, HUGE),
    "tail": TruncNormal(0, HUGE, HUGE, 2 * HUGE),
}


@pytest.mark.parametrize("law", LONG.values(), ids=LONG)
def test_integers_of_any_size_are_numbers_of_a_law(law):
    tensor = torch.full((50,), math.nan)
    law.fill(tensor)
    assert tensor.isfinite().all()


@pytest.mark.parametrize("cfg", [
    dict(type="TruncNormal", a=-HUGE, b=HUGE),
    dict(type="TruncNormal", a=-(2**64), b=2**63),
    dict(type="Uniform", a=-HUGE, b=HUGE),
    dict(type="Normal", mean=HUGE),
    dict(type="Constant", val=HUGE, bias=-HUGE),
])  # fmt: skip
@pytest.mark.parametrize("direct", [False, True])
def test_integers_of_any_size_in_a_config(cfg, direct):
    from brickbook import INITIALIZERS

    model = nn.Linear(4, 4)
    cfg = {**cfg, "layer": "Linear"}
    INITIALIZERS.build(cfg)(model) if direct else initialize(model, cfg, seed=1)
    assert all(value.isfinite().all() for value in model.parameters())


def test_integers_beyond_all_floats_are_named():
    with pytest.raises(BadValueError) as caught:
        TruncNormal(0, 1, 0, 10**400)
    assert str(caught.value) == (
        "high: expected a finite number, got a number of about 401 digits."
    )


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def init_weights(self):
        nn.init.normal_(self.fc.weight)


@pytest.mark.parametrize("seed", [-1, 2**63, 2**64, -(2**64), HUGE, 10**3999], ids="abcdef")
def test_seeds_of_any_size(seed):
    numbers = []
    for _ in range(2):
        model = nn.Sequential(nn.Linear(4, 4), Own())
        initialize(model, dict(type="TruncNormal", layer="Linear"), seed=seed)
        initialize(model[1], seed=seed)
        numbers.append(torch.cat([value.flatten() for value in model.parameters()]))
    assert torch.equal(*numbers)


@pytest.mark.parametrize("seed", [10**4000, -(10**5000)], ids="ab")
def test_seeds_that_python_cannot_write_are_refused_before_anything_is_written(seed):
    model = nn.Linear(4, 4)
    before = model.weight.detach().clone()
    with pytest.raises(BadValueError) as caught:
        initialize(model, dict(type="Normal", layer="Linear"), seed=seed)
    assert str(caught.value) == "seed: expected an int of at most 4,000 digits."
    assert torch.equal(model.weight, before)


@pytest.mark.filterwarnings("error")
def test_the_added_key_and_value_of_attention_are_no_parametrisation():
    model = nn.MultiheadAttention(8, 2, add_bias_kv=True)
    todo = plan(model, dict(type="Normal", bias=2.0, layer="MultiheadAttention"))
    assert todo.unmatched == () and todo["bias_v"].law == todo["bias_k"].law == Constant(2.0)
    initialize(model, dict(type="Normal", bias=2.0, layer="MultiheadAttention"), strict=True)
    assert model.bias_v.unique().tolist() == model.bias_k.unique().tolist() == [2.0]
