"""Bricks that hold bricks: what they compute, what they refuse, and torch's tools on them."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from brickbook import MODELS
from brickbook.bricks.containers import Add, Concat, Repeat, Residual
from brickbook.modules import BaseModule, Sequential

CONV = dict(type="Conv2d", in_channels=4, out_channels=4, kernel_size=1)
CONFIGS = {
    "Sequential": dict(type="Sequential", bricks=[CONV, dict(type="ReLU")]),
    "Residual": dict(type="Residual", body=[CONV, dict(type="BN", num_features=4)]),
    "shortcut": dict(type="Residual", body=[CONV], shortcut=[CONV]),
    "Add": dict(type="Add", branches=[[CONV], [], [dict(type="ReLU")]]),
    "Concat": dict(type="Concat", branches=[[CONV], []]),
    "Repeat": dict(type="Repeat", times=3, body=[CONV]),
    "nested": dict(type="Residual", body=dict(type="Concat", branches=[CONV], dim=1)),
}


@pytest.fixture
def x():
    return torch.rand(2, 4, 3, 3)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_one_is_built_from_configs_copied_pickled_and_trained(name, x):
    model = MODELS.build(CONFIGS[name])
    assert isinstance(model, BaseModule)
    model(x).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.eval()
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(again(x), model(x))
    fresh = MODELS.build(CONFIGS[name]).eval()
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh(x), model(x))
    assert model(x[:0]).shape[0] == 0


@pytest.mark.compile
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", CONFIGS)
def test_torchs_tools(name, x):
    model = MODELS.build(CONFIGS[name]).eval()
    made = [
        torch.jit.script(model),
        torch.fx.symbolic_trace(model),
        torch.export.export(model, (x,)).module(),
    ]
    assert all(torch.equal(other(x), model(x)) for other in made)


def test_what_they_compute(x):
    body, side = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
    assert torch.equal(Residual(body)(x), body(x) + x)
    assert torch.equal(Residual([body, side], side)(x), side(body(x)) + side(x))
    assert torch.equal(Add([body, [], [side, body]])(x), body(x) + x + body(side(x)))
    assert torch.equal(Concat([body, []], dim=1)(x), torch.cat((body(x), x), 1))
    assert torch.equal(Concat([body, side], dim=-1)(x), torch.cat((body(x), side(x)), -1))


def test_repeats_have_parameters_of_their_own(x):
    made = MODELS.build(CONFIGS["Repeat"])
    first, second, _ = (part[0].weight for part in made)
    assert not torch.equal(first, second) and made.times == 3
    copies = Repeat(2, nn.Conv2d(4, 4, 1))
    assert torch.equal(copies[0].weight, copies[1].weight)
    assert copies[0].weight is not copies[1].weight


def test_keys_of_the_state_dict():
    keys = {name: list(MODELS.build(CONFIGS[name]).state_dict()) for name in CONFIGS}
    assert keys["Sequential"] == ["0.weight", "0.bias"]
    assert keys["shortcut"] == [
        "body.0.weight", "body.0.bias", "shortcut.0.weight", "shortcut.0.bias",
    ]  # fmt: skip
    assert keys["Concat"] == ["branches.0.0.weight", "branches.0.0.bias"]
    assert keys["Repeat"][:2] == ["0.0.weight", "0.0.bias"]


def test_init_cfg_of_a_holder_reaches_what_it_holds():
    model = MODELS.build({**CONFIGS["Residual"], "init_cfg": dict(type="Zeros", layer="Conv2d")})
    model.init_weights()
    assert float(model.body[0].weight.detach().abs().sum()) == 0.0


SHAPES = [
    (Residual(nn.Conv2d(4, 5, 1)),
     "Residual: the body gives (2, 5, 3, 3), the shortcut (2, 4, 3, 3)."),
    (Residual(nn.AvgPool2d(3)),
     "Residual: the body gives (2, 4, 1, 1), the shortcut (2, 4, 3, 3)."),
    (Add([nn.Conv2d(4, 5, 1), nn.Identity()]),
     "Add: the branches give (2, 5, 3, 3) and (2, 4, 3, 3): they must be the same."),
    (Concat([nn.AvgPool2d(3), nn.Identity()]),
     "Concat: the branches give (2, 4, 1, 1) and (2, 4, 3, 3): they must agree but for dim 1."),
    (Concat([nn.Flatten(), nn.Identity()]),
     "Concat: the branches give (2, 36) and (2, 4, 3, 3): they must agree but for dim 1."),
    (Concat([nn.Identity(), nn.Flatten(2)], dim=3),
     "Concat: the branches give (2, 4, 3, 3) and (2, 4, 9): they must agree but for dim 3."),
    (Concat([nn.Identity(), nn.Sequential(nn.AdaptiveAvgPool2d((3, 1)), nn.Flatten(2))], dim=3),
     "Concat: the branches give (2, 4, 3, 3) and (2, 4, 3): they must agree but for dim 3."),
    (Concat([nn.Identity()], dim=4), "Concat: the branches give (2, 4, 3, 3): they have no dim 4."),
]  # fmt: skip


@pytest.mark.parametrize(("model", "message"), SHAPES)
def test_shapes_that_do_not_meet_are_named(model, message, x):
    with pytest.raises(ValueError) as caught:
        model(x)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Residual(3), TypeError,
         "body: expected a module or a list of modules, got 3. "
         "Configs are built by MODELS.build and Blueprint."),
        (lambda: Concat([]), TypeError, "branches: expected a list of branches, got []."),
        (lambda: Add([nn.ReLU(), "x"]), TypeError,
         "branches[1]: expected a module or a list of modules, got 'x'. "
         "Configs are built by MODELS.build and Blueprint."),
        (lambda: Repeat(0, nn.ReLU()), ValueError,
         "times: expected a whole number from 1 up, got 0."),
        (lambda: Repeat(True, nn.ReLU()), ValueError,
         "times: expected a whole number from 1 up, got True."),
        (lambda: MODELS.build(dict(type="Residual", body=[dict(type="Conv2")])), KeyError,
         "cfg.body[0].type: no brick is called 'Conv2'. Did you mean 'Conv2d'?"),
        (lambda: MODELS.build(dict(type="Concat", branches=[[CONV], [{**CONV, "paddin": 1}]])),
         TypeError,
         "cfg.branches[1][0].paddin: Conv2d has no such argument. Did you mean 'padding'?"),
        (lambda: MODELS.build(dict(type="Repeat", times="3", body=[CONV])), TypeError,
         "cfg.times: expected int, got '3' (str)."),
    ],
)  # fmt: skip
def test_what_cannot_be_meant(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message


def test_a_sequential_of_one_module():
    assert isinstance(MODELS.build(dict(type="Sequential", bricks=CONV)), Sequential)
