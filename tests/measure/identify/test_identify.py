"""Which known start a tensor still has: draws, moved draws, constants, and what cannot be told."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import brickbook as bb
from brickbook.errors import BadArgumentError
from brickbook.init.laws import Normal, OrthogonalMatrix, Stacked, TruncNormal, Uniform, same_law
from brickbook.init.planning import plan
from brickbook.measure.identify import Identification, identify
from brickbook.views.export import from_json, to_csv, to_html

SHAPE = (64, 48, 3, 3)


def drawn(fill, shape=SHAPE, seed=0):
    """Return a tensor that a function has filled."""
    tensor = torch.empty(shape)
    torch.manual_seed(seed)
    with torch.no_grad():
        fill(tensor)
    return tensor


def inverse_cdf(tensor, std, cut):
    """Draw N(0, std²) cut at ± ``cut`` by the inverse of its CDF, in float32."""
    end = math.erf(cut / std / math.sqrt(2))
    tensor.uniform_(-end, end).erfinv_().mul_(std * math.sqrt(2)).clamp_(-cut, cut)


def symmetric(bound):
    """Return the uniform law of a bound."""
    return Uniform(-bound, bound)


init = nn.init
FRESH = {
    "torch": (lambda t: init.kaiming_uniform_(t, a=math.sqrt(5)), symmetric(1 / math.sqrt(432))),
    "kaiming": (init.kaiming_normal_, Normal(0.0, math.sqrt(2 / 432))),
    "fan_out": (lambda t: init.kaiming_normal_(t, mode="fan_out"), Normal(0.0, math.sqrt(2 / 576))),
    "xavier": (init.xavier_uniform_, symmetric(math.sqrt(6 / 1008))),
    "xavier normal": (init.xavier_normal_, Normal(0.0, math.sqrt(2 / 1008))),
    "normal": (lambda t: t.normal_(0, 0.02), Normal(0.0, 0.02)),
    "depth": (lambda t: t.normal_(0, 0.02 / math.sqrt(24)), Normal(0.0, 0.02 / math.sqrt(24))),
    "odd": (lambda t: t.uniform_(-0.037, 0.037), symmetric(0.037)),
    "unit": (lambda t: t.uniform_(), Uniform(0.0, 1.0)),
    "randn": (lambda t: t.copy_(torch.randn(SHAPE) * 0.02), Normal(0.0, 0.02)),
    "wide cut": (lambda t: init.trunc_normal_(t, std=0.02), Normal(0.0, 0.02)),
    "cut": (
        lambda t: init.trunc_normal_(t, std=0.02, a=-0.04, b=0.04),
        TruncNormal(0.0, 0.02, -0.04, 0.04),
    ),
    "timm": (lambda t: inverse_cdf(t, 0.02, 2.0), Normal(0.0, 0.02)),
    "timm, scaled": (
        lambda t: (inverse_cdf(t, 0.02, 2.0), t.div_(math.sqrt(6))),
        Normal(0.0, 0.02 / math.sqrt(6)),
    ),
    "jax": (
        lambda t: (inverse_cdf(t, 1.0, 2.0), t.mul_(math.sqrt(1 / 432) / 0.8796256610342398)),
        None,
    ),
}


@pytest.mark.parametrize("name", FRESH)
@pytest.mark.parametrize("seed", range(3))
def test_a_fresh_draw(name, seed):
    fill, law = FRESH[name]
    row = identify({"w": drawn(fill, seed=seed)})["w"]
    assert (row.verdict, row.proof, row.share) == ("untouched", "grid", 1.0)
    assert law is None or same_law(row.law, law)


@pytest.mark.parametrize("name", FRESH)
@pytest.mark.parametrize("step", [1e-3, 1e-5, 1e-6])
def test_a_draw_that_was_moved(name, step):
    tensor = drawn(FRESH[name][0])
    moved = tensor - step * tensor.std() * torch.randn_like(tensor)
    assert identify({"w": moved})["w"].verdict in ("compatible", "unknown")


@pytest.mark.parametrize("name", ["torch", "normal", "timm", "cut"])
def test_a_draw_of_which_some_rows_were_moved(name):
    tensor = drawn(FRESH[name][0], (1000, 64))
    tensor[:200] += 1e-4 * torch.randn(200, 64)
    row = identify({"w": tensor})["w"]
    assert row.verdict == "moved"
    assert row.share is not None and 0.7 < row.share < 0.9


def test_weight_decay_alone():
    tensor = drawn(init.kaiming_normal_) * (1 - 1e-6)
    row = identify({"w": tensor})["w"]
    assert (row.verdict, row.reason) == ("moved", "scale")
    assert row.remark.startswith("all of it is as drawn but for its scale")


@pytest.mark.parametrize("size", [80, 100, 200, 500])
@pytest.mark.parametrize("name", ["normal", "uniform"])
def test_small_tensors(name, size):
    fill = (lambda t: t.normal_(0, 0.02)) if name == "normal" else (lambda t: t.uniform_(-0.1, 0.1))
    for seed in range(8):
        tensor = drawn(fill, (size,), seed)
        assert identify({"w": tensor})["w"].verdict == "untouched"
        tensor += 1e-5 * torch.randn(size)
        assert identify({"w": tensor})["w"].verdict != "untouched"


@pytest.mark.parametrize(
    ("fill", "shape", "law"),
    [
        (init.orthogonal_, (32, 64), OrthogonalMatrix(1.0, 32, 64)),
        (lambda t: init.orthogonal_(t, 2.0), (64, 32), OrthogonalMatrix(2.0, 64, 32)),
        (lambda t: [init.orthogonal_(each) for each in t.chunk(4)], (64, 16),
         Stacked(OrthogonalMatrix(1.0, 16, 16), 4)),
    ],
)  # fmt: skip
def test_orthogonal_matrices(fill, shape, law):
    tensor = drawn(fill, shape)
    row = identify({"w": tensor})["w"]
    assert (row.verdict, row.proof, row.law) == ("untouched", "orthogonal", law)
    moved = tensor + 1e-4 * torch.randn(shape)
    assert identify({"w": moved})["w"].verdict != "untouched"


@pytest.mark.parametrize(
    ("tensor", "verdict", "call"),
    [
        (torch.zeros(5), "constant", "constant_(0)"),
        (torch.full((2, 2), 1e-6), "constant", "constant_(1e-06)"),
        (torch.eye(4), "constant", "identity"),
        (drawn(init.dirac_, (4, 4, 3, 3)), "constant", "identity"),
        (torch.tensor([0.0, 0, 1, 1, 0, 0, 0, 0]), "constant", "constants by block"),
        (torch.zeros(3, dtype=torch.int64), "constant", "constant_(0)"),
        (torch.arange(9), "unknown", ""),
        (torch.linspace(0, 1, 2000), "unknown", ""),
        (torch.tensor([0.3]), "cannot tell", ""),
        (torch.randn(6), "cannot tell", ""),
        (torch.full((3,), math.nan), "unknown", ""),
        (torch.empty(0), "cannot tell", ""),
        (1e-3 * torch.randn(4096).sign(), "unknown", ""),  # Adam's first step from 0
        (torch.randn(2000) ** 3, "unknown", ""),
        (torch.randn(4, dtype=torch.complex64), "cannot tell", ""),
    ],
)  # fmt: skip
def test_what_is_no_draw(tensor, verdict, call):
    row = identify({"w": tensor})["w"]
    assert (row.verdict, row.call) == (verdict, call)


def test_where_there_is_no_power():
    model = nn.Linear(64, 64)
    halves = identify(nn.Linear(64, 64).bfloat16())["weight"]
    assert (halves.verdict, halves.reason) == ("cannot tell", "16 bits")
    assert identify(nn.Linear(64, 64).double())["weight"].verdict == "untouched"  # a cast up
    assert identify(nn.Linear(64, 64, dtype=torch.float64))["weight"].reason == "dtype"
    assert identify(nn.Linear(4, 5))["bias"].reason == "few elements"
    other = {"w": torch.rand(64, 64, dtype=torch.float64).mul(0.25).sub(0.125).float()}
    row = identify(other)["w"]  # as another generator draws it
    assert (row.verdict, row.proof) == ("compatible", "distribution")
    assert row.remark == "moved since, or drawn by another generator than torch's on a CPU"
    around_one = nn.Parameter(torch.empty(64, 64).normal_(1, 0.02))
    found = identify(around_one_model := nn.ParameterDict({"w": around_one}))["w"]
    assert (found.verdict, len(around_one_model)) == ("unknown", 1)
    with torch.device("meta"):
        assert identify(nn.Linear(2, 2))["weight"].reason == "it has no values (meta)"
    assert identify(model).untouched == ("weight", "bias")


@pytest.mark.parametrize("bound", [0.0417, 0.125, 1 / 24])
def test_uniform_draws_from_32_bits(bound):
    generator = torch.Generator().manual_seed(0)
    whole = torch.randint(2**32, (128, 128), generator=generator).float().double()
    low, high = (float(torch.tensor(end)) for end in (-bound, bound))
    place = (whole * 2.0**-32 + 2.0**-33).float().double()
    tensor = (place * (high - low) + low).float()  # as curand does it
    row = identify({"w": tensor})["w"]
    assert (row.verdict, row.reason) in (("untouched", "32 bits"), ("unknown", ""))
    assert row.verdict == "untouched" or bound == 0.0417  # no number that is usual
    assert identify({"w": tensor + 1e-5 * torch.randn(128, 128)})["w"].verdict != "untouched"


def test_a_model_that_is_trained_in_part():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Embedding(100, 64, padding_idx=3), nn.Linear(64, 64), nn.LayerNorm(64), nn.Linear(64, 64)
    )
    assert identify(model)["0.weight"].padding == 3
    assert identify(model).counts == {"untouched": 5, "constant": 2}
    model[3].requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 1e-2)
    model(torch.arange(30)).square().mean().backward()
    optimizer.step()
    found = identify(model)
    assert found.untouched == ("3.weight", "3.bias")
    assert found.names("moved") == ("0.weight",)
    assert identify(model.state_dict()).untouched == ("3.weight", "3.bias")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_our_own_streams(dtype):
    model = nn.Sequential(nn.Linear(40, 30), nn.Linear(30, 3)).to(dtype)
    report = bb.initialize(model, {"type": "TruncNormal", "std": 0.1, "layer": "Linear"}, seed=5)
    found = identify(model, plan=report)
    assert found["0.weight"].proof == found["1.weight"].proof == "seed"
    assert identify(model, plan=report.plan, seed=5)["1.weight"].verdict == "untouched"
    assert identify(model, plan=report.plan, seed=6)["1.weight"].proof != "seed"
    with torch.no_grad():
        next(iter(model.parameters()))[:3] += 1
    row = identify(model, plan=report)["0.weight"]
    assert (row.verdict, row.share) == ("moved", 0.9)


def test_tied_weights_and_sections():
    model = nn.ModuleDict({"a": nn.Linear(64, 64, bias=False), "b": nn.Linear(64, 64, bias=False)})
    model["b"].weight = model["a"].weight
    found = identify(model)
    assert (found["b.weight"].tied_to, found.counts) == ("a.weight", {"untouched": 1})
    assert identify(model.state_dict())["b.weight"].remark == "is a.weight"
    parts = torch.cat((drawn(lambda t: t.normal_(0, 0.02), (64, 64)), torch.zeros(64, 64),
                       drawn(lambda t: t.normal_(0, 0.02), (64, 64), 1)))  # fmt: skip
    row = identify({"w": parts})["w"]
    assert (row.verdict, str(row.law)) == (
        "untouched", "RowSections(64 × Normal(0, 0.02), 64 × Constant(0), 64 × Normal(0, 0.02))"
    )  # fmt: skip


def test_the_record():
    torch.manual_seed(0)
    found = identify(nn.Linear(64, 64))
    assert repr(found) == "Identification: 2 tensors: 2 untouched"
    assert repr(found["weight"]) == (
        "weight (64×64, float32): untouched; Uniform(-0.125, 0.125); torch's own start by its grid"
    )
    assert Identification.from_json(found.to_json()) == from_json(found.to_json()) == found
    assert list(found.frame().verdict) == ["untouched", "untouched"]
    assert "torch&#x27;s own start" in to_html(found)
    assert to_csv(found).count("\n") == 3
    assert "Uniform(-0.125, 0.125)" in found._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": 3}, "model: expected a model or a state dict, got 3."),
        ({"model": {}}, "model: there is no tensor in it. Give a state dict."),
        ({"model": nn.Linear(2, 2), "seed": 1}, "seed: a seed alone draws nothing: its laws are "
         "needed. Give plan=, the plan or report it was used with."),
        ({"model": nn.Linear(2, 2), "plan": 1}, "plan: expected a plan, a report or a history, got "
         "1."),
    ],
)  # fmt: skip
def test_messages(arguments, message):
    with pytest.raises(BadArgumentError) as caught:
        identify(arguments.pop("model"), **arguments)
    assert str(caught.value) == message


def test_nothing_is_changed():
    model = nn.Linear(64, 64)
    before, state = model.weight.clone(), torch.get_rng_state()
    rules = plan(model, {"type": "Normal", "std": 1, "layer": "Linear"})
    identify(model, plan=rules, seed=3)
    assert torch.equal(before, model.weight)
    assert torch.equal(state, torch.get_rng_state())
